"""The columns of `metrics.csv`: how each is written, read and recognized."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lmrun.errors import RunDirectoryError

Row = Mapping[str, float | int | bool | None]


def _integer(value: Any) -> str:
    return str(operator.index(value))


def _floating(value: Any) -> str:
    return repr(float(value))


def _flag(value: Any) -> str:
    return "true" if value else "false"


FORMATS: dict[str, Callable[[Any], str]] = {
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
PARSERS: dict[Callable[[Any], str], tuple[Any, Callable[[str], Any], float | None]] = {
    _integer: ("Int64", int, None),
    _floating: ("float64", float, math.nan),
    _flag: ("boolean", {"true": True, "false": False}.__getitem__, None),
}
"""How each format is read: the column's dtype, the parser of a value, and what stands for none."""

COLUMNS = tuple(FORMATS)
HEADER = (",".join(COLUMNS) + "\n").encode()
FLAGS = frozenset(name for name, form in FORMATS.items() if form is _flag)
_COLUMN_SET = frozenset(COLUMNS)
_FIRST_COLUMNS = 13
"""Of the first version; later ones add some at the end."""


def line_of(row: Row) -> str:
    """Return a row as a line.

    Raises:
        ValueError: The row names an unknown column.
        TypeError: A whole-number column is given something else.
    """
    if not row.keys() <= _COLUMN_SET:
        raise ValueError(f"unknown columns {sorted(row.keys() - _COLUMN_SET)}; known: {', '.join(COLUMNS)}")
    get = row.get
    return (
        ",".join(["" if (value := get(column)) is None else form(value) for column, form in FORMATS.items()])
        + "\n"
    )


def step_of(line: str) -> int | None:
    """Return the step of a line less its end; None for a line of which a value cannot be read."""
    cells = line.split(",")
    try:
        values = [
            PARSERS[form][1](text) if text else None
            for text, form in zip(cells, FORMATS.values(), strict=True)
        ]
    except (ValueError, KeyError):
        return None
    step: int | None = values[0]
    return step


def columns_of(path: Path, header: bytes) -> tuple[str, ...]:
    """Return the columns of a file of this version or an earlier one.

    Raises:
        RunDirectoryError: It has others.
    """
    found = tuple(header.decode(errors="replace").rstrip("\n").split(","))
    if len(found) < _FIRST_COLUMNS or found != COLUMNS[: len(found)]:
        check_header(path, header)
    return found


def check_header(path: Path, header: bytes) -> None:
    """Refuse a first line that is not that of this version.

    Raises:
        RunDirectoryError: It is not.
    """
    if header != HEADER:
        raise RunDirectoryError(
            f"{path} has other columns than this version of lmrun writes; its first line should be "
            f"{','.join(COLUMNS)}. Use the version in the run's manifest, or train again."
        )


def cells_of(path: Path, lines: list[str], count: int) -> list[list[str]]:
    """Split lines less their ends into `count` cells each.

    Raises:
        RunDirectoryError: A line has more or less.
    """
    cells = [line.split(",") for line in lines]
    for number, found in enumerate(cells, start=2):
        if len(found) != count:
            raise RunDirectoryError(
                f"{path}:{number} is damaged: {len(found)} values for {count} columns. "
                "Restore the file, or train again."
            )
    return cells
