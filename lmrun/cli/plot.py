"""`lmrun plot`: figures of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmrun.cli.choosing import Runs, RunsDir
from lmrun.config.suggest import did_you_mean
from lmrun.errors import UsageError

if TYPE_CHECKING:
    from lmrun.runs.layout import RunDirectory


def _loss(runs: Sequence[RunDirectory], output: Path | None) -> Path:
    from lmrun.plotting.loss import plot_loss

    alone = runs[0].loss_plot
    return plot_loss(runs, output or (alone if len(runs) == 1 else Path(alone.name)))


KINDS: dict[str, Callable[[Sequence[RunDirectory], Path | None], Path]] = {"loss": _loss}
"""What can be drawn: each takes the runs and the output, None for its default, and returns where it drew."""


def plot(
    runs: Runs,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="PNG, SVG or PDF. Left out: the run's plots/loss.png; for several runs, ./loss.png.",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    kind: Annotated[str, typer.Option(help=f"What to draw: {', '.join(KINDS)}.")] = "loss",
) -> None:
    """Draw runs, several in one figure, and print the path of the figure."""
    from lmrun.runs.find import find_run

    if kind not in KINDS:
        raise UsageError(f"There is no figure '{kind}'.{did_you_mean(kind, KINDS)}")
    typer.echo(KINDS[kind]([find_run(run, runs_dir) for run in runs], output))
