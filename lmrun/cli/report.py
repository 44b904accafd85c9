"""`lmrun report`: one HTML page about a run or a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmrun.cli.choosing import RunsDir, RunsOrComparison
from lmrun.errors import LmrunError

if TYPE_CHECKING:
    from lmrun.compare.groups import Group
    from lmrun.report.charts import Chart
    from lmrun.report.page import Page
    from lmrun.runs.layout import RunDirectory


def report(
    runs: RunsOrComparison,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.html",
            help="Left out: report.html of the run, or comparison.html of several, here or where it is kept.",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Write one HTML page about a run, runs or a stored comparison, and print its path."""
    from lmrun.compare.document import find_comparison
    from lmrun.report.page import check_ending, write

    if output is not None:
        check_ending(output)
    stored = find_comparison(runs[0], runs_dir) if len(runs) == 1 else None
    if stored is not None:
        from lmrun.compare.document import read_comparison, stored_groups

        document = read_comparison(stored)
        groups, missing = stored_groups(stored, document)
        page, place = _of_groups(groups, document, missing), stored.report
    else:
        from lmrun.cli.swept import with_runs_of_sweeps

        page, place = _of_runs(with_runs_of_sweeps(runs, runs_dir), runs_dir)
    typer.echo(write(page, output or place))


def _of_runs(names: Sequence[str], runs_dir: Path) -> tuple[Page, Path]:
    from lmrun.runs.find import find_run
    from lmrun.runs.remove import find_any

    if len(names) == 1:
        from lmrun.report.compose import page_of_run

        run = find_any(names[0], runs_dir)
        charts, failures = _fits([(run, "")])
        return page_of_run(run, charts, failures), run.report
    from lmrun.compare.document import ComparisonDirectory, compare
    from lmrun.compare.results import read_result

    compared = compare([read_result(find_run(name, runs_dir)) for name in names], names)
    # The page of several runs belongs to none of them.
    here = ComparisonDirectory(Path())
    return _of_groups(compared.groups, compared.document, ()), here.report


def _of_groups(groups: Sequence[Group], document: Mapping[str, Any], missing: Sequence[str]) -> Page:
    from lmrun.report.compose import page_of_groups

    best = [min(member.results, key=lambda result: result.best_loss) for member in groups]
    labels = [f"{member.label}, seed {one.seed}" for member, one in zip(groups, best, strict=True)]
    charts, failures = _fits([(one.run, label) for one, label in zip(best, labels, strict=True)])
    return page_of_groups(groups, document, charts, [*missing, *failures])


def _fits(runs: Sequence[tuple[RunDirectory, str]]) -> tuple[list[Chart], list[str]]:
    """The charts of fits, and for each that cannot be drawn the reason: the rest is worth a page."""
    from lmrun.cli.plotted import fitted
    from lmrun.report.fits import fit_chart

    charts, failures = [], []
    for place, (run, label) in enumerate(runs):
        try:
            charts.append(fit_chart(fitted(run), f"fit-{place + 1}", label))
        except LmrunError as error:
            failures.append(f"No fit of {run.name} is drawn. {error}")
    return charts, failures
