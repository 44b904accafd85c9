"""`lmrun tag` and `lmrun note`: say something of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lmrun.cli.choosing import Run, RunsDir


def tag(
    run: Run,
    tags: Annotated[
        list[str] | None, typer.Argument(metavar="[TAG]...", help="Tags to add.", show_default=False)
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="A tag to remove; may be repeated.", show_default=False)
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Tag a run; without tags, print those it has."""
    from lmrun.runs.find import find_run
    from lmrun.runs.labels import read_labels, write_labels

    found = find_run(run, runs_dir)
    labels = read_labels(found).with_tags(tags or ()).without_tags(remove or ())
    if tags or remove:
        write_labels(found, labels)
    typer.echo(" ".join(labels.tags) or f"{found.name} has no tags.", err=not labels.tags)


def note(
    run: Run,
    text: Annotated[str | None, typer.Argument(help='The note; "" removes it.', show_default=False)] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Write a note to a run, in place of the one it has; without a text, print that."""
    from lmrun.runs.find import find_run
    from lmrun.runs.labels import read_labels, write_labels

    found = find_run(run, runs_dir)
    labels = read_labels(found)
    if text is not None:
        labels = replace(labels, note=text.strip())
        write_labels(found, labels)
    typer.echo(labels.note or f"{found.name} has no note.", err=not labels.note)
