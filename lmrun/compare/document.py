"""A comparison as one JSON document, and the folder that keeps it."""

from __future__ import annotations

import math
import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lmrun.compare.fairness import repetitions, warnings
from lmrun.compare.groups import Group, group
from lmrun.compare.results import Result, read_result
from lmrun.compare.table import as_csv, as_markdown, measures, settings, speed_ups
from lmrun.compare.verdict import verdict
from lmrun.errors import RunDirectoryError
from lmrun.runs.files import names_in, read_json, write_json_atomically, write_text_atomically
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
        # Not `Path.is_file`, which raises for a name that is too long.
        return os.path.isfile(self.document)


@dataclass(frozen=True)
class Compared:
    """A comparison.

    Attributes:
        groups: What was compared.
        document: Everything, for programs.
        csv: The table for a spreadsheet.
        markdown: Verdict and table for a page.
    """

    groups: Sequence[Group]
    document: dict[str, Any]
    csv: str
    markdown: str


def compare(results: Sequence[Result], items: Sequence[str]) -> Compared:
    """Compare runs.

    Args:
        results: At least one.
        items: What the user asked for.
    """
    groups = group(results)
    rows, speed = measures(groups), speed_ups(groups)
    shown = [*settings(groups), *rows, *([] if speed is None else [speed])]
    judged = verdict(groups, speed)
    document = {
        "schema_version": SCHEMA_VERSION,
        "items": list(items),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "groups": [
            {
                "label": member.label,
                "seeds": list(member.seeds),
                "runs": [str(result.run.path.resolve()) for result in member.results],
                "statuses": [result.status for result in member.results],
                "measures": {row.key: _numbers(row.values[place]) for row in shown if row.values},
            }
            for place, member in enumerate(groups)
        ],
        "table": [
            {"name": row.name, "key": row.key, "texts": list(row.texts), "best": row.best} for row in shown
        ],
        "verdict": {"text": judged.text, "winner": judged.winner, "supported": judged.supported},
        "warnings": [*warnings(groups), *repetitions(results, groups)],
    }
    markdown = f"{judged.text}\n\n{as_markdown(groups, shown)}"
    return Compared(groups, document, as_csv(groups, shown), markdown)


def _numbers(values: Sequence[float]) -> dict[str, float | None]:
    """Median and quartiles, None for what is not finite."""
    names = ("median", "low", "high")
    return {name: value if math.isfinite(value) else None for name, value in zip(names, values, strict=True)}


def store(runs_dir: Path, compared: Compared, draw: Callable[[Path], object]) -> ComparisonDirectory:
    """Keep a comparison in a new folder beside the runs.

    Args:
        runs_dir: Their folder.
        compared: The comparison.
        draw: Draws its figure to a path.

    Raises:
        RunDirectoryError: The folder cannot be made or written.
    """
    labels = "-".join(member.label.split(",")[0] for member in compared.groups)
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
    write_text_atomically(folder.csv, compared.csv)
    write_text_atomically(folder.markdown, compared.markdown)
    draw(folder.figure)
    # Last: where this file is, the others are too.
    write_json_atomically(folder.document, compared.document)
    return folder


def find_comparison(name: str, runs_dir: Path) -> ComparisonDirectory | None:
    """Return a stored comparison by its path, name, or a prefix of one name alone."""
    for path in (runs_dir / name, Path(name).expanduser()):
        folder = ComparisonDirectory(path)
        if name and folder.exists:
            return folder
    if not name.startswith(PREFIX) or not runs_dir.is_dir():
        return None
    begun = [ComparisonDirectory(path) for path in names_in(runs_dir) if path.name.startswith(name)]
    fitting = [folder for folder in begun if folder.exists]
    return fitting[0] if len(fitting) == 1 else None


def read_comparison(folder: ComparisonDirectory) -> dict[str, Any]:
    """Read the document of a stored comparison.

    Raises:
        RunDirectoryError: It is damaged.
    """
    document = read_json(folder.document)
    try:
        Stored.model_validate(document)
    except ValidationError as error:
        raise RunDirectoryError(f"{folder.document} is damaged. Compare the runs again.") from error
    return document


class StoredGroup(BaseModel):
    """What is read back of a group."""

    label: str
    runs: list[str]


class StoredRow(BaseModel):
    """What is read back of a row of the table."""

    name: str
    texts: list[str]
    best: int | None


class StoredVerdict(BaseModel):
    """What is read back of the verdict."""

    text: str


class Stored(BaseModel):
    """What is read back of a comparison."""

    model_config = ConfigDict(strict=True)

    groups: list[StoredGroup]
    table: list[StoredRow]
    verdict: StoredVerdict
    warnings: list[str]

    @model_validator(mode="after")
    def _cell_per_group(self) -> Self:
        if any(len(row.texts) != len(self.groups) for row in self.table):
            raise ValueError("a row of the table has another number of cells than there are groups")
        return self


def stored_groups(folder: ComparisonDirectory, document: Mapping[str, Any]) -> tuple[list[Group], list[str]]:
    """Return the groups of a stored comparison, and a sentence for each run that is no longer there.

    Runs are looked for beside the comparison, should the folder have moved, and where they were.

    Raises:
        RunDirectoryError: Of some group no run is left.
    """
    groups, missing = [], []
    for member in document["groups"]:
        results = []
        for path in map(Path, member["runs"]):
            places = (RunDirectory(folder.path.parent / path.name), RunDirectory(path))
            try:
                results.append(read_result(next((run for run in places if run.exists), places[1])))
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
