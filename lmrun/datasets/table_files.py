"""The file formats of a table, by the suffix of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from lmrun.datasets.columns import Columns
from lmrun.datasets.read_arrays import read_mat, read_npz
from lmrun.datasets.read_csv import read_csv, read_csv_parts
from lmrun.datasets.read_parquet import read_parquet, read_parquet_parts
from lmrun.errors import DataError

READERS: Mapping[str, Callable[[str], Columns]] = MappingProxyType(
    {".csv": read_csv, ".tsv": read_csv, ".parquet": read_parquet, ".npz": read_npz, ".mat": read_mat}
)


def read_columns(path: str) -> Columns:
    """Read a file by its suffix, upper or lower case.

    Raises:
        DataError: The suffix is unknown, or the file is missing or damaged.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in READERS:
        raise DataError(f"{path}: the suffix '{suffix}' is not one of {', '.join(READERS)}.")
    return READERS[suffix](path)


PARTS: Mapping[str, Callable[[str, int], Iterator[Columns]]] = MappingProxyType(
    {".csv": read_csv_parts, ".tsv": read_csv_parts, ".parquet": read_parquet_parts}
)
"""Formats that can be read without all of a file in memory."""


def read_parts(path: str, rows: int) -> Iterator[Columns]:
    """Read a file by parts of at most `rows` rows; formats that know no parts are one.

    Raises:
        DataError: See `read_columns`.
    """
    suffix = Path(path).suffix.lower()
    if suffix in PARTS:
        yield from PARTS[suffix](path, rows)
    else:
        yield read_columns(path)
