"""`lmrun show`: everything about one run, once or while it trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from lmrun.cli.choosing import AsJson, Run, RunsDir
from lmrun.cli.parameters import effective_lines, parameter_parts
from lmrun.training.progress_text import sparkline

if TYPE_CHECKING:
    from lmrun.runs.layout import RunDirectory
    from lmrun.runs.listing import Entry

Part = TypeVar("Part")
SCHEMA_VERSION = 1
LOOK_SECONDS = 0.5
WIDTH = 60
"""Of a sparkline."""


def show(
    run: Run,
    runs_dir: RunsDir = Path("runs"),
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Watch a running run until it ends.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a run: how it ended, its config, its loss, its files, and how to go on."""
    from lmrun.runs.facts import config_text, documents
    from lmrun.runs.listing import read_entry
    from lmrun.runs.remove import find_any

    found = find_any(run, runs_dir)
    if follow:
        _follow(found)
    entry = read_entry(found, thorough=True)
    if as_json:
        from lmrun.runs.files import to_json

        typer.echo(
            to_json({"schema_version": SCHEMA_VERSION, **entry.document, **documents(found)}), nl=False
        )
        return
    from rich.console import Console
    from rich.syntax import Syntax
    from rich.text import Text

    console = Console(highlight=False)
    lines = list(_lines(entry))
    width = max(len(label) for label, _ in lines) + 2
    # The config first: what a reader came for stands last, where the terminal still shows it.
    text = config_text(found)
    if text:
        console.print(Syntax(text, "yaml", theme="ansi_light", background_color="default", word_wrap=True))
        console.print()
    console.print(Text(found.name, style="bold"), soft_wrap=True)
    for label, text in lines:
        console.print(Text.assemble((label.ljust(width), "dim"), text), soft_wrap=True)
    fit = (documents(found)["summary"] or {}).get("fit")
    for part in _read_back(lambda: parameter_parts(fit), lambda words: words, found):
        console.print(part, soft_wrap=isinstance(part, str))


def _read_back(
    make: Callable[[], Iterable[Part]], told: Callable[[str], Part], run: RunDirectory
) -> list[Part]:
    """Return what is made of a summary, or in its place that somebody has edited it into another shape."""
    try:
        return list(make())
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        words = f"{run.summary} is damaged: what the fit says has another shape ({error!r})."
        return [told(f"{words} Restore it, or train again.")]


def _lines(entry: Entry) -> Iterator[tuple[str, str]]:
    """Label and text of each line; what does not apply is left out."""
    from lmrun.runs.facts import documents, facts
    from lmrun.runs.remove import sizes

    yield from facts(entry)
    losses = _losses(entry.run)
    if losses:
        yield "loss", f"{losses[0]:.4g} {sparkline(losses, WIDTH)} {losses[-1]:.4g}"
    summary = documents(entry.run)["summary"] or {}
    yield from _read_back(lambda: effective_lines(summary), lambda words: ("fit", words), entry.run)
    for path, size in sizes(entry.run):
        yield "file", f"{path}  {size / 1e3:,.1f} kB"
    yield from _next(entry)


def _next(entry: Entry) -> Iterator[tuple[str, str]]:
    """What can be typed now."""
    path = entry.run.path
    match entry.state:
        case "running":
            yield "watch", f"lmrun show --follow {path}"
        case "stopped" | "interrupted":
            yield "resume", f"lmrun train --resume {path}"
        case "damaged":
            if any(entry.run.checkpoints.glob("*")):
                yield "mend", f"lmrun train --resume {path}"
            yield "remove", f"lmrun rm {path}"
        case _:
            yield "plot", f"lmrun plot {path}"
            yield "again", f"lmrun train {entry.run.config}"


def _losses(run: RunDirectory) -> list[float]:
    from lmrun.errors import RunDirectoryError
    from lmrun.runs.metrics import read_metrics

    try:
        table = read_metrics(run)
    except RunDirectoryError:
        # The entry says so where the columns are others, `plot` and `compare` where a row is damaged.
        return []
    return [float(loss) for loss in table["loss"].dropna()]


def _follow(run: RunDirectory) -> None:
    """Show the newest row, again and again, until no process trains the run."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from lmrun.runs.listing import RUNNING, read_entry

    console = Console(stderr=True, highlight=False)
    seen: list[float] = []
    with Live(console=console, transient=True, refresh_per_second=4) as live:
        while (entry := read_entry(run)).state == RUNNING:
            if entry.loss is not None and entry.steps is not None and entry.seconds is not None:
                seen.append(entry.loss)
                live.update(
                    Text(
                        f"{run.name}  step {entry.steps:,}  {entry.seconds:.1f} s  loss {entry.loss:.4e}  "
                        f"{sparkline(seen[-600:], 30)}"
                    )
                )
            time.sleep(LOOK_SECONDS)
