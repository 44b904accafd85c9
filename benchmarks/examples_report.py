"""From the JSON of the examples to Markdown; `python -m benchmarks.examples_report FOLDER` does it again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.columns import Column, percent, plain, scientific
from benchmarks.entrants import LMRUN
from benchmarks.example_scripts import EXAMPLES, FOLDER, Example, Script, count_lines
from benchmarks.report import disturbances, measured_on, versions
from benchmarks.spread import spread

JSON = "benchmark-examples.json"
MARKDOWN = "benchmark-examples.md"

INTRODUCTION = """\
# The example scripts of two packages

Written by `python -m benchmarks.examples`; nothing here is typed in. The sinc and MNIST examples of
tf-levenberg-marquardt and torch-levenberg-marquardt with the settings of their scripts, and the same with
lmrun's Python API: [sinc_fit.py](examples/sinc_fit.py), [mnist.py](examples/mnist.py). Everyone has the same
rows and the same initial weights, each run is a process of its own, and the scripts take turns for each seed.
Median (quartiles) over the seeds.

Published are {published}. A script ends with its epochs, where it has
the best published result, or where its time is over; `> 60` means that fewer than half of the runs got there
by then. The packages are measured at every step, or every 2 % of the time, with the clock stopped, and their
best value counts. lmrun is measured once, at the end of its script, and only then has it got there; its
seconds are those of the whole call of `lmrun.fit`. Seconds count compilation, but no imports and no loading
of data; the whole process counts everything except the measuring. `lines` are those of a script that are
neither empty nor a comment; behind it, of the packages, those that Levenberg-Marquardt alone needs, without
Adam, clocks and drawing, and formatted like lmrun's.

lmrun's settings were chosen by these measures, too, on other seeds than those raced.
"""


def read(folder: Path) -> dict[str, Any]:
    """Return the results that are in the folder, by example."""
    path = folder / JSON
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: found[name] for name in EXAMPLES if name in found}


def write_json(document: dict[str, Any], folder: Path) -> None:
    """Write the results."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def write(folder: Path) -> None:
    """Write the Markdown from the results in the folder."""
    document = read(folder)
    parts = [INTRODUCTION.format(published=published())]
    parts += ["\n".join(section(name, EXAMPLES[name], results)) for name, results in document.items()]
    parts.append(versions({"problems": document}))
    (folder / MARKDOWN).write_text("\n".join(parts), encoding="utf-8")


def value(example: Example, error: float) -> str:
    """Write an error as its package does: the loss, or the share of test images that are right."""
    return scientific(error) if example.problem.measure == "mse" else percent(1 - error)


def goal(example: Example, target: float) -> str:
    """Write a published result in full."""
    return f"{target:.3g}".replace("e-0", "e-") if example.problem.measure == "mse" else percent(target)


def published() -> str:
    """Say what the packages' authors publish."""
    torch, tensorflow = (
        " and ".join(goal(example, example.problem.targets[place]) for example in EXAMPLES.values())
        for place in (0, 1)
    )
    return f"{tensorflow} (tf-levenberg-marquardt) and {torch} (torch-levenberg-marquardt)"


def columns(example: Example, results: dict[str, Any]) -> list[Column]:
    """Return the columns that are measured."""
    limit, problem = results["limit_seconds"], example.problem
    last = str(problem.targets[-1])
    made = [
        Column(
            f"s to {goal(example, target)}",
            lambda run, key=str(target): run["seconds_to"][key],  # type: ignore[misc]
            plain,
            limit,
        )
        for target in problem.targets
    ]

    def compiled(run: dict[str, Any]) -> float | None:
        seconds = run["seconds_to"][last]
        return None if seconds is None else max(0.0, seconds - (run["compile_seconds"] or 0.0))

    return [
        *made,
        Column("the same without compilation", compiled, plain, limit),
        Column(
            "lowest loss" if problem.measure == "mse" else "test accuracy",
            lambda run: run["final_error"],
            lambda error: value(example, error),
        ),
        Column("steps", lambda run: run["steps"], lambda count: f"{count:,.0f}"),
        Column("s in all", lambda run: run["seconds"], plain),
        Column("whole process, s", lambda run: run["process_seconds"], plain),
    ]


def lines(name: str, script: Script) -> str:
    """Write how many lines a script has."""
    if script.lines is None:
        return str(count_lines((FOLDER / f"{name}.py").read_text(encoding="utf-8")))
    return f"{script.lines} ({script.lines_alone})"


def section(name: str, example: Example, results: dict[str, Any]) -> list[str]:
    """Return an example's table, and what happened besides."""
    shown = columns(example, results)
    made = [
        f"## {example.problem.title}\n",
        f"| script | {' | '.join(column.heading for column in shown)} | lines |",
        f"|---|{'---|' * (len(shown) + 1)}",
    ]
    messages: list[str] = []
    for script in example.scripts:
        package = script.entrant.package
        runs = [run for run in results["runs"] if run["package"] == package]
        done = [run for run in runs if "failure" not in run]
        title = f"**{package}**" if package == LMRUN else package
        cells = [
            spread([column.value(run) for run in done]).text(column.text, column.limit, None) if done else "–"
            for column in shown
        ]
        made.append(f"| {title}: {script.settings} | {' | '.join(cells)} | {lines(name, script)} |")
        messages += [
            f"- {package}, seed {run['seed']}: failed: {run['failure']}" for run in runs if "failure" in run
        ]
        messages += [f"- {package}, seed {run['seed']}: {run['message']}" for run in done if run["message"]]
    wanted = example.repeats * len(example.scripts)
    if len(results["runs"]) < wanted:
        messages.append(f"- Only {len(results['runs'])} of {wanted} runs have been made so far.")
    repeats = max(sum(run["package"] == LMRUN for run in results["runs"]), 1)
    return [
        *made,
        "",
        *messages,
        *([""] if messages else []),
        measured_on({**results, "repeats": repeats}),
        "",
        *disturbances(results),
    ]


if __name__ == "__main__":
    write(Path(sys.argv[1]))
