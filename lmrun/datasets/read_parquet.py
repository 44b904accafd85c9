"""Parquet files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from lmrun.datasets.columns import Columns
from lmrun.datasets.npz import readable
from lmrun.errors import DataError

if TYPE_CHECKING:
    import pandas


def read_parquet(path: str) -> Columns:
    """Read a Parquet file; a named pandas index counts as a column.

    Raises:
        DataError: The file is missing or damaged, or has a column twice.
    """
    import pandas as pd

    with readable(path, "Parquet"), open(path, "rb") as file:
        _refuse_twice(path, file)
        frame = pd.read_parquet(file)
    return _columns(path, frame)


def read_parquet_parts(path: str, rows: int) -> Iterator[Columns]:
    """Read a Parquet file by parts of at most `rows` rows; a file without rows is one part without rows.

    Raises:
        DataError: See `read_parquet`; a damage shows when its part is read.
    """
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    with readable(path, "Parquet"), open(path, "rb") as file:
        _refuse_twice(path, file)
        parquet = pq.ParquetFile(file)
        if parquet.metadata.num_rows == 0:
            yield _columns(path, parquet.read().to_pandas())
        before = 0
        for batch in parquet.iter_batches(rows):
            yield replace(_columns(path, batch.to_pandas()), before=before)
            before += batch.num_rows


def _refuse_twice(path: str, file: BinaryIO) -> None:
    """Look at the names, and go back to the beginning; pandas would refuse the file without a name."""
    import pyarrow.parquet as pq

    twice = [name for name, count in Counter(pq.read_schema(file).names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: the column '{twice[0]}' is there twice; rename one of them.")
    file.seek(0)


def _columns(path: str, frame: pandas.DataFrame) -> Columns:
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    return Columns(path, {name: frame.iloc[:, i].to_numpy() for i, name in enumerate(names)})
