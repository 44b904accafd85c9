"""Opening NPZ files, with errors in the user's words."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from lmrun.errors import DataError

SINGLE = "the file holds a single array, not NPZ; save it with numpy.savez."
"""About a file that `numpy.save` wrote."""


def write_npz(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an NPZ file; `numpy.savez` would take the names `file` and `allow_pickle` for its own arguments.

    Args:
        file: Open for writing.
        arrays: By their names; none of objects.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


@contextmanager
def open_npz(source: Path | Traversable, where: str) -> Iterator[NpzFile]:
    """Open an NPZ file without ever unpickling; `where` names the file in messages.

    Raises:
        DataError: The file is missing or damaged, also when the damage shows only while reading an array.
    """
    with readable(where, "NPZ"), source.open("rb") as file:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, NpzFile):
            raise DataError(f"{where}: {SINGLE}")
        with archive:
            yield archive


@contextmanager
def readable(where: str, kind: str, *damages: type[Exception]) -> Iterator[None]:
    """Turn what readers raise on a missing, forbidden or damaged file (and `damages`) into a DataError."""
    damaged: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error)
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{where}: the file does not exist; check dataset.path.") from None
    except (IsADirectoryError, PermissionError) as error:
        raise DataError(f"{where}: the file cannot be opened ({error.strerror}).") from error
    except (*damaged, *damages) as error:
        raise DataError(f"{where}: the file is damaged or is not {kind}.") from error
