"""A table in many files, named by a pattern such as `data/part-*.parquet`, in the order of their names."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lmrun.datasets.columns import Columns
from lmrun.datasets.pool import ALONE, Pool
from lmrun.datasets.read_arrays import Samples
from lmrun.datasets.table_files import read_columns
from lmrun.errors import DataError


def is_pattern(path: str) -> bool:
    """Whether a path names files by a pattern; a file of that very name comes first."""
    return glob.has_magic(path) and not os.path.exists(path)


def files_of(pattern: str) -> list[str]:
    """Return the files that a pattern names, sorted.

    Raises:
        DataError: There are none.
    """
    found = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    if not found:
        raise DataError(f"{pattern}: no file has such a name; check dataset.path.")
    return found


def read_table(path: str, samples: Samples = "rows", pool: Pool = ALONE) -> Columns:
    """Read a file, or one's share of the files of a pattern, one below the other.

    Args:
        path: The file or the pattern.
        samples: See `read_columns`.
        pool: The workers; every one of them reads whole files that follow each other.

    Raises:
        DataError: See `read_columns`; or the files have other columns, or are fewer than the workers.
    """
    if not is_pattern(path):
        return read_columns(path, samples)
    files = files_of(path)
    if len(files) < pool.workers:
        raise DataError(
            f"{path}: {len(files)} file{'s' * (len(files) != 1)} for {pool.workers} workers; each needs one "
            "of its own. Use fewer workers, or write the table in more files."
        )
    begin, end = (len(files) * index // pool.workers for index in (pool.index, pool.index + 1))
    return joined(path, [read_columns(each, samples) for each in files[begin:end]])


def joined(pattern: str, parts: Sequence[Columns]) -> Columns:
    """Put tables of the same columns one below the other.

    Raises:
        DataError: One of them has other columns.
    """
    first = parts[0]
    for part in parts[1:]:
        missing = [name for name in first.values if name not in part.values]
        if missing:
            raise DataError(f"{part.path}: there is no column '{missing[0]}', which {first.path} has.")
    rows = [part.rows(part.values) for part in parts]
    starts = np.concatenate([[0], np.cumsum(rows)[:-1]])
    whole = {name: np.concatenate([part.values[name] for part in parts]) for name in first.values}
    files = tuple((part.path, int(start)) for part, start in zip(parts, starts, strict=True))
    return replace(first, path=pattern, values=whole, line_of=None, files=files)
