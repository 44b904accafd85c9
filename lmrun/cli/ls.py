"""`lmrun ls`: the runs of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmrun.cli.choosing import AsJson, RunsDir
from lmrun.config.suggest import did_you_mean
from lmrun.errors import UsageError

if TYPE_CHECKING:
    from lmrun.runs.listing import Entry

SCHEMA_VERSION = 1
SHOWN = 50


def ls(
    runs_dir: RunsDir = Path("runs"),
    dataset: Annotated[
        str | None, typer.Option(help="Only runs on this dataset.", show_default=False)
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="Only runs with this optimizer.", show_default=False)
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help="Only runs of this status: running, stopped, damaged, or how a run ended.",
            show_default=False,
        ),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Only runs with this tag; may be repeated.", show_default=False)
    ] = None,
    sort: Annotated[
        str, typer.Option(help="By started (newest first), loss, seconds, steps, name or dataset.")
    ] = "started",
    limit: Annotated[
        int | None,
        typer.Option(min=0, help=f"Show so many; 0 shows all. {SHOWN}, with --json all.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first; damaged and half-written ones are listed as such."""
    from lmrun.runs.listing import SORTS, STATES, list_entries, select

    if status is not None and status not in STATES:
        raise UsageError(f"There is no status '{status}'.{did_you_mean(status, STATES)}")
    if sort not in {"started", *SORTS}:
        raise UsageError(f"Runs cannot be sorted by '{sort}'.{did_you_mean(sort, ['started', *SORTS])}")
    every = list_entries(runs_dir)
    entries = select(every, dataset=dataset, optimizer=optimizer, state=status, tags=tag or ())
    if sort != "started":
        entries = sorted(entries, key=SORTS[sort])
    most = (0 if as_json else SHOWN) if limit is None else limit
    shown = entries[:most] if most else entries
    if as_json:
        from lmrun.runs.files import to_json

        document = {"schema_version": SCHEMA_VERSION, "runs": [entry.document for entry in shown]}
        typer.echo(to_json(document), nl=False)
        return
    if not entries:
        where = f"{runs_dir} holds no runs" if not every else f"None of the {len(every):,} runs fits"
        typer.echo(f"{where}. Start one with `lmrun train sinc`.", err=True)
        return
    _show(shown)
    if len(shown) < len(entries):
        more = len(entries) - len(shown)
        typer.echo(f"and {more:,} more: --limit 0 shows all", err=True)


def _show(entries: Sequence[Entry]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("run", "status", "dataset", "optimizer"):
        table.add_column(name, no_wrap=True, overflow="ellipsis" if name != "run" else "fold")
    for name in ("seed", "steps", "seconds", "best loss", "test"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("tags and notes")
    for entry in entries:
        words = " ".join([*(f"#{tag}" for tag in entry.labels.tags), entry.labels.note]).strip()
        table.add_row(
            Text(entry.run.name),
            Text(entry.state, style=COLORS.get(entry.state, "")),
            Text(entry.dataset or ""),
            Text(entry.optimizer or ""),
            "" if entry.seed is None else str(entry.seed),
            "" if entry.steps is None else f"{entry.steps:,}",
            "" if entry.seconds is None else f"{entry.seconds:.1f}",
            "" if entry.best_loss is None else f"{entry.best_loss:.2e}",
            _test(entry),
            Text(words or entry.problem),
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no edge to wrap at.
        console = Console(highlight=False, width=400)
    console.print(table)


COLORS = {
    "running": "bold green",
    "stopped": "yellow",
    "interrupted": "yellow",
    **dict.fromkeys(("damaged", "singular", "non_finite", "diverged"), "red"),
}
"""Of a state."""


def _test(entry: Entry) -> str:
    """The one test metric that says most."""
    for name, form in (("accuracy", "{:.2%}"), ("r2", "R² {:.6f}"), ("loss", "{:.2e}")):
        value = entry.test.get(name)
        if value is not None:
            return form.format(value)
    return ""
