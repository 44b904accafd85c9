"""From runs, or a comparison of them, to a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lmrun.compare.groups import Group, differences, flattened, title, written
from lmrun.errors import RunDirectoryError
from lmrun.report.charts import Chart, damping_chart, loss_chart
from lmrun.report.page import Page, RunSection, Table
from lmrun.report.traces import Trace, read_trace
from lmrun.runs.facts import Fact, config_text, documents, facts
from lmrun.runs.layout import RunDirectory
from lmrun.runs.listing import read_entry


def page_of_run(run: RunDirectory, fits: Sequence[Chart], warnings: Sequence[str]) -> Page:
    """Return the page of a single run, which may still train.

    Args:
        run: The run.
        fits: The charts of its fit.
        warnings: Why there are none, for example.
    """
    entry = read_entry(run)
    seed = None if entry.seed is None else f"seed {entry.seed}"
    label = " · ".join(word for word in (entry.dataset, entry.optimizer, seed) if word)
    summary = documents(run)["summary"] or {}
    lead = str(summary.get("message") or f"This run is {entry.state}.")
    problems = [entry.problem] if entry.problem else []
    charts, failures = curves([(run, "", 0)], [""])
    return Page(label or run.name, lead, [*charts, *fits], [section(run)], [*problems, *failures, *warnings])


def page_of_groups(
    groups: Sequence[Group], document: Mapping[str, Any], fits: Sequence[Chart], warnings: Sequence[str]
) -> Page:
    """Return the page of a comparison.

    Args:
        groups: What is compared.
        document: See `compare.document`.
        fits: The charts of the best fit of each group.
        warnings: Why some are missing, for example.
    """
    named = [
        (
            result.run,
            f"{member.label}, seed {result.seed}" if len(member.results) > 1 else member.label,
            place,
        )
        for place, member in enumerate(groups)
        for result in member.results
    ]
    labels = [member.label for member in groups]
    charts, failures = curves(named, labels)
    measures = Table(labels, [(row["name"], row["texts"], row["best"]) for row in document["table"]])
    return Page(
        title=title(groups),
        lead=str(document["verdict"]["text"]),
        charts=[*charts, *fits],
        runs=[section(run) for run, _, _ in named],
        warnings=[*document["warnings"], *failures, *warnings],
        measures=measures,
        differences=differing(groups),
    )


def curves(
    runs: Sequence[tuple[RunDirectory, str, int]], labels: Sequence[str]
) -> tuple[list[Chart], list[str]]:
    """Return the charts of what runs wrote, and a sentence for each run whose rows cannot be drawn."""
    traces: list[Trace] = []
    failures: list[str] = []
    for run, label, place in runs:
        try:
            trace = read_trace(run, label, place)
        except RunDirectoryError as error:
            failures.append(str(error))
            continue
        if not np.isnan(trace["loss"]).all():
            traces.append(trace)
        else:
            failures.append(f"The run {run.name} has no finite loss to draw.")
    if not traces:
        return [], failures
    damping = damping_chart(traces)
    return [loss_chart(traces, labels), *([damping] if damping else [])], failures


def differing(groups: Sequence[Group]) -> Table | None:
    """Return the settings in which the configs of groups differ; None where they do not."""
    rows = [(key, texts, None) for key, texts in differences(groups)]
    return Table([member.label for member in groups], rows) if rows else None


def section(run: RunDirectory) -> RunSection:
    """Return what the page says of a run; files that cannot be read are left out."""
    manifest = documents(run)["manifest"] or {}
    came: list[Fact] = [(key, written(value)) for key, value in flattened(manifest) if value is not None]
    return RunSection(run.name, list(facts(read_entry(run))), config_text(run), came)
