"""Parquet files."""

from __future__ import annotations

from collections import Counter

from lmrun.datasets.columns import Columns
from lmrun.datasets.npz import readable
from lmrun.errors import DataError


def read_parquet(path: str) -> Columns:
    """Read a Parquet file; a named pandas index counts as a column.

    Raises:
        DataError: The file is missing or damaged, or has a column twice.
    """
    import pandas as pd
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    with readable(path, "Parquet"), open(path, "rb") as file:
        counts = Counter(pq.read_schema(file).names)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:  # pandas would refuse the file without a name
            raise DataError(f"{path}: the column '{twice[0]}' is there twice; rename one of them.")
        file.seek(0)
        frame = pd.read_parquet(file)
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    return Columns(path, {name: frame.iloc[:, i].to_numpy() for i, name in enumerate(names)})
