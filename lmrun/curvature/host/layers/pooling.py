"""Pooling layers: a maximum or a mean over windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from lmrun.curvature.host.activations import Activation
from lmrun.curvature.host.layers.base import Array, Parameterless
from lmrun.curvature.host.layers.windows import Windows
from lmrun.curvature.host.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Pooling(Parameterless):
    """What both share: they read [elements of a window, outputs, rows].

    Attributes:
        windows: Where they stand.
    """

    windows: Windows

    @property
    def outputs(self) -> int:
        """One per channel and position."""
        return self.windows.channels * self.windows.count

    @property
    def held(self) -> int:
        """What all windows see, and the image that the cotangents of its inputs add up in."""
        return len(self.windows.elements) * self.outputs + 2 * self.windows.padded_size

    def cut(self, values: Array, scratch: Scratch, filling: float) -> Array:
        """[elements, outputs, rows]."""
        seen = scratch.like(len(self.windows.elements) * self.outputs, values)
        self.windows.cut(values, seen, scratch, filling)
        return seen.reshape(len(self.windows.elements), self.outputs, -1)


@dataclass(frozen=True, slots=True)
class MaxPooling(Pooling):
    """The largest element of each window; of equal ones the first has the derivative, as in TensorFlow."""

    def read(self, inputs: Array, scratch: Scratch) -> Array:
        """What the windows see."""
        return self.cut(inputs, scratch, float(np.finfo(inputs.dtype).min))

    def product(self, params: Array, read: Array, out: Array) -> None:
        """Maximum."""
        np.max(read, axis=0, out=out)

    def along(self, params: Array, read: Array, direction: Array, scratch: Scratch) -> Array:
        """Where the maximum is."""
        seen = self.cut(direction, scratch, 0.0)
        taken: Array = np.take_along_axis(seen, np.argmax(read, axis=0)[None], axis=0)[0]
        return taken

    def pull(self, params: Array, read: Array, cotangents: Array, scratch: Scratch) -> Array:
        """To where the maximum is."""
        image, largest = self.windows.blank(cotangents, scratch), np.argmax(read, axis=0)
        for place, element in enumerate(self.windows.elements):
            back = cotangents * (largest == place)
            image[element] += back.reshape(image[element].shape)
        return self.windows.real(image, scratch)


@dataclass(frozen=True, slots=True)
class AveragePooling(Pooling):
    """The mean of each window; what `same` pads does not count.

    Attributes:
        shares: One over the elements of each window that lie in the image, [outputs, 1].
    """

    shares: Array

    @classmethod
    def over(cls, start: int, activation: Activation, windows: Windows, dtype: str) -> Self:
        """Count what lies in the image."""
        counts = np.empty((len(windows.elements) * windows.channels * windows.count, 1), dtype)
        windows.cut(np.ones((windows.size, 1), dtype), counts, Scratch())
        return cls(start, activation, windows, 1 / counts.reshape(len(windows.elements), -1, 1).sum(axis=0))

    def read(self, inputs: Array, scratch: Scratch) -> Array:
        """What the windows see."""
        return self.cut(inputs, scratch, 0.0)

    def product(self, params: Array, read: Array, out: Array) -> None:
        """Sum over count."""
        np.sum(read, axis=0, out=out)
        out *= self.shares

    def along(self, params: Array, read: Array, direction: Array, scratch: Scratch) -> Array:
        """The same of the direction."""
        mean: Array = self.cut(direction, scratch, 0.0).sum(axis=0) * self.shares
        return mean

    def pull(self, params: Array, read: Array, cotangents: Array, scratch: Scratch) -> Array:
        """The same share to all elements."""
        image, share = self.windows.blank(cotangents, scratch), cotangents * self.shares
        for element in self.windows.elements:
            image[element] += share.reshape(image[element].shape)
        return self.windows.real(image, scratch)
