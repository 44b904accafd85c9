"""The columns of a file as they were read, and the places in it as its author sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lmrun.errors import DataError

LISTED = 12
"""Names that a message lists at most."""


@dataclass(frozen=True)
class Columns:
    """A table before any check.

    Attributes:
        path: The file as the config names it; messages begin with it.
        values: One array [rows] per column, of the type that the file gives it (object for text).
        groups: Names that stand for several columns: the 2-D arrays of NPZ and MAT files.
        unusable: What else the file holds, with the reason why it is no column.
        line_of: From a row of the file, counted from 0, to its line, 0 where that is unknown;
            None for binary files.
        before: Rows of the file before these.
        files: Where the table is that of several files, each with the row that it begins at.
        shapes: Those of the arrays of a NPZ or MAT file, which messages list instead of their columns.
        lengths: Rows of each column in the whole file, where these are a part of it and columns may differ.
    """

    path: str
    values: Mapping[str, NDArray[Any]]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    line_of: Callable[[int], int] | None = None
    before: int = 0
    files: tuple[tuple[str, int], ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)

    def place(self, row: int) -> str:
        """`row 3 (line 4)`: rows are counted from 1, without the header; lines as an editor counts them.

        Of several files it is `row 3 of part-2.npz`.
        """
        for name, begin in reversed(self.files):
            if row >= begin:
                return f"row {row - begin + 1} of {Path(name).name}"
        row += self.before
        line = 0 if self.line_of is None else self.line_of(row)
        return f"row {row + 1} (line {line})" if line else f"row {row + 1}"

    def expand(self, names: Iterable[str]) -> tuple[str, ...]:
        """Replace each 2-D array's name by those of its columns.

        Raises:
            DataError: A name that the file does not have.
        """
        return tuple(column for name in names for column in self.groups.get(name) or (self._known(name),))

    def single(self, name: str) -> str:
        """Return the name of one column.

        Raises:
            DataError: The file does not have it, or it stands for several columns.
        """
        if name in self.groups:
            raise DataError(
                f"{self.path}: '{name}' stands for {len(self.groups[name])} columns;"
                f" name one of them, such as '{self.groups[name][0]}'."
            )
        return self._known(name)

    def length(self, name: str) -> int:
        """The rows of a column in the whole file."""
        return self.lengths.get(name, len(self.values[name]))

    def rows(self, names: Iterable[str]) -> int:
        """The number of rows here that the columns share.

        Raises:
            DataError: The columns differ in length or are empty.
        """
        counts = {name: self.length(name) for name in names}
        first, rows = next(iter(counts.items()))
        for name, count in counts.items():
            if count != rows:
                raise DataError(
                    f"{self.path}: the column '{first}' has {rows} rows and the column '{name}' {count};"
                    " all columns need the same number."
                )
        if rows == 0:
            raise DataError(f"{self.path}: the file has no rows.")
        return len(self.values[first])

    def cell_error(self, problem: str, column: str, row: int, count: int, advice: str) -> DataError:
        """The error of the first of `count` bad cells."""
        more = f", the first of {count} bad cells" if count > 1 else ""
        return DataError(
            f"{self.path}: {problem} in the column '{column}' at {self.place(row)}{more}; {advice}."
        )

    def _known(self, name: str) -> str:
        if name in self.values:
            return name
        if name in self.unusable:
            raise DataError(f"{self.path}: '{name}' is no column: {self.unusable[name]}.")
        known = [*self.values, *self.groups]
        folded = {candidate.casefold(): candidate for candidate in known}
        near = get_close_matches(name.casefold(), folded, n=1)
        if near:
            hint = f"Did you mean '{folded[near[0]]}'?"
        else:
            listed = [f"{array} {list(shape)}" for array, shape in self.shapes.items()] or known
            more = f", … ({len(listed)} in all)" if len(listed) > LISTED else ""
            hint = f"It has: {', '.join(listed[:LISTED])}{more}." if listed else "It has none."
        raise DataError(f"{self.path}: there is no column '{name}'. {hint}")
