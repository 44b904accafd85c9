"""Named arrays as columns, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from numpy.typing import NDArray

from lmrun.datasets.columns import Columns
from lmrun.datasets.read_arrays import Samples, columns_of_arrays


class Stream(Protocol):
    """Slices of an array along the axis of its samples, one behind the other."""

    @property
    def length(self) -> int:
        """Samples in all."""
        ...

    def take(self, count: int) -> NDArray[Any]:
        """Return the next `count` samples, or as many as there are left; not to be written to."""
        ...


class Held:
    """Slices of an array in memory.

    Args:
        array: The array.
        axis: Of its samples.
    """

    def __init__(self, array: NDArray[Any], axis: int) -> None:
        self._array, self._axis, self._taken = array, axis, 0
        self.length = array.shape[axis]

    def take(self, count: int) -> NDArray[Any]:
        """See `Stream`."""
        begin, self._taken = self._taken, min(self._taken + count, self.length)
        return self._array[(slice(None),) * self._axis + (slice(begin, self._taken),)]


def axis_of(shape: tuple[int, ...], samples: Samples) -> int | None:
    """Return the axis of the samples of an array; None of one that makes no columns."""
    if len(shape) == 1:
        return 0
    axis = 1 if samples == "columns" else 0
    return axis if len(shape) == 2 and shape[1 - axis] else None


def parts_of(  # noqa: PLR0917 - what is known of a file
    path: str,
    streams: Mapping[str, Stream],
    shapes: Mapping[str, tuple[int, ...]],
    unusable: Mapping[str, str],
    rows: int,
    samples: Samples,
) -> Iterator[Columns]:
    """Yield the columns that arrays make, by parts of at most `rows` rows; at least one.

    Arrays of different lengths are there as long as they last.

    Args:
        path: The file; messages begin with it.
        streams: The arrays that make columns, by their names.
        shapes: Those of all arrays.
        unusable: What else the file holds, with the reason why it is no column.
        rows: Of a part.
        samples: Where the samples of 2-D arrays lie.

    Raises:
        DataError: Two arrays make the same column.
    """
    before, longest = 0, max((stream.length for stream in streams.values()), default=0)
    while before == 0 or before < longest:
        arrays = {name: stream.take(rows) for name, stream in streams.items()}
        columns = columns_of_arrays(path, arrays, unusable, samples)
        lengths = {
            column: stream.length
            for name, stream in streams.items()
            for column in columns.groups.get(name, (name,))
        }
        yield replace(columns, shapes=shapes, before=before, lengths=lengths)
        before += rows
