"""MAT files by parts: those of version 7.3, which is HDF5; earlier ones are read as a whole.

A variable of an earlier version has 2 GiB at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.array_parts import Held, Stream, axis_of, parts_of
from lmrun.datasets.columns import Columns
from lmrun.datasets.npz import readable
from lmrun.datasets.read_arrays import Samples
from lmrun.datasets.read_mat import (
    is_version_7_3,
    lies_across,
    numbers_of,
    read_mat,
    streams_as_it_is,
    variable,
)


class Slices:
    """Slices of a variable in a file; see `array_parts.Stream`.

    Args:
        node: The variable, whose dimensions stand in reverse order.
        axis: Of the samples, in MATLAB's order.
    """

    def __init__(self, node: Any, axis: int) -> None:
        self._node, self._taken = node, 0
        self._place = node.ndim - 1 - axis
        self.length = int(node.shape[self._place])

    def take(self, count: int) -> NDArray[Any]:
        """See `array_parts.Stream`."""
        begin, self._taken = self._taken, min(self._taken + count, self.length)
        return numbers_of(self._node[(slice(None),) * self._place + (slice(begin, self._taken),)])


def read_mat_parts(path: str, rows: int, samples: Samples = "rows") -> Iterator[Columns]:
    """Read a MAT file by parts of at most `rows` rows; see `read_mat.read_mat`.

    Raises:
        DataError: See `read_mat.read_mat`.
    """
    if not is_version_7_3(path):
        yield read_mat(path, samples)
        return
    import h5py

    with readable(path, "MAT", KeyError, RuntimeError), h5py.File(path, "r") as file:
        streams: dict[str, Stream] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        unusable: dict[str, str] = {}
        for name in file:
            # `#refs#` and `#subsystem#` hold what cells and objects refer to.
            if name.startswith("#"):
                continue
            node = file[name]
            found = None if streams_as_it_is(node) else variable(name, node)
            if isinstance(found, str):
                unusable[name] = found
                continue
            shape = tuple(map(int, node.shape[::-1])) if found is None else found.shape
            axis, words = axis_of(shape, samples), lies_across(name, shape, samples)
            shapes[name] = shape
            if words is not None:
                unusable[name] = words
            elif axis is None:
                unusable[name] = f"its shape is {list(shape)}"
            else:
                streams[name] = Slices(node, axis) if found is None else Held(np.asarray(found), axis)
        yield from parts_of(path, streams, shapes, unusable, rows, samples)
