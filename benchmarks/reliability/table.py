"""A row of the table per fault."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

UNNAMED = (
    (re.compile(r"/\S*/(?=[\w.-]+)"), ""),
    (re.compile(r"killed-[\w-]+|whole-[\w-]+|run-[\w-]+"), "RUN"),
)
"""What of a sentence depends on where it was said."""


@dataclass
class Fault:
    """What was broken, how often, and what came of it.

    Attributes:
        name: The fault.
        how: How it is injected.
        injected: How often it was.
        lost: Times that anything was lost, by what it was.
        clumsy: Times that a user saw a traceback.
        unsaid: Times that lmrun said nothing of it where it had to.
        says: What it said, how often.
        notes: Further numbers.
    """

    name: str
    how: str
    injected: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    clumsy: int = 0
    unsaid: int = 0
    says: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def said(self, text: str) -> None:
        """Count what was said, without what differs from time to time."""
        for line in text.strip().splitlines():
            general = line
            for pattern, short in UNNAMED:
                general = pattern.sub(short, general)
            self.says[general] += 1

    @property
    def fine(self) -> bool:
        """Whether nothing was lost, nobody saw a traceback, and all was said."""
        return not (self.lost or self.clumsy or self.unsaid)
