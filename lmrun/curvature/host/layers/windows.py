"""Where the windows of convolutions and pooling layers stand in an image with samples last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Self

from lmrun.curvature.host.layers.base import Array
from lmrun.curvature.host.scratch import Scratch

Index = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Windows:
    """Element by element of a window, what it sees: a strided slice of the image at all positions at once.

    Attributes:
        channels: Of the image.
        spatial: Its lengths.
        padded: Its lengths with what `same` pads.
        positions: Windows along each axis.
        inside: Where the image stands in the padded one.
        elements: For each element of a window, the last axis running fastest, what it sees.
    """

    channels: int
    spatial: tuple[int, ...]
    padded: tuple[int, ...]
    positions: tuple[int, ...]
    inside: Index
    elements: tuple[Index, ...]

    @classmethod
    def over(
        cls,
        image: Sequence[int],
        size: Sequence[int],
        strides: Sequence[int],
        dilation: Sequence[int],
        padding: str,
    ) -> Self:
        """Lay windows over an image of the lengths (spatial..., channels), as Keras counts them.

        `same` pads as TensorFlow does: a window for every stride, the larger half behind.
        """
        *spatial, channels = image
        reach = [step * (extent - 1) + 1 for step, extent in zip(dilation, size, strict=True)]
        missing = [0] * len(spatial)
        if padding == "same":
            missing = [
                max((-(-length // stride) - 1) * stride + span - length, 0)
                for length, stride, span in zip(spatial, strides, reach, strict=True)
            ]
        padded = [length + more for length, more in zip(spatial, missing, strict=True)]
        counts = [
            (length - span) // stride + 1 for length, span, stride in zip(padded, reach, strides, strict=True)
        ]
        everything = slice(None)
        inside = [slice(more // 2, more // 2 + length) for length, more in zip(spatial, missing, strict=True)]
        elements = [
            (
                everything,
                *(
                    slice(place * step, place * step + stride * (count - 1) + 1, stride)
                    for place, step, stride, count in zip(element, dilation, strides, counts, strict=True)
                ),
            )
            for element in product(*map(range, size))
        ]
        return cls(
            channels, tuple(spatial), tuple(padded), tuple(counts), (everything, *inside), tuple(elements)
        )

    @property
    def size(self) -> int:
        """Numbers of the image."""
        return self.channels * prod(self.spatial)

    @property
    def padded_size(self) -> int:
        """Numbers of the padded image."""
        return self.channels * prod(self.padded)

    @property
    def count(self) -> int:
        """Positions of a window."""
        return prod(self.positions)

    def image(self, values: Array, scratch: Scratch, filling: float = 0.0) -> Array:
        """Return values [channels spatial, rows] as the padded image [channels, padded..., rows]."""
        plain = values.reshape(self.channels, *self.spatial, -1)
        if self.padded == self.spatial:
            return plain
        whole = scratch.like(self.padded_size, values).reshape(self.channels, *self.padded, -1)
        whole.fill(filling)
        whole[self.inside] = plain
        return whole

    def cut(self, values: Array, out: Array, scratch: Scratch, filling: float = 0.0) -> None:
        """Write what each element sees, [elements channels positions, rows], row by row of a window."""
        image = self.image(values, scratch, filling)
        parts = out.reshape(len(self.elements), self.channels, *self.positions, -1)
        for element, part in zip(self.elements, parts, strict=True):
            part[...] = image[element]

    def blank(self, like: Array, scratch: Scratch) -> Array:
        """Return an image of zeros [channels, padded..., rows], for what the elements give back."""
        blank = scratch.like(self.padded_size, like).reshape(self.channels, *self.padded, -1)
        blank.fill(0)
        return blank

    def real(self, image: Array, scratch: Scratch) -> Array:
        """Return the values [channels spatial, rows] of a padded image."""
        if self.padded == self.spatial:
            return image.reshape(self.size, -1)
        values = scratch.like(self.size, image)
        values.reshape(self.channels, *self.spatial, -1)[...] = image[self.inside]
        return values
