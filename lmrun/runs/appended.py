"""A file that only grows, with its checksum at every moment and never half a block at its end."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path


class Appended:
    """Append blocks of bytes without a buffer: what is written is with the operating system.

    Args:
        path: A file that exists; it is read once, for its checksum.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                self._digest.update(block)
            self._end = file.tell()
        self._file = path.open("ab", buffering=0)

    @property
    def checksum(self) -> str:
        """SHA-256 of all that the file holds, hexadecimal."""
        return self._digest.hexdigest()

    def write(self, block: bytes) -> None:
        """Append a block.

        Raises:
            OSError: It does not fit; what went in of it is taken back, where the disk lets it.
        """
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), self._end)
            raise
        self._digest.update(block)
        self._end += len(block)

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self._file.close()
