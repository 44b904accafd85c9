"""Tables that grow by parts: one writer per file format, by the suffix of the file."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lmrun.errors import UsageError

Part = Mapping[str, NDArray[Any]]
"""Columns [rows] by their names; the same names in every part."""


class Writer(Protocol):
    """Writes parts one behind the other; a context manager that completes the file."""

    def __enter__(self) -> Self:
        """Open."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete and close."""

    def write(self, part: Part) -> None:
        """Append rows."""


class CsvWriter:
    """Numbers with the digits that give back the same float; what is missing as nothing."""

    def __init__(self, path: Path, separator: str = ",") -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._separator = separator
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, part: Part) -> None:
        """Append rows."""
        import pandas as pd

        pd.DataFrame(dict(part)).to_csv(
            self._file, sep=self._separator, header=not self._begun, index=False, lineterminator="\n"
        )
        self._begun = True


class ParquetWriter:
    """A row group per part; types are those of the first part."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, part: Part) -> None:
        """Append rows."""
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        schema = None if self._writer is None else self._writer.schema
        table = pa.table({name: pa.array(column, from_pandas=True) for name, column in part.items()})
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema)
        elif table.schema != schema:
            table = table.cast(schema)
        self._writer.write_table(table)


MATLAB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
"""What MATLAB's `isvarname` takes, but for its keywords."""


class WholeWriter(ABC):
    """All parts at once, at the end: the format knows no parts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: list[Part] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            names = self._parts[0]
            joined = {name: np.concatenate([part[name] for part in self._parts]) for name in names}
            with self._path.open("wb") as file:
                self.save(file, joined)

    def write(self, part: Part) -> None:
        """Append rows."""
        self._parts.append(dict(part))

    @abstractmethod
    def save(self, file: IO[bytes], columns: Part) -> None:
        """Write all rows."""


class NpzWriter(WholeWriter):
    """An NPZ file: an array per column."""

    def save(self, file: IO[bytes], columns: Part) -> None:
        """Write all rows."""
        np.savez(file, **columns)  # type: ignore[arg-type]  # the stubs take a name for a flag


class MatWriter(WholeWriter):
    """A MATLAB file of version 5: a column vector per column."""

    def write(self, part: Part) -> None:
        """Append rows.

        Raises:
            UsageError: MATLAB has no variables of such a name, or no such values.
        """
        for name, column in part.items():
            if not MATLAB_NAME.fullmatch(name):
                raise UsageError(
                    f"MATLAB cannot have a variable '{name}'; choose another format with -o, such as .csv."
                )
            if column.dtype.kind not in "biufU":
                raise UsageError(
                    f"A MAT file cannot hold the column '{name}', which is no numbers; choose -o."
                )
        super().write(part)

    def save(self, file: IO[bytes], columns: Part) -> None:
        """Write all rows."""
        from scipy.io import savemat

        # The stubs know paths only.
        savemat(file, dict(columns), oned_as="column", do_compression=True)  # type: ignore[arg-type]


WRITERS: Mapping[str, Callable[[Path], Writer]] = MappingProxyType(
    {
        ".csv": CsvWriter,
        ".tsv": partial(CsvWriter, separator="\t"),
        ".parquet": ParquetWriter,
        ".npz": NpzWriter,
        ".mat": MatWriter,
    }
)


def check_output(path: Path) -> None:
    """Refuse a file that nobody knows how to write.

    Raises:
        UsageError: Its suffix is unknown.
    """
    if path.suffix.lower() not in WRITERS:
        raise UsageError(
            f"Cannot write {path}: the suffix '{path.suffix}' is not one of {', '.join(WRITERS)}. Choose "
            "another -o."
        )
