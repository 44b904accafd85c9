"""`metrics.csv`: a row per step or epoch, exact to the last bit, with the system as soon as it is known."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lmrun.errors import RunDirectoryError
from lmrun.runs.appended import Appended
from lmrun.runs.columns import (
    COLUMNS,
    FLAGS,
    FORMATS,
    HEADER,
    PARSERS,
    Row,
    cells_of,
    check_header,
    columns_of,
    line_of,
)
from lmrun.runs.files import cannot_write, sync
from lmrun.runs.layout import RunDirectory
from lmrun.runs.summary import check_result

if TYPE_CHECKING:
    import pandas

__all__ = ["COLUMNS", "MetricsWriter", "Row", "check_columns", "last_row", "read_metrics"]


class MetricsWriter:
    """Append rows to a run's `metrics.csv`.

    Floats are written with the digits that give back the same float (`repr`), missing values as nothing, NaN
    as `nan`, booleans as `true` and `false`. After `write` the rows are with the operating system: a SIGKILL
    loses none.

    Args:
        run: The run; a file that exists is continued, less a last line that a crash left half written.

    Raises:
        RunDirectoryError: The file has other columns or cannot be written.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._path = run.metrics
        self._rows = _open_for_append(self._path, None)
        try:
            self._file = Appended(self._path)
        except OSError as error:
            raise cannot_write(self._path, error) from error

    @classmethod
    def resume(cls, run: RunDirectory, rows: int) -> Self:
        """Continue after the first `rows` rows; what follows them is cut off.

        Raises:
            RunDirectoryError: The file has fewer complete rows, other columns, or cannot be written.
        """
        _open_for_append(run.metrics, rows)
        return cls(run)

    @property
    def rows(self) -> int:
        """Number of complete rows in the file, the header not counted."""
        return self._rows

    @property
    def checksum(self) -> str:
        """SHA-256 of the file with these rows."""
        return self._file.checksum

    def write(self, rows: Sequence[Row]) -> None:
        """Append a block of rows, with one call to the operating system for all of them.

        Args:
            rows: Values by column; columns that a row does not name, or names as None, stay empty.

        Raises:
            ValueError: A row names an unknown column.
            TypeError: A whole-number column is given something else.
            StorageError: The file cannot be written.
        """
        try:
            self._file.write("".join([line_of(row) for row in rows]).encode())
        except OSError as error:
            raise cannot_write(self._path, error) from error
        self._rows += len(rows)

    def sync(self) -> None:
        """Force the rows to the disk: before a checkpoint that counts on them, lest a power cut take them.

        Raises:
            StorageError: The disk does not take them.
        """
        try:
            sync(self._path)
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_metrics(run: RunDirectory) -> pandas.DataFrame:
    """Return the rows as a table with `COLUMNS`, floats bit for bit, a half-written last line left out.

    Floats are `float64`, NaN where they are missing, whole numbers `Int64` and flags `boolean`; what an
    earlier version had no column for is missing. A run that has written nothing has no rows.

    Raises:
        RunDirectoryError: The file has other columns or is damaged.
    """
    import pandas

    check_result(run, run.metrics)
    try:
        content = run.metrics.read_text(encoding="utf-8") if run.metrics.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise RunDirectoryError(f"Cannot read {run.metrics}: {error}. Restore it, or train again.") from error
    header, *lines = content.split("\n")[:-1] or [HEADER.decode().rstrip()]
    columns = columns_of(run.metrics, f"{header}\n".encode())
    # Not `pandas.read_csv`: some of its versions round floats.
    cells = list(zip(*cells_of(run.metrics, lines, len(columns)), strict=True)) or [()] * len(columns)
    cells += [("",) * len(lines)] * (len(COLUMNS) - len(columns))
    table = {}
    for (column, form), texts in zip(FORMATS.items(), cells, strict=True):
        dtype, parse, missing = PARSERS[form]
        try:
            values = [parse(text) if text else missing for text in texts]
        except (ValueError, KeyError) as error:
            raise RunDirectoryError(
                f"{run.metrics} is damaged in the column {column}: {error}. Restore it, or train again."
            ) from error
        table[column] = pandas.Series(pandas.array(values, dtype=dtype))
    return pandas.DataFrame(table)


_TAIL = 4096
"""Bytes at the end of the file that hold a whole row."""


def last_row(run: RunDirectory) -> dict[str, float]:
    """Return the numbers of the last complete row by column; empty where there is none.

    Raises:
        RunDirectoryError: The file cannot be read, has other columns or is damaged.
    """
    try:
        with run.metrics.open("rb") as file:
            header = file.readline()
            if not header.endswith(b"\n") and HEADER.startswith(header):
                # Killed while it began.
                return {}
            columns = columns_of(run.metrics, header)
            start = file.tell()
            end = file.seek(0, io.SEEK_END)
            file.seek(max(start, end - _TAIL))
            lines = file.read().decode().split("\n")[:-1]
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise RunDirectoryError(f"Cannot read {run.metrics}: {error}. Restore it, or train again.") from error
    if not lines:
        return {}
    (cells,) = cells_of(run.metrics, lines[-1:], len(columns))
    try:
        return {
            name: float(text) for name, text in zip(columns, cells, strict=True) if text and name not in FLAGS
        }
    except ValueError as error:
        raise RunDirectoryError(f"{run.metrics} is damaged: {error}. Restore it, or train again.") from error


def check_columns(run: RunDirectory) -> None:
    """Look at the first line of `metrics.csv`; no file, or a beginning of that line, is in order.

    Raises:
        RunDirectoryError: The file cannot be read, or has other columns.
    """
    try:
        with run.metrics.open("rb") as file:
            header = file.readline(len(HEADER) + 1)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunDirectoryError(f"Cannot read {run.metrics}: {error}. Restore it, or train again.") from error
    if not HEADER.startswith(header):
        columns_of(run.metrics, header)


def _open_for_append(path: Path, rows: int | None) -> int:
    """Cut the file to its header and the first `rows` complete rows (None: all); return how many it has."""
    try:
        with path.open("a+b") as file:
            file.seek(0)
            header = file.readline()
            if not header.endswith(b"\n"):
                if not HEADER.startswith(header):
                    check_header(path, header)
                file.truncate(0)
                file.write(HEADER)
                header = HEADER
            check_header(path, header)
            found, end = _end_of_rows(file, len(header), rows)
            file.truncate(end)
    except OSError as error:
        raise cannot_write(path, error) from error
    if rows is not None and found < rows:
        raise RunDirectoryError(
            f"{path} has {found} rows where the checkpoint counts {rows}: it was changed after the run. "
            "Restore the file, or train again."
        )
    return found


def _end_of_rows(file: io.BufferedIOBase | Any, start: int, rows: int | None) -> tuple[int, int]:
    file.seek(start)
    count, end = 0, start
    while rows is None or count < rows:
        line = file.readline()
        if not line.endswith(b"\n"):
            break
        count, end = count + 1, end + len(line)
    return count, end
