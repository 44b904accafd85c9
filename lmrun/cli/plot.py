"""`lmrun plot`: figures of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmrun.cli.choosing import RunsDir, RunsOrComparison
from lmrun.config.suggest import did_you_mean
from lmrun.errors import UsageError

if TYPE_CHECKING:
    from lmrun.compare.document import ComparisonDirectory
    from lmrun.compare.groups import Group
    from lmrun.runs.layout import RunDirectory


Draw = Callable[["Sequence[RunDirectory]", Path | None], Path]


def _loss(runs: Sequence[RunDirectory], output: Path | None) -> Path:
    """Every run by itself; median and quartiles where all have ended and some are seeds of one config."""
    alone = runs[0].loss_plot
    output = output or (alone if len(runs) == 1 else Path(alone.name))
    if len(runs) > 1 and all(run.summary.is_file() for run in runs):
        from lmrun.compare.groups import group
        from lmrun.compare.results import read_result

        groups = group([read_result(run) for run in runs])
        # Repetitions of a seed are drawn one by one.
        if len(groups) < len(runs) == sum(len(member.results) for member in groups):
            return _medians(groups, output)
    from lmrun.plotting.loss import plot_loss

    return plot_loss(runs, output)


def _medians(groups: Sequence[Group], output: Path) -> Path:
    from lmrun.compare.groups import title
    from lmrun.plotting.groups import plot_groups

    return plot_groups(groups, output, title(groups))


def _comparison(stored: ComparisonDirectory, kind: str, output: Path | None) -> Path:
    from lmrun.compare.document import read_comparison, stored_groups

    if kind != "loss":
        raise UsageError(f"--kind {kind} draws one run, not a comparison; name one of its runs.")
    groups, missing = stored_groups(stored, read_comparison(stored))
    for sentence in missing:
        typer.echo(sentence, err=True)
    if missing and output is None:
        raise UsageError(
            f"Not all runs of {stored.path} are left: its figure {stored.figure.name} stays as it is. "
            "Draw what is left with -o FILE."
        )
    return _medians(groups, output or stored.figure)


def _damping(runs: Sequence[RunDirectory], output: Path | None) -> Path:
    from lmrun.plotting.damping import plot_damping

    run = _alone(runs, "damping")
    return plot_damping(run, output or run.plot("damping"))


def _of_model(kind: str, module: str) -> Draw:
    """Return what draws a figure for which the model is loaded: `plot_KIND` of a module of `plotting`."""

    def draw(runs: Sequence[RunDirectory], output: Path | None) -> Path:
        from importlib import import_module

        from lmrun.cli.plotted import fitted
        from lmrun.plotting.style import check_format

        run = _alone(runs, kind)
        output = output or run.plot(kind)
        # Before the model is loaded, which takes a while.
        check_format(output)
        drawn: Path = getattr(import_module(f"lmrun.plotting.{module}"), f"plot_{kind}")(fitted(run), output)
        return drawn

    return draw


def _alone(runs: Sequence[RunDirectory], kind: str) -> RunDirectory:
    if len(runs) > 1:
        raise UsageError(f"--kind {kind} draws one run, not {len(runs)}.")
    return runs[0]


KINDS: dict[str, Draw] = {
    "loss": _loss,
    "damping": _damping,
    "fit": _of_model("fit", "fit"),
    "residuals": _of_model("residuals", "residuals"),
    "confusion": _of_model("confusion", "classes"),
    "roc": _of_model("roc", "roc"),
    "filters": _of_model("filters", "filters"),
}
"""What can be drawn: each takes the runs and the output, None for its default, and returns where it drew."""


def plot(
    runs: RunsOrComparison,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="PNG, SVG or PDF. Left out: plots/KIND.png of the run; for several runs, ./loss.png.",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    kind: Annotated[str, typer.Option(help=f"What to draw: {', '.join(KINDS)}.")] = "loss",
) -> None:
    """Draw runs, several in one figure, or a stored comparison, and print the path of the figure."""
    from lmrun.cli.swept import with_runs_of_sweeps
    from lmrun.compare.document import find_comparison
    from lmrun.runs.find import find_run

    if kind not in KINDS:
        raise UsageError(f"There is no figure '{kind}'.{did_you_mean(kind, KINDS)}")
    stored = find_comparison(runs[0], runs_dir) if len(runs) == 1 else None
    if stored is not None:
        typer.echo(_comparison(stored, kind, output))
        return
    names = with_runs_of_sweeps(runs, runs_dir)
    typer.echo(KINDS[kind]([find_run(run, runs_dir) for run in names], output))
