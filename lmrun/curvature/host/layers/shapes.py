"""Layers that move values."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from lmrun.curvature.host.layers.base import Array, Parameterless
from lmrun.curvature.host.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Flatten(Parameterless):
    """From channels before positions to Keras' order, where the channel runs fastest.

    Attributes:
        shape: The image's (spatial..., channels).
    """

    shape: tuple[int, ...]

    held = 0

    @property
    def outputs(self) -> int:
        """As many as inputs."""
        return prod(self.shape)

    def read(self, inputs: Array, scratch: Scratch) -> Array:
        """As they are."""
        return inputs

    def product(self, params: Array, read: Array, out: Array) -> None:
        """The channel runs fastest."""
        *_, channels = self.shape
        out.reshape(-1, channels, out.shape[-1])[...] = read.reshape(channels, -1, read.shape[-1]).swapaxes(
            0, 1
        )

    def along(self, params: Array, read: Array, direction: Array, scratch: Scratch) -> Array:
        """The same of the direction."""
        moved = scratch.like(self.outputs, direction)
        self.product(params, direction, moved)
        return moved

    def pull(self, params: Array, read: Array, cotangents: Array, scratch: Scratch) -> Array:
        """Back."""
        *_, channels = self.shape
        moved = scratch.like(self.outputs, cotangents)
        back = cotangents.reshape(-1, channels, cotangents.shape[-1]).swapaxes(0, 1)
        np.copyto(moved.reshape(back.shape), back)
        return moved
