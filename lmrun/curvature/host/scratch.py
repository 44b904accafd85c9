"""Memory that calls of a thread share, one after the other."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
LINE = 64
"""Bytes of a line of the cache: arrays that start at a multiple take half of the time."""


class Scratch(threading.local):
    """Arrays for one call's intermediate values; the next call of the same thread has the same memory.

    Fresh arrays of some megabytes would be mapped and unmapped page by page: half of the time of a step on
    20,000 rows.
    """

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)
        self._used = 0
        self._most = 0
        self._views: dict[tuple[Any, ...], Array] = {}

    def clear(self) -> None:
        """Begin anew: what was taken before is overwritten from now on."""
        most = max(self._most, self._used)
        if most > len(self._memory):
            memory = np.empty(most + LINE, np.uint8)
            self._memory = memory[-memory.ctypes.data % LINE :]
            self._views.clear()
        self._used = self._most = 0

    @property
    def used(self) -> int:
        """How far the memory is taken; `release` gives back what was taken since."""
        return self._used

    def release(self, used: int) -> None:
        """Give back what was taken since `used` was read."""
        self._most = max(self._most, self._used)
        self._used = used

    def take(self, height: int, width: int, dtype: np.dtype[Any]) -> Array:
        """Return an array [height, width] of any content, in C order."""
        start, size = self._used, height * width * dtype.itemsize
        self._used += -(-size // LINE) * LINE
        if self._used > len(self._memory):
            # The first call of this size; the next one finds enough.
            return np.empty((height, width), dtype)
        # To make a view takes longer than to multiply a row.
        key = (start, height, width, dtype)
        view = self._views.get(key)
        if view is None:
            view = self._memory[start : start + size].view(dtype).reshape(height, width)
            self._views[key] = view
        return view

    def like(self, height: int, array: Array) -> Array:
        """Return an array [height, rows] for another one [..., rows]."""
        return self.take(height, array.shape[-1], array.dtype)
