"""What a parser must not do while it reads: run code, start processes, open files or connections."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

FORBIDDEN = frozenset({"exec", "import", "open", "code.__new__", "function.__new__", "pickle.find_class"})
FORBIDDEN_KINDS = ("os.", "subprocess.", "socket.", "ctypes.", "shutil.", "urllib.", "tempfile.", "pty.")
"""Python's own audit events (https://docs.python.org/3/library/audit_events.html), and how some begin."""


class Guard:
    """Notes what happens while a text is read.

    Python never lets go of a listener; outside of `read` this one does nothing.
    """

    def __init__(self) -> None:
        self.watching = False
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.watching and (event in FORBIDDEN or event.startswith(FORBIDDEN_KINDS)):
            self.seen.append(event)

    def read(self, read: Callable[[str], bool], text: str) -> bool:
        """Return what reading a text returns.

        Raises:
            AssertionError: It did more than to read.
        """
        self.seen, self.watching = [], True
        try:
            taken = read(text)
        finally:
            self.watching = False
        if self.seen:
            raise AssertionError(f"reading did: {', '.join(sorted(set(self.seen)))}")
        return taken
