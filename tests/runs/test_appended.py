import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from lmrun.runs.appended import Appended


def test_the_checksum_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before\n")
    file = Appended(path)
    for block in (b"", b"one\n", b"two\n" * 1000):
        file.write(block)
        # Nothing waits in a buffer.
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file.checksum
    file.close()
    file.close()
    assert path.read_bytes() == b"before\none\n" + b"two\n" * 1000


class SmallDisk:
    """A file on a disk with room for some bytes more."""

    def __init__(self, file: Any, room: int) -> None:
        self.file = file
        self.room = room

    def write(self, block: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self.file.write(block[: self.room])
        self.room -= written
        return int(written)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def test_half_a_block_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before\n")
    file = Appended(path)
    file._file = SmallDisk(file._file, 9)
    file.write(b"one\n")
    with pytest.raises(OSError, match="No space left"):
        file.write(b"a longer block\n")
    assert path.read_bytes() == b"before\none\n"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file.checksum
    file._file.room = 100
    file.write(b"two\n")
    file.close()
    assert path.read_bytes() == b"before\none\ntwo\n"
