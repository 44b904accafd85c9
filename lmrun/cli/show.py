"""`lmrun show`: everything about one run, once or while it trains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmrun.cli.choosing import AsJson, Run, RunsDir
from lmrun.cli.parameters import effective_line, show_parameters
from lmrun.cli.sparkline import sparkline

if TYPE_CHECKING:
    from lmrun.runs.layout import RunDirectory
    from lmrun.runs.listing import Entry

SCHEMA_VERSION = 1
LOOK_SECONDS = 0.5


def show(
    run: Run,
    runs_dir: RunsDir = Path("runs"),
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Watch a running run until it ends.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a run: how it ended, its config, its loss, its files, and how to go on."""
    from lmrun.runs.listing import read_entry
    from lmrun.runs.remove import find_any

    found = find_any(run, runs_dir)
    if follow:
        _follow(found)
    entry = read_entry(found)
    if as_json:
        from lmrun.runs.files import to_json

        typer.echo(
            to_json({"schema_version": SCHEMA_VERSION, **entry.document, **_documents(entry)}), nl=False
        )
        return
    from rich.console import Console
    from rich.syntax import Syntax
    from rich.text import Text

    console = Console(highlight=False)
    lines = list(_lines(entry))
    width = max(len(label) for label, _ in lines) + 2
    console.print(Text(found.name, style="bold"), soft_wrap=True)
    for label, text in lines:
        console.print(Text.assemble((label.ljust(width), "dim"), text), soft_wrap=True)
    show_parameters((_documents(entry)["summary"] or {}).get("fit"), console)
    text = _config_text(found)
    if text:
        console.print()
        console.print(Syntax(text, "yaml", theme="ansi_light", background_color="default", word_wrap=True))


def _config_text(run: RunDirectory) -> str:
    """The config as it is; nothing where it cannot be read, which the entry says already."""
    try:
        return run.config.read_text(encoding="utf-8", errors="replace").rstrip()
    except OSError:
        return ""


def _lines(entry: Entry) -> Iterator[tuple[str, str]]:
    """Label and text of each line; what does not apply is left out."""
    from lmrun.runs.listing import numbers
    from lmrun.runs.remove import sizes

    run, documents = entry.run, _documents(entry)
    summary, manifest = documents["summary"] or {}, documents["manifest"] or {}
    yield "status", entry.state
    for label, text in (
        ("problem", entry.problem),
        ("", str(summary.get("message") or "")),
        ("tags", " ".join(entry.labels.tags)),
        ("note", entry.labels.note),
    ):
        if text:
            yield label, text
    losses = _losses(run)
    if losses:
        yield "loss", f"{losses[0]:.4g} {sparkline(losses)} {losses[-1]:.4g}"
    if entry.best_loss is not None:
        yield "best loss", f"{entry.best_loss:.6g}"
    for name, value in entry.test.items():
        yield f"test {name}", f"{value:.6g}"
    if entry.steps is not None and entry.seconds is not None:
        yield "steps", f"{entry.steps:,} in {entry.seconds:.2f} s"
    if not summary.get("fit"):
        for name, value in numbers(summary.get("params")).items():
            yield name, f"{value:.12g}"
    yield from effective_line(summary.get("fit"))
    for name in ("started", "finished"):
        if manifest.get(name):
            yield name, f"{str(manifest[name])[:19].replace('T', ' ')} UTC"
    versions = manifest.get("versions")
    if isinstance(versions, dict):
        yield "versions", ", ".join(f"{name} {value}" for name, value in versions.items() if value)
    for path, size in sizes(run):
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
        # The entry of a run with such a file says so; the rest of it is worth showing.
        return []
    return [float(loss) for loss in table["loss"].dropna()]


def _documents(entry: Entry) -> dict[str, Any]:
    """The JSON files of a run, None for what cannot be read, and the names of all files."""
    from lmrun.errors import RunDirectoryError
    from lmrun.runs.files import read_json

    run = entry.run
    found: dict[str, Any] = {}
    for name, path in (("summary", run.summary), ("manifest", run.manifest)):
        try:
            found[name] = read_json(path) if path.is_file() else None
        except RunDirectoryError:
            found[name] = None
    return found


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
