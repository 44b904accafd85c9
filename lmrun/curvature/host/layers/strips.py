"""What the windows of a convolution see, with neighbours along the first axis sharing what they both see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Self

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lmrun.curvature.host.layers.base import Array
from lmrun.curvature.host.layers.windows import Index, Windows
from lmrun.curvature.host.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Strips:
    """An image cut along all axes but the first: [strips, elements, channels, positions, rows].

    A window at place i of the first axis sees `height` strips one behind the other from strip `step` i on:
    its matrix [height elements channels, positions rows] is a part of the strips, not a copy. Whole windows
    would be as many numbers as a window has strips for every one of its strides.

    Attributes:
        windows: Where the windows stand.
        height: Strips of a window.
        step: Strips from a window to the next.
        elements: Of a window in a strip, one for a window along one axis.
        parts: Which strips [strips] and which element are cut out of where.
    """

    windows: Windows
    height: int
    step: int
    elements: int
    parts: tuple[tuple[slice, int, Index], ...]

    @classmethod
    def over(
        cls, windows: Windows, size: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
    ) -> Self:
        """Cut what `Windows.over` of the same lengths lays over an image.

        Windows that leave strips out or do not overlap have strips of their own.
        """
        height, stride, count = size[0], strides[0], windows.positions[0]
        shared = dilation[0] == 1 and stride < height
        step = stride if shared else height
        rows = [(slice(None), slice(0, stride * (count - 1) + height))]
        if not shared:
            rows = [
                (slice(strip, None, height), slice(first, first + stride * (count - 1) + 1, stride))
                for strip, first in enumerate(range(0, height * dilation[0], dilation[0]))
            ]
        across = [
            tuple(
                slice(place * gap, place * gap + pace * (length - 1) + 1, pace)
                for place, gap, pace, length in zip(
                    element, dilation[1:], strides[1:], windows.positions[1:], strict=True
                )
            )
            for element in product(*map(range, size[1:]))
        ]
        parts = [
            (strips, number, (slice(None), row, *columns))
            for number, columns in enumerate(across)
            for strips, row in rows
        ]
        return cls(windows, height, step, len(across), tuple(parts))

    @property
    def count(self) -> int:
        """Windows along the first axis."""
        return self.windows.positions[0]

    @property
    def positions(self) -> int:
        """Windows along all other axes."""
        return prod(self.windows.positions[1:])

    @property
    def width(self) -> int:
        """Numbers of a window in a strip."""
        return self.elements * self.windows.channels

    @property
    def numbers(self) -> int:
        """All numbers per sample."""
        return (self.step * (self.count - 1) + self.height) * self.width * self.positions

    def cut(self, values: Array, scratch: Scratch) -> Array:
        """Return the strips [strips elements channels positions, rows] of values [channels spatial, rows]."""
        windows = self.windows
        image = windows.image(values, scratch)
        seen = scratch.like(self.numbers, values)
        strips = seen.reshape(-1, self.elements, windows.channels, *windows.positions[1:], values.shape[-1])
        for place, element, source in self.parts:
            strips[place, element] = np.moveaxis(image[source], 0, 1)
        return seen

    def matrices(self, seen: Array) -> Array:
        """What the windows at every place of the first axis see, [count, height width, positions rows]."""
        return self._view(seen.reshape(-1, self.positions * seen.shape[-1]), (), ())

    def all(self, seen: Array) -> Array:
        """The same for some of the rows as well, [count, height width, positions, rows]."""
        return self._view(seen, (self.positions,), seen.strides[:1])

    def _view(self, table: Array, between: tuple[int, ...], beside: tuple[int, ...]) -> Array:
        """Let windows overlap: `between` the height of a matrix and its last axis stand other axes."""
        strip = table.strides[0] * prod(between)
        shape = (self.count, self.height * self.width, *between, table.shape[-1])
        strides = (self.step * self.width * strip, strip, *beside, table.strides[-1])
        return as_strided(table, shape, strides, writeable=False)
