"""The figure of a race: the lowest error so far against seconds, one panel per problem."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks.entrants import LMRUN, PACKAGES
from benchmarks.problems import PROBLEMS, Problem
from lmrun.plotting.style import COLORS, MARKERS, SOFT, save, styled

GRID = 120
COLUMNS = 2


def middle(curves: list[list[list[float]]], seconds: np.ndarray) -> np.ndarray:
    """Return the median over runs of the lowest error so far [seconds]; infinite before most have one."""
    rows = []
    for curve in curves:
        times, errors = np.asarray(curve, np.float64).T
        index = np.searchsorted(times, seconds, side="right") - 1
        rows.append(np.where(index >= 0, errors[np.maximum(index, 0)], math.inf))
    return np.asarray(np.quantile(rows, 0.5, axis=0, method="inverted_cdf"))


def draw(document: dict[str, Any], output: Path) -> None:
    """Draw all panels and one legend below them."""
    names = list(document["problems"])
    rows = -(-len(names) // COLUMNS)
    with styled():
        figure = Figure(figsize=(9.0, 3.3 * rows + 0.8), layout="constrained")
        panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        lines: dict[str, Any] = {}
        for axes, name in zip(panels, names, strict=False):
            lines |= panel(axes, PROBLEMS[name], document["problems"][name])
        for axes in panels[len(names) :]:
            axes.set_axis_off()
        order = [package for package in PACKAGES if package in lines]
        handles = [lines[package] for package in order]
        figure.legend(handles, order, loc="outside lower center", ncols=3, frameon=False)
        save(figure, output)


def panel(axes: Axes, problem: Problem, results: dict[str, Any]) -> dict[str, Any]:
    """Draw the entrant of each package that has its best settings; return the lines by package."""
    lines: dict[str, Any] = {}
    seconds = np.geomspace(1e-2, results["limit_seconds"], GRID)
    # The first of a peer, the last of lmrun: before its shipped config come the steps of the peers.
    for entrant in [*results["entrants"][::-1][:1], *results["entrants"]]:
        package = entrant["package"]
        runs = [run for run in results["runs"] if run["entrant"] == entrant["name"] and run.get("curve")]
        if not runs or package in lines:
            continue
        until = np.median([run["seconds"] for run in runs])
        errors = middle([run["curve"] for run in runs], seconds)
        shown = np.isfinite(errors) & (seconds <= until)
        index = PACKAGES.index(package)
        (lines[package],) = axes.plot(
            seconds[shown],
            errors[shown],
            color=COLORS[index],
            marker=MARKERS[index],
            markevery=(4 * index % 17, 17),
            linewidth=2.4 if package == LMRUN else 1.4,
            zorder=3 if package == LMRUN else 2,
        )
    for target in problem.targets:
        axes.axhline(problem.error(target), color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set(xscale="log", yscale="log", title=problem.title.partition(",")[0], xlabel="seconds of training")
    axes.set_ylabel("training MSE" if problem.measure == "mse" else "test error")
    if problem.measure == "accuracy":
        axes.set_ylim(0.015, 1.0)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return lines
