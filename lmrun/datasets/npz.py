"""Opening NPZ files, with errors in the user's words."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from lmrun.errors import DataError

SINGLE = "the file holds a single array, not NPZ; save it with numpy.savez."
"""About a file that `numpy.save` wrote."""


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
