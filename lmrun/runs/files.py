"""Writing files that are either the old ones or the new ones, never halves."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lmrun.errors import RunDirectoryError, StorageError
from lmrun.runs.checksums import is_sealed, seal, seal_holds

TEMPORARY_PREFIX = ".tmp-"


def temporary_name(name: str) -> str:
    """Return a hidden name that ends like `name`: Keras and Matplotlib read the format off the ending."""
    return f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}-{name}"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on leaving without an error it becomes `path`.

    The bytes are on the disk before the name changes: after a crash, `path` holds all of the old content or
    all of the new one. On an error the temporary file is removed and `path` stays as it was.

    Raises:
        StorageError: The file cannot be written.
    """
    temporary = path.with_name(temporary_name(path.name))
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def cannot_write(path: Path, error: OSError) -> StorageError:
    """Say that a file cannot be written, and why."""
    reason = error.strerror or str(error)
    return StorageError(f"Cannot write {path}: {reason}. Check the folder's permissions and the free space.")


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left half written in a folder and below; no writer may be active."""
    for path in folder.rglob(f"{TEMPORARY_PREFIX}*"):
        if path.is_file():
            # One that stays does no harm.
            with suppress(OSError):
                path.unlink()


def write_text_atomically(path: Path, text: str) -> None:
    """Replace a text file (UTF-8, line ends as given) as a whole, or raise StorageError."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json_atomically(path: Path, data: Mapping[str, Any]) -> None:
    """Replace a JSON file as a whole.

    NaN and infinities become null: strict JSON has neither, and other readers refuse them. NumPy numbers and
    arrays become numbers and lists, paths become text.

    Raises:
        StorageError: The file cannot be written.
        TypeError: A value has no meaning in JSON.
    """
    write_text_atomically(path, to_json(data))


def write_sealed_json(path: Path, data: Mapping[str, Any]) -> None:
    """Replace a JSON file as `write_json_atomically` does, with its checksum in the first line.

    Raises:
        StorageError: The file cannot be written.
        TypeError: A value has no meaning in JSON.
    """
    write_text_atomically(path, seal(to_json(data)))


def to_json(data: Mapping[str, Any]) -> str:
    """Return the strict JSON text that `write_json_atomically` writes, one line end at its end."""
    return json.dumps(_plain(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object; the checksum in its first line, where it has one, is checked.

    Raises:
        RunDirectoryError: The file is missing or damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
    except OSError as error:
        raise RunDirectoryError(f"Cannot read {path}: {error.strerror}. Is this a run directory?") from error
    except (ValueError, RecursionError) as error:
        raise RunDirectoryError(f"{path} is damaged: {error}. Restore it, or train again.") from error
    if not isinstance(data, dict):
        raise RunDirectoryError(f"{path} is damaged: it holds no object. Restore it, or train again.")
    if is_sealed(text):
        if not seal_holds(text):
            raise RunDirectoryError(
                f"{path} is damaged: it is not what was written there (SHA-256). Restore it, or train again."
            )
        del data["checksum"]
    return data


def read_yaml(path: Path) -> Any:
    """Read a YAML file without tags of its own.

    Raises:
        RunDirectoryError: The file is missing or damaged.
    """
    # Loaded here: most commands read no YAML.
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise RunDirectoryError(f"{path} is damaged: {error}. Restore the file.") from error


def number(value: Any) -> float | None:
    """Return what JSON or YAML has for a number as a float; None for anything else.

    A whole number beyond all floats is none that lmrun wrote.
    """
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def names_in(folder: Path) -> list[Path]:
    """Return what lies in a folder.

    Raises:
        RunDirectoryError: Nobody may look into it.
    """
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise RunDirectoryError(f"Cannot look into {folder}: {error.strerror}.") from error


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _same(value: Any) -> Any:
    return value


# In the order of the look-up: a bool is an int too.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    type(None): _same,
    bool: _same,
    int: int,
    float: _finite,
    str: str,
    Path: str,
    Mapping: lambda value: {str(key): _plain(item) for key, item in value.items()},
    list: lambda value: [_plain(item) for item in value],
    tuple: lambda value: [_plain(item) for item in value],
}


def _plain(value: Any) -> Any:
    for kind, convert in _PLAIN.items():
        if isinstance(value, kind):
            return convert(value)
    # NumPy's scalars and arrays, without importing NumPy for the commands that have none.
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise TypeError(f"{type(value).__name__} has no meaning in JSON")
