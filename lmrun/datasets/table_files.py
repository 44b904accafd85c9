"""The file formats of a table, by the suffix of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from lmrun.datasets.columns import Columns
from lmrun.datasets.mat_parts import read_mat_parts
from lmrun.datasets.npz_parts import read_npz_parts
from lmrun.datasets.read_arrays import Samples, read_npz
from lmrun.datasets.read_csv import no_text, read_csv, read_csv_parts
from lmrun.datasets.read_mat import read_mat
from lmrun.datasets.read_parquet import read_parquet, read_parquet_parts
from lmrun.errors import DataError

TABLES: Mapping[str, Callable[[str], Columns]] = MappingProxyType(
    {".csv": read_csv, ".tsv": read_csv, ".parquet": read_parquet}
)
ARRAYS: Mapping[str, Callable[[str, Samples], Columns]] = MappingProxyType(
    {".npz": read_npz, ".mat": read_mat}
)
"""Formats whose matrices can have their samples in rows or in columns."""


def read_columns(path: str, samples: Samples = "rows") -> Columns:
    """Read a file by its suffix, upper or lower case.

    Args:
        path: The file.
        samples: Where the samples of NPZ and MAT files lie; those of other formats are rows.

    Raises:
        DataError: The suffix is unknown, or the file is missing or damaged.
    """
    suffix = Path(path).suffix.lower()
    if suffix in TABLES:
        return TABLES[suffix](path)
    if suffix in ARRAYS:
        return ARRAYS[suffix](path, samples)
    raise DataError(f"{path}: the suffix '{suffix}' is not one of {', '.join([*TABLES, *ARRAYS])}.")


CSV = (".csv", ".tsv")
PARTS: Mapping[str, Callable[[str, int, Samples], Iterator[Columns]]] = MappingProxyType(
    {
        ".parquet": lambda path, rows, samples: read_parquet_parts(path, rows),
        ".npz": read_npz_parts,
        ".mat": read_mat_parts,
    }
)
"""Other formats that can be read without all of a file in memory."""


def read_parts(
    path: str, rows: int, samples: Samples = "rows", text: Callable[[str], bool] = no_text
) -> Iterator[Columns]:
    """Read a file by parts of at most `rows` rows; MAT files before version 7.3 are one part.

    Args:
        path: The file.
        rows: Of a part.
        samples: Where the samples of NPZ and MAT files lie.
        text: Whether the cells of a column of a CSV file stay the text that they are.

    Raises:
        DataError: See `read_columns`.
    """
    suffix = Path(path).suffix.lower()
    if suffix in CSV:
        yield from read_csv_parts(path, rows, text)
    elif suffix in PARTS:
        yield from PARTS[suffix](path, rows, samples)
    else:
        # Which refuses it in words.
        yield read_columns(path, samples)
