"""The arrays of an NPZ file by parts, so that the file may be larger than memory.

An NPZ file is a ZIP archive of NPY files: each has a header with the shape, the type and the order of its
numbers, and then the numbers. Both are read as streams, compressed or not.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.array_parts import Held, Stream, axis_of, parts_of
from lmrun.datasets.columns import Columns
from lmrun.datasets.npz import SINGLE, readable
from lmrun.datasets.read_arrays import Samples
from lmrun.errors import DataError

ACROSS = 16
"""Places of an array that are read side by side. Whatever stands before a place has to be unpacked to get
there, so an array that would need more of them is read as a whole."""

HEADERS: Mapping[tuple[int, int], Callable[..., Any]] = MappingProxyType(
    {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
)
"""Readers of headers by the version of the format; a third one is for records only."""


@dataclass(frozen=True)
class Member:
    """An array of the file.

    Attributes:
        open: Opens its NPY file.
        shape: Of the array.
        fortran: Whether its first axis is the fastest.
        dtype: Of its numbers.
        start: Bytes of its header.
    """

    open: Callable[[], IO[bytes]]
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    start: int


class Slices:
    """Slices of an array in a file; see `array_parts.Stream`.

    Args:
        member: The array.
        axis: Along which it is cut.
        files: Closes what is opened.
    """

    def __init__(self, member: Member, axis: int, files: ExitStack) -> None:
        self._member, self._taken = member, 0
        self.length = member.shape[axis]
        self._before, self._behind = around(member, axis)
        block = self.length * math.prod(self._behind) * member.dtype.itemsize
        self._files: list[IO[bytes]] = []
        for number in range(math.prod(self._before)):
            file = files.enter_context(member.open())
            file.seek(member.start + number * block)
            self._files.append(file)

    def take(self, count: int) -> NDArray[Any]:
        """See `array_parts.Stream`.

        Raises:
            ValueError: The file ends before the array does.
        """
        rows = min(count, self.length - self._taken)
        self._taken += rows
        numbers = rows * math.prod(self._behind)
        blocks = [_read(file, numbers, self._member.dtype) for file in self._files]
        joined = blocks[0] if len(blocks) == 1 else np.concatenate([*blocks, np.empty(0, self._member.dtype)])
        array = joined.reshape(*self._before, rows, *self._behind)
        return array.T if self._member.fortran else array


def around(member: Member, axis: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the sizes of the axes that are slower than one, and of those that are faster.

    A slice along the axis is a run of numbers in each block that the slower ones make.
    """
    order = member.shape[::-1] if member.fortran else member.shape
    place = len(order) - 1 - axis if member.fortran else axis
    return order[:place], order[place + 1 :]


def stream_of(member: Member, axis: int, files: ExitStack) -> Stream:
    """Return the slices of an array along an axis, read as they are asked for where that is possible."""
    if math.prod(around(member, axis)[0]) <= ACROSS:
        return Slices(member, axis, files)
    with member.open() as file:
        return Held(np.lib.format.read_array(file, allow_pickle=False), axis)


def _read(file: IO[bytes], count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read numbers [count]."""
    wanted = count * dtype.itemsize
    data = file.read(wanted) if wanted else b""
    if len(data) < wanted:
        raise ValueError("the file ends before the array does")
    return np.ndarray(count, dtype, data) if wanted else np.empty(count, dtype)


@contextmanager
def members_of(path: str) -> Iterator[tuple[dict[str, Member], dict[str, str], ExitStack]]:
    """Open an NPZ file.

    Args:
        path: The file.

    Yields:
        Its arrays by their names, the reasons why others cannot be read, and what closes their streams.

    Raises:
        DataError: The file is missing or damaged.
    """
    # A member may be packed or locked in ways that Python does not know.
    others = (NotImplementedError, RuntimeError)
    with readable(path, "NPZ", *others), open(path, "rb") as file, ExitStack() as files:
        magic = np.lib.format.MAGIC_PREFIX
        if file.read(len(magic)) == magic:
            raise DataError(f"{path}: {SINGLE}")
        archive = files.enter_context(zipfile.ZipFile(file))
        members: dict[str, Member] = {}
        unusable: dict[str, str] = {}
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            found = _member(partial(archive.open, entry))
            if isinstance(found, str):
                unusable[name] = found
            else:
                members[name] = found
        yield members, unusable, files


def _member(opened: Callable[[], IO[bytes]]) -> Member | str:
    """What an entry is, or in words why nothing that can be read."""
    with opened() as file:
        if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
            return "it is no array"
    with opened() as file:
        read = HEADERS.get(np.lib.format.read_magic(file))
        if read is None:
            return "it holds records"
        shape, fortran, dtype = read(file)
        start = file.tell()
    # What needs unpickling could run code.
    return "it holds Python objects" if dtype.hasobject else Member(opened, shape, fortran, dtype, start)


def read_npz_parts(path: str, rows: int, samples: Samples = "rows") -> Iterator[Columns]:
    """Read an NPZ file by parts of at most `rows` rows; see `read_arrays.read_npz`.

    A file without rows is one part without rows.

    Raises:
        DataError: See `read_arrays.read_npz`; a damage shows when its part is read.
    """
    with members_of(path) as (members, unusable, files):
        streams: dict[str, Stream] = {}
        for name, member in members.items():
            axis = axis_of(member.shape, samples)
            if axis is None:
                unusable[name] = f"its shape is {list(member.shape)}"
            else:
                streams[name] = stream_of(member, axis, files)
        shapes = {name: member.shape for name, member in members.items()}
        yield from parts_of(path, streams, shapes, unusable, rows, samples)
