"""The page docs/scaling.md: what `benchmarks.distribution` measured, and the model made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import nnls

from lmrun.plotting.style import COLORS, MARKERS, save, styled

PAGE, FIGURE = Path("docs/scaling.md"), Path("docs/images/scaling.png")
TEMPLATE = Path(__file__).with_suffix(".md")
WORKERS = tuple(2**power for power in range(11))
ROWS = (10**6, 10**8)
NUMBER = 8
"""Bytes of a float64."""
ALONG = 3
"""Numbers that go along with every sum."""


class Link(NamedTuple):
    """An all-reduce of b bytes by w workers takes call + 2 (w - 1) hop + 2 (w - 1) / w b byte, in seconds."""

    call: float
    hop: float
    byte: float

    def seconds(self, numbers: float, workers: int) -> float:
        """Return the time of an all-reduce; a single worker needs none."""
        if workers == 1:
            return 0.0
        hops, share = 2 * (workers - 1), 2 * (workers - 1) / workers
        return self.call + hops * self.hop + share * numbers * NUMBER * self.byte


def fitted(measured: dict[str, dict[str, float]]) -> tuple[Link, float]:
    """Fit the link to measured times, each by its own size; with the largest relative error."""
    rows, seconds = [], []
    for workers, times in measured.items():
        count = int(workers)
        for numbers, time in times.items():
            sent = int(numbers) + ALONG
            rows.append([1.0, 2 * (count - 1), 2 * (count - 1) / count * sent * NUMBER])
            seconds.append(time)
    table, times = np.array(rows), np.array(seconds)
    scale = np.max(np.abs(table), axis=0)
    found, _ = nnls(table / scale / times[:, None], np.ones(len(times)))
    link = Link(*(found / scale))
    return link, float(np.max(np.abs(table @ np.array(link) / times - 1)))


def step_seconds(part: dict[str, Any], link: Link, rows: int, workers: int) -> float:
    """Return the model's time of a step with one attempt: linearization, bend, and the loss of the trial."""
    n = part["parameters"]
    sums = (n * (n + 1) / 2 + n + 2, n, 1)
    moved = sum(link.seconds(numbers + ALONG, workers) for numbers in sums)
    return float(part["row"] * rows / workers + part["fixed"] + moved)


def draw(parts: Sequence[dict[str, Any]], link: Link) -> None:
    """Draw the time per step against the number of workers."""
    with styled():
        figure = Figure(figsize=(8.0, 3.6), layout="constrained")
        panels = figure.subplots(1, len(parts), squeeze=False)[0]
        for axes, part in zip(panels, parts, strict=True):
            for rows, color, marker in zip(ROWS, COLORS, MARKERS, strict=False):
                seconds = [step_seconds(part, link, rows, workers) for workers in WORKERS]
                axes.loglog(WORKERS, seconds, color=color, marker=marker, label=f"{rows:,} rows")
                ideal = [seconds[0] / workers for workers in WORKERS]
                axes.loglog(WORKERS, ideal, color=color, linestyle=":", linewidth=1)
            axes.set(title=part["title"], xlabel="workers", ylabel="seconds per step")
            axes.legend(frameon=False)
        save(figure, FIGURE)


def model_table(parts: Sequence[dict[str, Any]], link: Link) -> str:
    """Write the model's times and speed-ups."""
    columns = [(part, rows) for part in parts for rows in ROWS]
    heads = [f"{part['title'].split(',')[0]}, {rows:,} rows" for part, rows in columns]
    lines = [f"| workers | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    first = [step_seconds(part, link, rows, 1) for part, rows in columns]
    for workers in WORKERS:
        cells = []
        for (part, rows), alone in zip(columns, first, strict=True):
            seconds = step_seconds(part, link, rows, workers)
            cells.append(f"{1e3 * seconds:,.1f} ms (×{alone / seconds:,.1f})")
        lines.append(f"| {workers:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def steps_table(steps: Sequence[dict[str, Any]]) -> str:
    """Write how far apart the losses are."""
    lines = [
        "| problem | steps | loss before | 2 workers | 4 workers | one process on one core "
        "| numbers per step | n² + n |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case in steps:
        n, apart = case["parameters"], case["apart"]
        far = " | ".join(f"{each:.1e}" for each in (apart["2"], apart["4"], case["apart_by_cores"]))
        head = f"{case['title']} | {case['steps']} | {case['first_loss']:.2g}"
        lines.append(f"| {head} | {far} | {case['numbers']:,.0f} | {n * n + n:,} |")
    return "\n".join(lines)


def sums_table(cases: Sequence[dict[str, Any]]) -> str:
    """Write what reproducible sums cost."""
    lines = [
        "| problem | rows | a step with plain sums | with reproducible ones | times |",
        "|---|---|---|---|---|",
    ]
    for case in cases:
        plain, exact = case["plain"], case["reproducible"]
        times = f"{1e3 * plain:.2f} ms | {1e3 * exact:.2f} ms | {exact / plain:.2f}"
        lines.append(f"| {case['title']} | {case['rows']:,} | {times} |")
    return "\n".join(lines)


def lost_table(lost: Sequence[dict[str, Any]]) -> str:
    """Write what became of runs that lost a worker."""
    lines = [
        "| killed | the other ends after | with exit code | goes on from step | apart from a whole run |",
        "|---|---|---|---|---|",
    ]
    for case in lost:
        words = "the first worker, which has the run" if case["victim"] == 0 else "the second worker"
        ended = f"{case['seconds']:.1f} s | {case['exit_code']}"
        lines.append(f"| {words} | {ended} | {case['step']} | {case['apart']:.0e} |")
    return "\n".join(lines)


def write(results: dict[str, Any]) -> None:
    """Write the page and its figure."""
    link, error = fitted(results["all_reduces"])
    parts = results["parts"]
    draw(parts, link)
    measured = "\n".join(
        f"| {part['title']} | {1e9 * part['row']:,.0f} ns | {1e3 * part['fixed']:.2f} ms |" for part in parts
    )
    sums = "\n".join(
        f"| {int(size):,} | "
        + " | ".join(f"{1e3 * results['all_reduces'][workers][size]:.2f} ms" for workers in ("2", "4"))
        + " |"
        for size in results["all_reduces"]["2"]
    )
    PAGE.write_text(
        TEMPLATE.read_text(encoding="utf-8").format(
            steps=steps_table(results["steps"]),
            reproducible=steps_table(results["reproducible"]),
            cost=sums_table(results["sums"]),
            lost=lost_table(results["lost"]),
            parts=measured,
            sums=sums,
            call=1e3 * link.call,
            hop=1e6 * link.hop,
            gigabytes=1e-9 / link.byte if link.byte else float("inf"),
            error=100 * error,
            model=model_table(parts, link),
        ),
        encoding="utf-8",
    )
