"""Tables that grow by parts: one writer per file format, by the suffix of the file."""

from __future__ import annotations

import re
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.read_arrays import Samples
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
            table = _like(table, schema)
        self._writer.write_table(table)


def _like(table: Any, schema: Any) -> Any:
    """Return a part in the types of the first one.

    Raises:
        UsageError: Its values do not fit into them.
    """
    import pyarrow as pa

    def cast(field: Any) -> Any:
        column = table.column(field.name)
        try:
            return column.cast(field.type)
        except pa.ArrowException as error:
            raise UsageError(
                f"The column '{field.name}' begins as {field.type} and goes on as {column.type}, and a "
                "Parquet file has one type per column; choose another format with -o, such as .csv."
            ) from error

    return pa.table([cast(field) for field in schema], schema=schema)


MATLAB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
"""What MATLAB's `isvarname` takes, but for its keywords."""


class SpooledWriter(ABC):
    """A format that has the columns one behind the other: parts wait in a file without a name beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spool = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - closed on leaving
        self._pieces: dict[str, list[tuple[np.dtype[Any], int, int]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._spool:
            if error is None:
                self.save()

    def write(self, part: Part) -> None:
        """Append rows."""
        for name, column in part.items():
            values = without_objects(column)
            piece = (values.dtype, self._spool.tell(), len(values))
            self._pieces.setdefault(name, []).append(piece)
            self._spool.write(values.tobytes())

    def column(self, name: str) -> tuple[np.dtype[Any], int, Iterator[NDArray[Any]]]:
        """Return the type and the rows of a column, and its parts in that type."""
        pieces = self._pieces[name]
        dtype = np.result_type(*(kind for kind, _, _ in pieces))
        return dtype, sum(rows for _, _, rows in pieces), self._parts(name, dtype)

    def _parts(self, name: str, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
        for kind, place, rows in self._pieces[name]:
            self._spool.seek(place)
            yield np.ndarray(rows, kind, self._spool.read(rows * kind.itemsize)).astype(dtype)

    @abstractmethod
    def save(self) -> None:
        """Write all columns."""


def without_objects(column: NDArray[Any]) -> NDArray[Any]:
    """Return Python's objects as text, what is missing as nothing; other columns as they are [rows]."""
    if not column.dtype.hasobject:
        return column
    import pandas as pd

    lost = pd.isna(column)
    return np.array(["" if gone else str(value) for value, gone in zip(column, lost, strict=True)], str)


class NpzWriter(SpooledWriter):
    """An NPZ file: an array per column."""

    def save(self) -> None:
        """Write all columns."""
        with zipfile.ZipFile(self._path, "w") as archive:
            for name in self._pieces:
                dtype, rows, parts = self.column(name)
                # Its size is known only when it has been written.
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    descr = np.lib.format.dtype_to_descr(dtype)
                    header = {"descr": descr, "fortran_order": False, "shape": (rows,)}
                    np.lib.format.write_array_header_1_0(file, header)
                    for part in parts:
                        file.write(part.tobytes())


class MatWriter(SpooledWriter):
    """A MATLAB file of version 5: a vector per column, which lies as the samples do.

    Args:
        path: The file.
        samples: `columns`: a row vector, as MATLAB's toolbox has them.
    """

    HEADER = 128
    """Bytes in front of the first variable; those of each variable stand by themselves."""

    def __init__(self, path: Path, samples: Samples = "rows") -> None:
        super().__init__(path)
        self._lying: Literal["row", "column"] = "row" if samples == "columns" else "column"

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
            if column.dtype.kind not in "biufUO":
                raise UsageError(
                    f"A MAT file cannot hold the column '{name}', which is no numbers; choose -o."
                )
        super().write(part)

    def save(self) -> None:
        """Write all columns, one after the other.

        Raises:
            UsageError: A column is larger than the format allows.
        """
        from scipy.io import savemat
        from scipy.io.matlab import MatWriteError

        with self._path.open("wb") as file:
            for place, name in enumerate(self._pieces):
                _, _, parts = self.column(name)
                alone = BytesIO()
                try:
                    whole = {name: np.concatenate(list(parts))}
                    # The stubs know paths only.
                    savemat(alone, whole, oned_as=self._lying, do_compression=True)  # type: ignore[arg-type]
                except MatWriteError as error:
                    raise UsageError(
                        f"The column '{name}' is too large for a MAT file; choose another format with -o, "
                        "such as .npz."
                    ) from error
                file.write(alone.getvalue()[self.HEADER if place else 0 :])


WRITERS: Mapping[str, Callable[[Path, Samples], Writer]] = MappingProxyType(
    {
        ".csv": lambda path, samples: CsvWriter(path),
        ".tsv": lambda path, samples: CsvWriter(path, separator="\t"),
        ".parquet": lambda path, samples: ParquetWriter(path),
        ".npz": lambda path, samples: NpzWriter(path),
        ".mat": MatWriter,
    }
)
"""By the suffix of the file; samples of MAT files lie in rows or in columns."""


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
