"""Whether lmrun's memory stays flat: one long training, and many short runs in one process.

    nice -n 15 python -m benchmarks.soak --minutes 60 --runs 1000

Both have a process of their own on one core. Their samples go to `.bench/soak`, the table to docs/soak.md;
`--write` writes the page again from the samples that are there, also while they still grow.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from statistics import median
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks.environments import FOLDER, ROOT
from benchmarks.soaking import BATCHES, FIGURE_EVERY, SHORT

PAGE = ROOT / "docs" / "soak.md"
SAMPLES = FOLDER / "soak"
LIMIT = 0.02
"""The share by which memory may grow."""
WARM_UP = {"hour": 60.0, "runs": 50.0}
"""Seconds of training, or runs, after which everything has been loaded, compiled and allocated once."""
ROWS = 12
"""Of each table."""
MIB = 2**20
TITLES = {"hour": "One training in mini-batches", "runs": "Short runs in one process"}
UNITS = {"hour": "minutes", "runs": "runs"}

INTRODUCTION = """\
# Long soak

Written by `nice -n 15 python -m benchmarks.soak --minutes 60 --runs 1000`; nothing here is typed in.
Resident memory of a process that trains for a long time, and of one that trains many times. The warm-up is
left out: the first {hour:.0f} s of the training, the first {runs:.0f} runs. *Flat*: of what remains,
the median of the second half is at most {limit:.0%} above the median of the first quarter.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Point(NamedTuple):
    """A sample: minutes or runs so far, and bytes of resident memory."""

    at: float
    resident: float


def lines_of(part: str) -> list[dict[str, Any]]:
    """Return what a part has written: the machine first, then samples."""
    path = SAMPLES / f"{part}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def read(part: str) -> list[Point]:
    """Return a part's samples; none where it has not begun."""
    _, *found = lines_of(part) or [{}]
    if part == "hour":
        return [Point(sample["seconds"] / 60, sample["bytes"]) for sample in found]
    return [Point(sample["done"], sample["bytes"]) for sample in found]


def after_warm_up(part: str, points: Sequence[Point]) -> list[Point]:
    """Return the samples that count."""
    start = WARM_UP[part] / (60 if part == "hour" else 1)
    return [point for point in points if point.at > start]


def growth(points: Sequence[Point]) -> float:
    """Return by which share the median of the second half lies above that of the first quarter."""
    resident = [point.resident for point in points]
    before = resident[: max(1, len(resident) // 4)]
    return median(resident[len(resident) // 2 :]) / median(before) - 1


def machine(known: dict[str, Any]) -> str:
    """Say where and when a part began."""
    where = f"{known['processor']}, one core, Python {known['python']}"
    return f"{where}, commit {known['commit']}, {known['started']}.\n"


def section(part: str) -> list[str]:
    """Return a part's table and verdict."""
    points = read(part)
    counted = after_warm_up(part, points)
    lines = [f"\n## {TITLES[part]}\n", machine(lines_of(part)[0])]
    if not counted:
        return [*lines, "No samples yet."]
    if part == "hour":
        lines.append(f"`lmrun train {' '.join(BATCHES)}`, {points[-1].at:.0f} minutes.\n")
    else:
        lines.append(
            f"{points[-1].at:,.0f} runs with a seed each, in turn; after every {FIGURE_EVERY}th a figure is "
            "drawn:\n"
        )
        lines += [f"* `{' '.join(one)}`" for one in SHORT]
        lines.append("")
    share = growth(counted)
    verdict = "flat" if share <= LIMIT else "NOT flat"
    lines += [f"Growth: {share:+.2%}, {verdict}.\n", f"| {UNITS[part]} | MiB |", "|---|---|"]
    step = max(1, len(points) // ROWS)
    lines += [f"| {point.at:.0f} | {point.resident / MIB:.1f} |" for point in points[::step]]
    return lines


def write() -> bool:
    """Write the page from the samples; whether both parts are flat."""
    lines = [INTRODUCTION.format(**WARM_UP, limit=LIMIT)]
    parts = [part for part in TITLES if read(part)]
    for part in parts:
        lines += section(part)
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return all(growth(after_warm_up(part, read(part)) or [Point(0, 1)]) <= LIMIT for part in parts)


def start(part: str, amount: float) -> subprocess.Popen[bytes]:
    """Start a part on one core."""
    SAMPLES.mkdir(parents=True, exist_ok=True)
    file = SAMPLES / f"{part}.jsonl"
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.soaking", part, str(amount), str(file)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )


@app.command()
def main(
    *,
    minutes: Annotated[float, typer.Option(help="Of the long training; 0 for none.")] = 60,
    runs: Annotated[int, typer.Option(help="Short runs; 0 for none.")] = 1000,
    only_write: Annotated[bool, typer.Option("--write", help="Write the page from the samples.")] = False,
) -> None:
    """Soak, and write docs/soak.md; exit code 1 where memory grows."""
    if not only_write:
        amounts = {"hour": 60 * minutes, "runs": runs}
        processes = [start(part, amount) for part, amount in amounts.items() if amount]
        codes = [process.wait() for process in processes]
        if any(codes):
            raise typer.Exit(1)
    if not write():
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
