"""A comparison as one JSON document, and the folder that keeps it."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lmrun.compare.groups import Group, warnings
from lmrun.compare.results import read_result
from lmrun.compare.table import as_csv, as_markdown, measures, speed_ups
from lmrun.compare.verdict import verdict
from lmrun.errors import RunDirectoryError
from lmrun.runs.files import read_json, write_json_atomically, write_text_atomically
from lmrun.runs.layout import RunDirectory

SCHEMA_VERSION = 1
PREFIX = "compare-"


@dataclass(frozen=True)
class ComparisonDirectory:
    """Where the files of a comparison lie.

    Attributes:
        path: Its directory, beside those of the runs.
    """

    path: Path

    @property
    def document(self) -> Path:
        """Everything, for programs."""
        return self.path / "comparison.json"

    @property
    def markdown(self) -> Path:
        """The table for a page."""
        return self.path / "table.md"

    @property
    def csv(self) -> Path:
        """The table for a spreadsheet."""
        return self.path / "table.csv"

    @property
    def figure(self) -> Path:
        """The losses of all groups."""
        return self.path / "comparison.png"

    @property
    def report(self) -> Path:
        """The page about the comparison."""
        return self.path / "comparison.html"

    @property
    def exists(self) -> bool:
        """Whether this is a comparison."""
        return self.document.is_file()


def compare(groups: Sequence[Group], items: Sequence[str]) -> tuple[dict[str, Any], str, str]:
    """Return the document of a comparison, its table as CSV, and verdict and table as Markdown.

    Args:
        groups: At least one.
        items: What the user asked for.
    """
    rows, speed = measures(groups), speed_ups(groups)
    shown = [*rows, speed] if speed is not None else rows
    judged = verdict(groups, speed)
    document = {
        "schema_version": SCHEMA_VERSION,
        "items": list(items),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "groups": [
            {
                "label": member.label,
                "seeds": list(member.seeds),
                "runs": [str(result.run.path) for result in member.results],
                "statuses": [result.status for result in member.results],
                "measures": {row.key: _numbers(row.values[place]) for row in shown},
            }
            for place, member in enumerate(groups)
        ],
        "table": [
            {"name": row.name, "key": row.key, "texts": list(row.texts), "best": row.best} for row in shown
        ],
        "verdict": {"text": judged.text, "winner": judged.winner, "supported": judged.supported},
        "warnings": warnings(groups),
    }
    markdown = f"{judged.text}\n\n{as_markdown(groups, shown)}"
    return document, as_csv(groups, shown), markdown


def _numbers(values: Sequence[float]) -> dict[str, float | None]:
    """Median and quartiles, None for what is not finite."""
    names = ("median", "low", "high")
    return {name: value if math.isfinite(value) else None for name, value in zip(names, values, strict=True)}


def store(
    runs_dir: Path, document: Mapping[str, Any], table_csv: str, table_markdown: str
) -> ComparisonDirectory:
    """Keep a comparison in a new folder beside the runs.

    Raises:
        RunDirectoryError: The folder cannot be made or written.
    """
    labels = "-".join(group["label"].split(",")[0] for group in document["groups"])
    words = re.sub(r"[^A-Za-z0-9.-]+", "-", labels)[:60].strip("-")
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    path = runs_dir / f"{PREFIX}{stamp}-{words}-{secrets.token_hex(2)}"
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise RunDirectoryError(
            f"Cannot make {path}: {error.strerror}. Choose another --runs-dir."
        ) from error
    folder = ComparisonDirectory(path)
    write_text_atomically(folder.csv, table_csv)
    write_text_atomically(folder.markdown, table_markdown)
    # Last: where this file is, the others are too.
    write_json_atomically(folder.document, document)
    return folder


def find_comparison(name: str, runs_dir: Path) -> ComparisonDirectory | None:
    """Return a stored comparison by its path, or its name in the folder of all runs, if there is one."""
    for path in (runs_dir / name, Path(name).expanduser()):
        folder = ComparisonDirectory(path)
        if name and folder.exists:
            return folder
    return None


def read_comparison(folder: ComparisonDirectory) -> dict[str, Any]:
    """Read the document of a stored comparison.

    Raises:
        RunDirectoryError: It is damaged.
    """
    document = read_json(folder.document)
    try:
        labels = [str(group["label"]) for group in document["groups"]]
        whole = all(len(row["texts"]) == len(labels) and row["name"] for row in document["table"])
        words = [document["verdict"]["text"], *document["warnings"]]
        whole = whole and all(isinstance(word, str) for word in words)
    except (KeyError, TypeError):
        whole = False
    if not whole:
        raise RunDirectoryError(f"{folder.document} is damaged. Compare the runs again.")
    return document


def stored_groups(folder: ComparisonDirectory, document: Mapping[str, Any]) -> tuple[list[Group], list[str]]:
    """Return the groups of a stored comparison, and a sentence for each run that is no longer there.

    Runs are looked for where they were, and beside the comparison, should the folder have moved.

    Raises:
        RunDirectoryError: Of some group no run is left.
    """
    groups, missing = [], []
    for member in document["groups"]:
        results = []
        for path in map(Path, member["runs"]):
            places = (RunDirectory(path), RunDirectory(folder.path.parent / path.name))
            try:
                results.append(read_result(next((run for run in places if run.exists), places[0])))
            except RunDirectoryError as error:
                missing.append(f"The run {path.name} of this comparison cannot be drawn. {error}")
        if not results:
            raise RunDirectoryError(
                f"Of the runs of {member['label']} in {folder.path} none is left. The table still is: "
                f"lmrun compare {folder.path}"
            )
        groups.append(Group(str(member["label"]), tuple(results)))
    return groups, missing


def read_table(path: Path) -> str:
    """Read a table of a stored comparison as it is.

    Raises:
        RunDirectoryError: It is missing or damaged.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunDirectoryError(f"Cannot read {path}: {error}. Compare the runs again.") from error
