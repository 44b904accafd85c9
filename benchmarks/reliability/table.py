"""What came of a fault: a row of the table."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

ROWS = re.compile(r"metrics\.csv \((\d+) of (\d+) rows\)")


@dataclass
class Fault:
    """What was broken, how often, and what came of it.

    Attributes:
        name: The fault.
        how: How it is injected.
        may_lose_rows: Whether rows of `metrics.csv` may be lost: nothing else holds them.
        injected: How often it was.
        lost: What was lost, and how often.
        clumsy: Times that a user saw a traceback.
        unsaid: Times that lmrun did not say what it had to.
        says: What it said, and how often.
        notes: Further numbers.
    """

    name: str
    how: str
    may_lose_rows: bool = False
    injected: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    clumsy: int = 0
    unsaid: int = 0
    says: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def said(self, text: str) -> None:
        """Count what was said."""
        self.says.update(line for line in text.strip().splitlines() if line)

    @property
    def fine(self) -> bool:
        """Whether nothing was lost that must not be, nobody saw a traceback, and all was said."""
        lost = [what for what in +self.lost if not (self.may_lose_rows and ROWS.fullmatch(what))]
        return not (lost or self.clumsy or self.unsaid)

    @property
    def lost_in_words(self) -> str:
        """Everything that was lost; of `metrics.csv`, how many rows."""
        rows = {what: found for what in +self.lost if (found := ROWS.fullmatch(what))}
        words = [f"{what} ({count} times)" for what, count in (+self.lost).items() if what not in rows]
        missing = [
            int(found[2]) - int(found[1]) for what, found in rows.items() for _ in range(self.lost[what])
        ]
        if missing:
            fewest, most = min(missing), max(missing)
            words.append(
                f"rows of metrics.csv {len(missing)} times: {fewest} to {most} missing, or a digit of one"
            )
        return "; ".join(words) or "nothing"

    @property
    def document(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        return {**vars(self), "lost_in_words": self.lost_in_words, "fine": self.fine}


def general(sentence: str) -> str:
    """Return a sentence without what differs from time to time: folders, and numbers, which become N."""
    text = re.sub(r"(?:\.\.)?/\S*/(?=[\w.-]+)", "", sentence)
    text = re.sub(r"\.tmp-\d+-\w+-", "", text)
    text = re.sub(r"(?<=step-)\d+|\b(killed|whole|run|two|clock)(-[a-z]+)*-\d+", "N", text)
    return re.sub(r"(?<![\w.-])\d[\d,]*\b", "N", text)
