"""What a user says of a run afterwards: tags and a note, `labels.json`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from lmrun.errors import UsageError
from lmrun.runs.files import read_json, write_json_atomically
from lmrun.runs.layout import RunDirectory

SCHEMA_VERSION = 1
_TAG = re.compile(r"[\w][\w.:/@+-]{0,39}")


@dataclass(frozen=True)
class Labels:
    """Tags in alphabetical order, and one note."""

    tags: tuple[str, ...] = ()
    note: str = ""

    def with_tags(self, tags: Iterable[str]) -> Labels:
        """Add tags.

        Raises:
            UsageError: One is no tag.
        """
        return replace(self, tags=tuple(sorted({*self.tags, *map(check_tag, tags)})))

    def without_tags(self, tags: Iterable[str]) -> Labels:
        """Remove tags; one that is not there is no error."""
        return replace(self, tags=tuple(tag for tag in self.tags if tag not in set(tags)))


def check_tag(tag: str) -> str:
    """Return a tag as it is.

    Raises:
        UsageError: It is no tag.
    """
    if not _TAG.fullmatch(tag):
        raise UsageError(
            f"'{tag}' cannot be a tag: use up to 40 letters, digits and . : / @ + _ -, starting with a "
            "letter or digit."
        )
    return tag


def read_labels(run: RunDirectory) -> Labels:
    """Return a run's labels; none where nothing was said.

    Raises:
        RunDirectoryError: The file is damaged.
    """
    if not run.labels.exists():
        return Labels()
    data = read_json(run.labels)
    tags, note = data.get("tags"), data.get("note")
    return Labels(
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
        note=note if isinstance(note, str) else "",
    )


def write_labels(run: RunDirectory, labels: Labels) -> None:
    """Replace a run's labels as a whole.

    Raises:
        RunDirectoryError: The file cannot be written.
    """
    document = {"schema_version": SCHEMA_VERSION, "tags": list(labels.tags), "note": labels.note}
    write_json_atomically(run.labels, document)
