"""From the JSON of a race to Markdown and figure: `python -m benchmarks.report FOLDER` writes both again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import figure
from benchmarks.columns import columns
from benchmarks.entrants import ADAM, LMRUN
from benchmarks.problems import PROBLEMS, Problem
from benchmarks.spread import Spread, spread

JSON = "benchmark-peers.json"
MARKDOWN = "benchmark-peers.md"
FIGURE = Path("images") / "benchmark.png"

INTRODUCTION = """\
# lmrun and its peers

Written by `make bench`; nothing here is typed in. Same data and same initial weights for everyone, one
process after the other, the contestants taking turns for each seed. Median (quartiles) over the seeds.
The factor behind it is relative to the best *peer* of the column; for the time of a step, to the fastest
second-order peer whose steps see as many rows.

Seconds are training time: compilation counts, imports, loading and the evaluation of losses do not. lmrun
keeps what it compiles on disk, and a run that finds it there has a short first step: see its column. `> 30`
means that fewer than half of the runs got there in 30 s. A step of SciPy is one Jacobian, of Optimistix one
trial, of the others one update with all its trials. Peak memory is that of the whole process, its packages
included. The packages' settings are the best of those in [tuned.json](../benchmarks/tuned.json).

![Error against seconds, one panel per problem]({figure})
"""


def write_json(document: dict[str, Any], folder: Path) -> None:
    """Write the results."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_text(json.dumps(document) + "\n", encoding="utf-8")


def write(folder: Path) -> None:
    """Write Markdown and figure from the results in the folder."""
    document = json.loads((folder / JSON).read_text(encoding="utf-8"))
    parts = [INTRODUCTION.format(figure=FIGURE.as_posix())]
    for name, results in document["problems"].items():
        parts.append("\n".join(section(PROBLEMS[name], results)))
    parts.append(versions(document))
    (folder / MARKDOWN).write_text("\n".join(parts), encoding="utf-8")
    figure.draw(document, folder / FIGURE)


def read_problems(folder: Path) -> dict[str, Any]:
    """Return the results that are in the folder already, by problem."""
    path = folder / JSON
    problems = json.loads(path.read_text(encoding="utf-8"))["problems"] if path.exists() else {}
    return {name: problems[name] for name in PROBLEMS if name in problems}


def measured_on(results: dict[str, Any]) -> str:
    """Say where, when and how often."""
    machine, memory = results["machine"], results["machine"]["memory_bytes"] / 2**30
    return (
        f"{results['repeats']} seed(s) on {machine['processor']}, {machine['cores']} cores, "
        f"{memory:.0f} GiB, Python {machine['python']}, commit {machine['commit']}, {machine['started']}."
    )


def section(problem: Problem, results: dict[str, Any]) -> list[str]:
    """Return a problem's table, who stopped early, and the floor."""
    shown = columns(problem, results)
    entrants = {entrant["name"]: entrant for entrant in results["entrants"]}
    runs = {name: [run for run in results["runs"] if run["entrant"] == name] for name in entrants}
    spreads: dict[str, list[Spread]] = {}
    for name, all_runs in runs.items():
        done = [run for run in all_runs if "failure" not in run]
        if done:
            spreads[name] = [spread([column.value(run) for run in done]) for column in shown]
    lines = [
        f"## {problem.title}\n",
        f"| | {' | '.join(column.heading for column in shown)} |",
        f"|---|{'---|' * len(shown)}",
    ]
    for name, entrant in entrants.items():
        failures = [run["failure"] for run in runs[name] if "failure" in run]
        if name in spreads:
            cells = []
            for index, column in enumerate(shown):
                best = _best(index, entrant if column.same_rows else None, spreads, entrants)
                best = best if column.compared else None
                cells.append(spreads[name][index].text(column.text, column.limit, best))
            note = f" ({len(failures)} of {len(runs[name])} runs failed: {failures[0]})" if failures else ""
            lines.append(f"| {_label(entrant)}{note} | {' | '.join(cells)} |")
        elif failures:
            lines.append(f"| {_label(entrant)} | failed: {failures[0]} |{' |' * (len(shown) - 1)}")
    return [*lines, "", measured_on(results), "", *remarks(results), *floor(results), *disturbances(results)]


def _best(
    index: int,
    alike: dict[str, Any] | None,
    spreads: dict[str, list[Spread]],
    entrants: dict[str, dict[str, Any]],
) -> float | None:
    """Return the lowest median of the peers; `alike`: of second-order ones with as many rows per step."""
    found = []
    for name, row in spreads.items():
        entrant = entrants[name]
        if entrant["package"] == LMRUN or not row[index].known:
            continue
        comparable = entrant["package"] != ADAM and alike is not None
        if alike is None or (comparable and entrant["rows_per_step"] == alike["rows_per_step"]):
            found.append(row[index].middle)
    return min(found, default=None)


def _label(entrant: dict[str, Any]) -> str:
    return f"**{entrant['name']}**" if entrant["package"] == LMRUN else entrant["name"]


def remarks(results: dict[str, Any]) -> list[str]:
    """Say who stopped before its time."""
    found: dict[str, list[str]] = {}
    for run in results["runs"]:
        if run.get("message"):
            found.setdefault(f"{run['entrant']}: {run['message']}", []).append(str(run["seed"]))
    lines = [f"- {message} (seeds {', '.join(seeds)})" for message, seeds in found.items()]
    return [*lines, ""] if lines else []


def floor(results: dict[str, Any]) -> list[str]:
    """Compare lmrun's steps with the floors of as many rows."""
    measured = [run for run in results["floor"] if "failure" not in run]
    if not measured:
        return [f"The floor of a step was not measured: {run['failure']}." for run in results["floor"][:1]]
    sizes = dict.fromkeys(run["rows"] for run in measured)
    return [
        line for rows in sizes for line in floor_of([run for run in measured if run["rows"] == rows], results)
    ]


def floor_of(measured: list[dict[str, Any]], results: dict[str, Any]) -> list[str]:
    """Compare lmrun's steps with the floor of some rows."""
    parts = {key: spread([run[f"{key}_ms"] for run in measured]).middle for key in ("loss", "syrk", "potrf")}
    total = sum(parts.values())
    first = measured[0]
    lines = [
        f"Floor of a step ({first['rows']:,} x {first['parameters']:,}, {first['dtype']}, 2 threads): loss "
        f"{parts['loss']:.2f} + syrk {parts['syrk']:.2f} + potrf {parts['potrf']:.2f} = {total:.2f} ms."
    ]
    for entrant in results["entrants"]:
        name = entrant["name"]
        steps = [run.get("step_seconds") for run in results["runs"] if run["entrant"] == name]
        middle = spread([None if step is None else 1e3 * step for step in steps])
        same = entrant["rows_per_step"] == first["rows"]
        if entrant["package"] == LMRUN and middle.known and same:
            ratio = middle.middle / total
            lines.append(f"A step of {name} takes {middle.middle:.2f} ms: {ratio:.2f} floors.")
    return [" ".join(lines), ""]


def disturbances(results: dict[str, Any]) -> list[str]:
    """Say how busy the machine was besides."""
    others = [run["others"] for run in results["runs"] if "others" in run]
    if not others:
        return []
    return [
        f"Meanwhile other processes used {median(others):.2f} cores, {max(others):.2f} in the worst run.\n"
    ]


def versions(document: dict[str, Any]) -> str:
    """List the packages' versions."""
    found: dict[str, set[str]] = {}
    for results in document["problems"].values():
        for run in results["runs"]:
            for name, version in run.get("versions", {}).items():
                found.setdefault(name, set()).add(version)
    listed = (f"{name} {', '.join(sorted(numbers))}" for name, numbers in sorted(found.items()))
    return f"Versions: {'; '.join(listed)}.\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
