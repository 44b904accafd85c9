"""Layers whose weights are no parameters of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import Parameterless, Rule

Tensor = Any


@dataclass(frozen=True)
class Frozen(Parameterless):
    """A rule that takes the weights as they stand in the layer (`layer.trainable = False`).

    Attributes:
        rule: How the layer type computes.
    """

    rule: Rule

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] to [channels', ...', rows]."""
        return self.rule.forward(layer, [tf.convert_to_tensor(weight) for weight in layer.weights], inputs)
