"""CSV files: a header line, then a line per row, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TextIO

from lmrun.datasets.columns import Columns
from lmrun.datasets.npz import readable
from lmrun.errors import DataError

SEPARATORS = (",", ";", "\t")
ENCODING = "utf-8-sig"
"""UTF-8, with or without the mark that spreadsheets put in front."""


def read_csv(path: str) -> Columns:
    """Read a CSV file; the separator is the one of `,` `;` and tab that the header has most often.

    Empty lines are skipped; numbers are read to the nearest float64 (pandas from 3.1 on).

    Raises:
        DataError: The file is missing, not UTF-8, empty, has a column twice, or a row with too many cells.
    """
    (columns,) = read_csv_parts(path, None)
    return columns


def no_text(name: str) -> bool:
    """No column is kept as text."""
    return False


def read_csv_parts(path: str, rows: int | None, text: Callable[[str], bool] = no_text) -> Iterator[Columns]:
    """Read a CSV file by parts of at most `rows` rows, None for the whole; see `read_csv`.

    A file without rows is one part without rows.

    Args:
        path: The file.
        rows: Of a part.
        text: Whether the cells of a column stay the text that they are, whatever they look like.

    Raises:
        DataError: See `read_csv`; a damage shows when its part is read.
    """
    import pandas as pd

    with readable(path, "UTF-8 text", csv.Error):
        separator, names = _header(path)
    with _told(path, separator, len(names)):
        frames = pd.read_csv(
            path,
            sep=separator,
            header=0,
            names=list(range(len(names))),
            dtype={position: str for position, name in enumerate(names) if text(name)},
            index_col=False,
            encoding=ENCODING,
            skipinitialspace=True,
            low_memory=False,
            iterator=True,
        )
    before = 0
    with frames:
        while True:
            try:
                with _told(path, separator, len(names)):
                    frame = frames.get_chunk(rows)
            except StopIteration:
                return
            values = {name: frame[position].to_numpy() for position, name in enumerate(names)}
            yield Columns(path, values, line_of=partial(_line, path, separator), before=before)
            before += len(frame)


@contextmanager
def _told(path: str, separator: str, width: int) -> Iterator[None]:
    """Say where a file is malformed."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # a cell too many would otherwise be dropped
        try:
            with readable(path, "UTF-8 text"):
                yield
        except DataError as error:
            if isinstance(error.__cause__, pd.errors.ParserError):
                raise _malformed(path, separator, width) from error.__cause__
            raise
        except pd.errors.ParserWarning as warning:
            raise _malformed(path, separator, width) from warning


def _header(path: str) -> tuple[str, list[str]]:
    """The separator and the columns' names, each once."""
    with _open(path) as file:
        first = next((line for line in file if line.strip()), None)
        if first is None:
            raise DataError(f"{path}: the file is empty; it needs a header line and rows.")
        unquoted = Counter(re.sub(r'"[^"]*"', "", first))
        separator = max(SEPARATORS, key=lambda candidate: unquoted[candidate])
        file.seek(0)
        _, cells = next(_records(file, separator))
    names = [cell.strip() for cell in cells]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: the column '{twice[0]}' stands twice in the header; rename one of them.")
    return separator, names


def _records(file: TextIO, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The line on which each record starts, and its cells; as pandas does, without empty lines."""
    reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
    line = 1
    for cells in reader:
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield line, cells
        line = reader.line_num + 1


def _line(path: str, separator: str, row: int) -> int:
    """The line of a row, found by reading again: only errors need it."""
    with _open(path) as file:
        # An only cell that is quoted and empty is a row for pandas, and none here.
        line, _ = next(islice(_records(file, separator), row + 1, None), (0, []))
    return line


def _malformed(path: str, separator: str, width: int) -> DataError:
    with _open(path) as file:
        for row, (line, cells) in enumerate(_records(file, separator)):
            if len(cells) > width:
                return DataError(
                    f"{path}: row {row} (line {line}) has {len(cells)} cells, the header {width};"
                    " quote cells that contain the separator."
                )
    return DataError(f"{path}: a quoted cell never ends; add the missing quote.")


def _open(path: str) -> TextIO:
    return Path(path).open(encoding=ENCODING, newline="")
