"""SHA-256 of what a run directory holds: whoever reads it later can tell that it is what was written.

The manifest has the checksums of what a run starts with, the summary those of what it ends with. Both carry
their own in their first line, as nothing else is there when they are written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lmrun.errors import RunDirectoryError
from lmrun.runs.layout import RunDirectory
from lmrun.status import Status

FILES = "files"
"""The key of a manifest or summary under which other files' checksums stand."""
_SEAL = '{\n  "checksum": "'
_SEALED = re.compile(_SEAL + r'.{64}",\n')
_BLOCK = 1 << 20


def checksum(content: bytes) -> str:
    """Return the SHA-256 of bytes, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def seal(text: str) -> str:
    """Put the checksum of a JSON object's text into its first line.

    Args:
        text: As `to_json` returns it, of an object that is not empty.
    """
    body = text.removeprefix("{\n")
    return f'{_SEAL}{checksum(body.encode())}",\n{body}'


def is_sealed(text: str) -> bool:
    """Whether a JSON text begins with a checksum; those of earlier versions do not."""
    return _SEALED.match(text) is not None


def seal_holds(text: str) -> bool:
    """Whether the text of a sealed document is what was written."""
    first, _, body = text.removeprefix(_SEAL).partition("\n")
    return first == f'{checksum(body.encode())}",'


def checksums_of(run: RunDirectory, paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of files of a run by their names in it; what is not there is left out.

    Raises:
        RunDirectoryError: A file cannot be read.
    """
    found = {}
    for path in paths:
        if path.is_file():
            size, digest = _measure(path)
            found[path.relative_to(run.path).as_posix()] = {"bytes": size, "sha256": digest}
    return found


def damaged_files(
    run: RunDirectory, *documents: Mapping[str, Any] | None, thorough: bool, missing: bool = False
) -> Iterator[Path]:
    """Yield the files of a run that are not those that were written.

    The summary of a run that was interrupted does not count: going on changes what it speaks of.

    Args:
        run: The run.
        documents: Its manifest and summary, None for one that is not there.
        thorough: Whether every byte is looked at, or only sizes.
        missing: Whether a file that is not there counts.
    """
    for document in documents:
        known = (
            {} if document is None or document.get("status") == Status.INTERRUPTED else document.get(FILES)
        )
        for name, mark in known.items() if isinstance(known, dict) else ():
            path = run.path / name
            if not path.is_file():
                if missing:
                    yield path
            elif not _fits(path, mark, thorough):
                yield path


def check_file(run: RunDirectory, path: Path, document: Mapping[str, Any] | None) -> None:
    """Refuse a file that is not the one that was written.

    Args:
        run: The run.
        path: The file; one that is not there, or of which no checksum is known, passes.
        document: The manifest or summary that may know it.

    Raises:
        RunDirectoryError: It has another checksum.
    """
    if path in damaged_files(run, document, thorough=True):
        raise RunDirectoryError(said_of(run, path))


def said_of(run: RunDirectory, *paths: Path) -> str:
    """Say that files are damaged, and what helps."""
    names = " and ".join(map(str, paths))
    what = "is damaged: it is" if len(paths) == 1 else "are damaged: they are"
    return (
        f"{names} {what} not what was written there (SHA-256). What the run's last good checkpoint can mend, "
        f"this does: lmrun train --resume {run.path}"
    )


def _fits(path: Path, mark: Any, thorough: bool) -> bool:
    if not isinstance(mark, Mapping):
        return True
    if path.stat().st_size != mark.get("bytes"):
        return False
    return not thorough or _measure(path)[1] == mark.get("sha256")


def _measure(path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise RunDirectoryError(f"Cannot read {path}: {error.strerror}.") from error
    return size, digest.hexdigest()
