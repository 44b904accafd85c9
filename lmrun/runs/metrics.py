"""`metrics.csv`: a row per step or epoch, exact to the last bit, with the system as soon as it is known."""

from __future__ import annotations

import io
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lmrun.errors import RunDirectoryError
from lmrun.runs.files import sync
from lmrun.runs.layout import RunDirectory

if TYPE_CHECKING:
    import pandas

Row = Mapping[str, float | int | bool | None]


def _integer(value: Any) -> str:
    return str(operator.index(value))


def _floating(value: Any) -> str:
    return repr(float(value))


def _flag(value: Any) -> str:
    return "true" if value else "false"


_FORMATS: dict[str, Callable[[Any], str]] = {
    "step": _integer,
    "epoch": _integer,
    "seconds": _floating,
    "loss": _floating,
    "validation_loss": _floating,
    "validation_accuracy": _floating,
    "damping": _floating,
    "gain_ratio": _floating,
    "step_norm": _floating,
    "gradient_norm": _floating,
    "accepted": _flag,
    "attempts": _integer,
    "invalid_attempts": _integer,
    "effective_parameters": _floating,
    "alpha": _floating,
    "beta": _floating,
}
_PARSERS: dict[Callable[[Any], str], tuple[Any, Callable[[str], Any], float | None]] = {
    _integer: ("Int64", int, None),
    _floating: ("float64", float, math.nan),
    _flag: ("boolean", {"true": True, "false": False}.__getitem__, None),
}
"""How each format is read: the column's dtype, the parser of a value, and what stands for none."""

COLUMNS = tuple(_FORMATS)
_COLUMN_SET = frozenset(COLUMNS)
_HEADER = (",".join(COLUMNS) + "\n").encode()
_FIRST_COLUMNS = 13
"""Of the first version; later ones add some at the end."""


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
        self._file = self._path.open("ab")

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

    def write(self, rows: Sequence[Row]) -> None:
        """Append a block of rows, with one call to the operating system for all of them.

        Args:
            rows: Values by column; columns that a row does not name, or names as None, stay empty.

        Raises:
            ValueError: A row names an unknown column.
            TypeError: A whole-number column is given something else.
            RunDirectoryError: The file cannot be written.
        """
        try:
            self._file.write("".join([_line(row) for row in rows]).encode())
            self._file.flush()
        except OSError as error:
            raise _cannot_write(self._path, error) from error
        self._rows += len(rows)

    def sync(self) -> None:
        """Force the rows to the disk: before a checkpoint that counts on them, lest a power cut take them."""
        sync(self._path)

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

    try:
        content = run.metrics.read_text(encoding="utf-8") if run.metrics.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise RunDirectoryError(f"Cannot read {run.metrics}: {error}. Restore it, or train again.") from error
    header, *lines = content.split("\n")[:-1] or [_HEADER.decode().rstrip()]
    columns = _columns_of(run.metrics, f"{header}\n".encode())
    # Not `pandas.read_csv`: some of its versions round floats.
    cells = list(zip(*_split(run.metrics, lines, len(columns)), strict=True)) or [()] * len(columns)
    cells += [("",) * len(lines)] * (len(COLUMNS) - len(columns))
    table = {}
    for (column, form), texts in zip(_FORMATS.items(), cells, strict=True):
        dtype, parse, missing = _PARSERS[form]
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
            if not header.endswith(b"\n") and _HEADER.startswith(header):
                # Killed while it began.
                return {}
            columns = _columns_of(run.metrics, header)
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
    (cells,) = _split(run.metrics, lines[-1:], len(columns))
    try:
        return {
            name: float(text)
            for name, text in zip(columns, cells, strict=True)
            if text and _FORMATS[name] is not _flag
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
            header = file.readline(len(_HEADER) + 1)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunDirectoryError(f"Cannot read {run.metrics}: {error}. Restore it, or train again.") from error
    if not _HEADER.startswith(header):
        _columns_of(run.metrics, header)


def _columns_of(path: Path, header: bytes) -> tuple[str, ...]:
    """Return the columns of a file of this version or an earlier one."""
    found = tuple(header.decode(errors="replace").rstrip("\n").split(","))
    if len(found) < _FIRST_COLUMNS or found != COLUMNS[: len(found)]:
        _check_header(path, header)
    return found


def _split(path: Path, lines: list[str], count: int) -> list[list[str]]:
    cells = [line.split(",") for line in lines]
    for number, found in enumerate(cells, start=2):
        if len(found) != count:
            raise RunDirectoryError(
                f"{path}:{number} is damaged: {len(found)} values for {count} columns. "
                "Restore the file, or train again."
            )
    return cells


def _line(row: Row) -> str:
    if not row.keys() <= _COLUMN_SET:
        raise ValueError(f"unknown columns {sorted(row.keys() - _COLUMN_SET)}; known: {', '.join(COLUMNS)}")
    get = row.get
    return (
        ",".join(["" if (value := get(column)) is None else form(value) for column, form in _FORMATS.items()])
        + "\n"
    )


def _open_for_append(path: Path, rows: int | None) -> int:
    """Cut the file to its header and the first `rows` complete rows (None: all); return how many it has."""
    try:
        with path.open("a+b") as file:
            file.seek(0)
            header = file.readline()
            if not header.endswith(b"\n"):
                if not _HEADER.startswith(header):
                    _check_header(path, header)
                file.truncate(0)
                file.write(_HEADER)
                header = _HEADER
            _check_header(path, header)
            found, end = _end_of_rows(file, len(header), rows)
            file.truncate(end)
    except OSError as error:
        raise _cannot_write(path, error) from error
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


def _check_header(path: Path, header: bytes) -> None:
    if header != _HEADER:
        raise RunDirectoryError(
            f"{path} has other columns than this version of lmrun writes; its first line should be "
            f"{','.join(COLUMNS)}. Use the version in the run's manifest, or train again."
        )


def _cannot_write(path: Path, error: OSError) -> RunDirectoryError:
    return RunDirectoryError(
        f"Cannot write {path}: {error.strerror}. Check the folder's permissions and the free space."
    )
