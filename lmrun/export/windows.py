"""Where the windows of a convolution or a pooling lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lmrun.errors import UsageError

Pair = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """The windows of a layer on its images.

    Attributes:
        size: Of a window, rows and columns.
        strides: From one to the next.
        before: Padding above and to the left.
        after: Padding below and to the right.
        count: Of windows, down and across.
    """

    size: Pair
    strides: Pair
    before: Pair
    after: Pair
    count: Pair


def windows_of(layer: Any, size: Pair, shape: tuple[Any, ...]) -> Windows:
    """Place the windows of a layer on images [rows, height, width, channels].

    Raises:
        UsageError: The layer leaves holes in its windows, divides the channels or has them first.
    """
    holes, groups = getattr(layer, "dilation_rate", (1, 1)), getattr(layer, "groups", 1)
    if tuple(holes) != (1, 1) or groups != 1 or layer.data_format != "channels_last":
        raise UsageError(
            f"The layer {layer.name} has holes, groups or channels in front, which cannot be written here. "
            "Try --format savedmodel."
        )
    height, width = (int(side) for side in shape[1:3])
    down = _along(height, size[0], int(layer.strides[0]), layer.padding)
    across = _along(width, size[1], int(layer.strides[1]), layer.padding)
    return Windows(
        size,
        (int(layer.strides[0]), int(layer.strides[1])),
        (down[0], across[0]),
        (down[1], across[1]),
        (down[2], across[2]),
    )


def _along(length: int, size: int, stride: int, padding: str) -> tuple[int, int, int]:
    """Padding before and after, and the number of windows, along an axis; TensorFlow pads the end first."""
    if padding == "valid":
        return 0, 0, (length - size) // stride + 1
    count = -(-length // stride)
    total = max((count - 1) * stride + size - length, 0)
    return total // 2, total - total // 2, count
