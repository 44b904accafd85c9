"""A sweep on the terminal: what it will train, and what came out."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from lmrun.sweep.layout import SweepDirectory
    from lmrun.sweep.plan import Plan
    from lmrun.sweep.results import RunResult, Setting

SCHEMA_VERSION = 1
SHOWN = 10
"""Settings, and failed runs, of the table."""
MOST_KEYS = 5
"""Columns of choices."""


def show_plan(plan: Plan, as_json: bool) -> None:
    """Print the runs that a sweep has."""
    if as_json:
        from lmrun.runs.files import to_json

        runs = [{"name": run.name, "choices": dict(run.choices), "seed": run.seed} for run in plan.runs]
        typer.echo(to_json({"schema_version": SCHEMA_VERSION, "sweep": plan.name, "runs": runs}), nl=False)
        return
    for run in plan.runs:
        typer.echo(" ".join([run.name, *run.overrides]))
    typer.echo(f"{len(plan.runs):,} runs; nothing was trained.", err=True)


def show_results(
    sweep: SweepDirectory, results: Sequence[RunResult], *, done: bool, as_json: bool, quiet: bool
) -> None:
    """Print how a sweep stands.

    Args:
        sweep: Its directory.
        results: Its runs.
        done: Whether all is trained; it was interrupted otherwise.
        as_json: One JSON document on stdout.
        quiet: Nothing else.
    """
    from lmrun.sweep.results import BAD, ranked

    settings = ranked(results)
    if as_json:
        from lmrun.runs.files import to_json

        typer.echo(to_json(_document(sweep, results, settings, done)), nl=False)
    if quiet:
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stderr, highlight=False)
    if not console.is_terminal:
        # A pipe has no edge to wrap at.
        console = Console(file=sys.stderr, highlight=False, width=400)
    console.print(_table(settings[:SHOWN]))
    if len(settings) > SHOWN:
        console.print(Text(f"and {len(settings) - SHOWN:,} settings more: {sweep.table}", style="dim"))
    bad = [result for result in results if result.state in BAD]
    for result in bad[:SHOWN]:
        console.print(
            Text(f"{result.planned.name}: {result.state}. {result.reason}", style="red"), soft_wrap=True
        )
    if len(bad) > SHOWN:
        console.print(Text(f"and {len(bad) - SHOWN:,} runs more that failed: {sweep.table}", style="red"))
    console.print()
    for label, text in _lines(sweep, results, done):
        console.print(Text.assemble((label.ljust(10), "dim"), text), soft_wrap=True)


def _document(
    sweep: SweepDirectory, results: Sequence[RunResult], settings: Sequence[Setting], done: bool
) -> dict[str, Any]:
    best = settings[0]
    return {
        "schema_version": SCHEMA_VERSION,
        "sweep": str(sweep.path),
        "status": "finished" if done else "interrupted",
        "counts": dict(Counter(result.state for result in results)),
        "best": {
            "choices": dict(best.choices),
            "score": best.score,
            "runs": [one.planned.name for one in best.runs],
        },
        "runs": [result.document for result in results],
    }


def _table(settings: Sequence[Setting]) -> Any:
    from rich.table import Table
    from rich.text import Text

    keys = list(dict.fromkeys(key for setting in settings for key in setting.choices))[:MOST_KEYS]
    several = any(len(setting.runs) > 1 for setting in settings)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for key in keys:
        # Its last part: a whole key is wider than its values.
        table.add_column(key.rpartition(".")[2], overflow="fold")
    for title in (*(["seeds"] if several else []), "best loss", "steps", "seconds"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("ended")
    for place, setting in enumerate(settings):
        entries = [run.entry for run in setting.runs]
        steps = [entry.steps for entry in entries if entry.steps is not None]
        seconds = [entry.seconds for entry in entries if entry.seconds is not None]
        ended = Counter(run.state for run in setting.runs)
        cells = [
            *(_value(setting.choices[key]) if key in setting.choices else "" for key in keys),
            *([str(len(setting.runs))] if several else []),
            f"{setting.score:.2e}" if math.isfinite(setting.score) else "",
            f"{max(steps):,}" if steps else "",
            f"{sum(seconds):.1f}" if seconds else "",
            ", ".join(f"{count} {state}" if len(ended) > 1 else state for state, count in ended.items()),
        ]
        table.add_row(*(Text(cell, style="bold" if place == 0 else "") for cell in cells))
    return table


def _value(value: Any) -> str:
    from lmrun.sweep.space import flow

    return f"{value:.4g}" if isinstance(value, float) else flow(value)


def _lines(sweep: SweepDirectory, results: Sequence[RunResult], done: bool) -> list[tuple[str, str]]:
    """What can be typed now."""
    counts = Counter(result.state for result in results)
    found = [("runs", ", ".join(f"{count} {state}" for state, count in counts.most_common()))]
    if not done:
        return [*found, ("continue", f"lmrun sweep {sweep.path}")]
    if counts["failed"]:
        found.append(("again", f"lmrun sweep {sweep.path} --retry"))
    return [
        *found,
        ("table", str(sweep.table)),
        ("compare", f"lmrun compare {sweep.path}"),
        ("list", f"lmrun ls --runs-dir {sweep.path.parent} --tag {sweep.name}"),
    ]
