"""Some columns of a flat input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import Parameterless, channels_first

Tensor = Any


class Columns(Parameterless):
    """A slab of rows, in Keras' order."""

    bilinear = True

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[columns, rows] to [channels, ..., rows]."""
        piece = inputs[0][layer.start : layer.stop]
        return channels_first(tf.reshape(piece, [*layer.sample, piece.shape[-1]]))
