"""All runs of a folder at a glance; a damaged one is an entry that says so."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lmrun.errors import RunDirectoryError
from lmrun.runs.checksums import damaged_files, said_of
from lmrun.runs.files import names_in, number, read_json, read_yaml
from lmrun.runs.labels import Labels, read_labels
from lmrun.runs.layout import RunDirectory
from lmrun.runs.lock import is_held
from lmrun.runs.metrics import check_columns, last_row
from lmrun.runs.summary import read_summary
from lmrun.status import Status

RUNNING = "running"
STOPPED = "stopped"
"""Neither ended nor running: killed, and to be resumed."""
DAMAGED = "damaged"
STATES: tuple[str, ...] = (*(str(status) for status in Status), RUNNING, STOPPED, DAMAGED)


@dataclass(frozen=True)
class Entry:
    """What is known of one run without its rows.

    Attributes:
        run: Where it lies.
        state: One of STATES.
        started: ISO 8601 in UTC; empty where nobody knows.
        dataset: Its name.
        optimizer: Its name.
        seed: The effective seed.
        steps: Made so far.
        seconds: Of training so far.
        loss: The last one.
        best_loss: Of the best parameters; of the last row while the run lasts.
        test: The test metrics by name.
        labels: Tags and note.
        problem: What is damaged, as a sentence.
    """

    run: RunDirectory
    state: str
    started: str = ""
    dataset: str | None = None
    optimizer: str | None = None
    seed: int | None = None
    steps: int | None = None
    seconds: float | None = None
    loss: float | None = None
    best_loss: float | None = None
    test: Mapping[str, float] = field(default_factory=dict)
    labels: Labels = field(default_factory=Labels)
    problem: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """The entry as JSON has it."""
        names = ("started", "dataset", "optimizer", "seed", "steps", "seconds", "loss", "best_loss", "test")
        return {
            "run": str(self.run.path),
            "name": self.run.name,
            "status": self.state,
            **{name: getattr(self, name) for name in names},
            "tags": list(self.labels.tags),
            "note": self.labels.note,
            "problem": self.problem or None,
        }


def list_entries(runs_dir: Path) -> list[Entry]:
    """Return an entry for every run of a folder, the newest first; half-written and damaged ones included.

    Raises:
        RunDirectoryError: Nobody may look into the folder.
    """
    if not runs_dir.is_dir():
        return []
    paths = (path for path in names_in(runs_dir) if not path.name.startswith("."))
    entries = [read_entry(run) for run in map(RunDirectory, paths) if run.begun]
    return sorted(entries, key=lambda entry: (entry.started, entry.run.name), reverse=True)


def read_entry(run: RunDirectory, *, thorough: bool = False) -> Entry:
    """Read what is known of a run; what cannot be read makes it a damaged one.

    Of `metrics.csv` the header is looked at, and the last row of a run that has not ended; of all files that
    have a checksum, the sizes.

    Args:
        run: The run.
        thorough: Whether every byte is looked at, and the checkpoints.
    """
    try:
        entry = _read(run, thorough)
    except RunDirectoryError as error:
        return Entry(run, DAMAGED, problem=str(error))
    # What is damaged here takes nothing from what is known.
    for part in (_labelled, _with_metrics):
        try:
            entry = part(entry)
        except RunDirectoryError as error:
            entry = replace(entry, state=DAMAGED, problem=str(error))
    return entry


def _labelled(entry: Entry) -> Entry:
    return replace(entry, labels=read_labels(entry.run))


def _with_metrics(entry: Entry) -> Entry:
    check_columns(entry.run)
    return entry


def _read(run: RunDirectory, thorough: bool) -> Entry:
    if not run.exists:
        missing = [path.name for path in (run.config, run.manifest) if not path.is_file()]
        raise RunDirectoryError(f"Missing: {' and '.join(missing)}. Remove it: lmrun rm {run.path}")
    manifest, summary = read_json(run.manifest), read_summary(run)
    names = {key: _word(manifest.get(key)) for key in ("dataset", "optimizer")}
    if None in names.values():
        names = _names(run)
    entry = _known(run, manifest, names, summary)
    damaged = list(damaged_files(run, manifest, summary, thorough=thorough))
    if thorough and entry.state != RUNNING:
        # Loads NumPy, for which a list of runs does not wait.
        from lmrun.runs.checkpoints import checkpoints_of
        from lmrun.runs.mend import rows_are_good

        found = list(checkpoints_of(run))
        damaged += [path for path, checkpoint in found if checkpoint is None]
        newest = next((checkpoint for _, checkpoint in found if checkpoint is not None), None)
        if newest is not None and run.metrics not in damaged and not rows_are_good(run, newest):
            damaged.append(run.metrics)
    if damaged:
        return replace(entry, state=DAMAGED, problem=said_of(run, *damaged))
    return entry


def _known(
    run: RunDirectory,
    manifest: Mapping[str, Any],
    names: Mapping[str, Any],
    summary: Mapping[str, Any] | None,
) -> Entry:
    common = Entry(
        run,
        STOPPED,
        started=str(manifest.get("started") or ""),
        dataset=names["dataset"],
        optimizer=names["optimizer"],
        seed=_whole(manifest.get("seed")),
    )
    if summary is not None and summary.get("status") != Status.INTERRUPTED:
        return _ended(common, summary)
    # A run that was stopped and resumed has the summary of its first end. Runs that ended are not asked: a
    # look at a lock takes longer than all the rest.
    held = is_held(run)
    if summary is not None and not held:
        return _ended(common, summary)
    row = last_row(run)
    return replace(
        common,
        state=RUNNING if held else STOPPED,
        steps=_whole(row.get("step")),
        seconds=number(row.get("seconds")),
        loss=number(row.get("loss")),
        best_loss=number(row.get("loss")),
    )


def _ended(common: Entry, summary: Mapping[str, Any]) -> Entry:
    state, test = str(summary.get("status")), summary.get("test")
    if state not in STATES:
        raise RunDirectoryError(
            f"{common.run.summary} is damaged: '{state}' is no status. Restore it, or train again."
        )
    return replace(
        common,
        state=state,
        steps=_whole(summary.get("steps")),
        seconds=number(summary.get("seconds")),
        loss=number(summary.get("loss")),
        best_loss=number(summary.get("best_loss")),
        test=numbers(test),
    )


def _names(run: RunDirectory) -> dict[str, Any]:
    """Dataset and optimizer by the config, for a manifest that does not name them."""
    config = read_yaml(run.config)
    parts = {key: config.get(key) if isinstance(config, dict) else None for key in ("dataset", "optimizer")}
    return {key: _word(part.get("name")) if isinstance(part, dict) else None for key, part in parts.items()}


def _whole(value: Any) -> int | None:
    known = number(value)
    return int(value) if known is not None and math.isfinite(known) else None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def numbers(values: Any) -> dict[str, float]:
    """Return what of a JSON object is a number, by name; null stands for what was not finite."""
    if not isinstance(values, dict):
        return {}
    found = {str(name): number(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not None}


def _lowest(value: float | None) -> float:
    return float("inf") if value is None or math.isnan(value) else value


SORTS: dict[str, Callable[[Entry], Any]] = {
    "loss": lambda entry: _lowest(entry.best_loss),
    "seconds": lambda entry: _lowest(entry.seconds),
    "steps": lambda entry: _lowest(entry.steps),
    "name": lambda entry: entry.run.name,
    "dataset": lambda entry: (entry.dataset or "", entry.optimizer or "", _lowest(entry.best_loss)),
}
"""By what entries can be ordered, besides their age; the lowest first."""


def select(
    entries: Sequence[Entry],
    *,
    dataset: str | None = None,
    optimizer: str | None = None,
    state: str | None = None,
    tags: Sequence[str] = (),
) -> list[Entry]:
    """Return the entries that have everything that is asked for."""
    return [
        entry
        for entry in entries
        if dataset in {None, entry.dataset}
        and optimizer in {None, entry.optimizer}
        and state in {None, entry.state}
        and set(tags) <= set(entry.labels.tags)
    ]
