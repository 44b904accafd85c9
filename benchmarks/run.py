"""Race lmrun against its peers: `make bench`, or `python -m benchmarks.run --help`.

Every contestant trains from the same weights on the same rows, each run in a process of its own, one after
the other: all contestants of a problem take turns for each seed, so that a slow minute of the machine hits
them all. Writes JSON with everything measured, Markdown and a figure made from the JSON.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import environments, report
from benchmarks.launch import WorkerFailedError, end_workers_with_me
from benchmarks.problems import PROBLEMS, Problem
from benchmarks.race import Race

DOCS = environments.ROOT / "docs"
QUICK = environments.FOLDER / "quick"
REPEATS = 5
QUICK_PROBLEMS = "sinc,rosenbrock-mlp"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def words(text: str) -> list[str]:
    """Cut a comma-separated list."""
    return [word.strip() for word in text.split(",") if word.strip()]


def choose(names: list[str], quick: bool) -> list[Problem]:
    """Return the problems of these names.

    Raises:
        typer.BadParameter: There is none of a name.
    """
    unknown = sorted({*names} - {*PROBLEMS})
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(unknown)}; there are {', '.join(PROBLEMS)}", param_hint="--problems"
        )
    return [PROBLEMS[name].quick() if quick else PROBLEMS[name] for name in names]


@app.command()
def main(
    *,
    problems: Annotated[str, typer.Option(help="Comma-separated; all by default.")] = "",
    peers: Annotated[str, typer.Option(help="Words of package names, as in torch,scipy.")] = "",
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, one seed each.")] = REPEATS,
    quick: Annotated[bool, typer.Option("--quick", help="One seed, 3 s each: does it work?")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; docs, or .bench/quick.")] = None,
    lock: Annotated[Path | None, typer.Option(help="A lock file to hold while a worker runs.")] = None,
) -> None:
    """Race lmrun against its peers; write benchmark-peers.json, benchmark-peers.md, images/benchmark.png."""
    end_workers_with_me()
    chosen = choose(words(problems or (QUICK_PROBLEMS if quick else ",".join(PROBLEMS))), quick)
    out = out or (QUICK if quick else DOCS)
    race = Race(chosen, 1 if quick else repeats, words(peers.lower()), lock)
    race.install()
    try:
        race.export()
    except WorkerFailedError as failure:
        raise SystemExit(f"lmrun could not write its data: {failure}") from None
    raced = {
        problem.name: {**asdict(problem), **race.describe(problem), "floor": [], "runs": []}
        for problem in chosen
    }
    # Problems of another race stay as they are, until they are raced again.
    document: dict[str, Any] = {"problems": {**report.read_problems(out), **raced}}
    race.fill_cache()
    for problem, kind, result in race.results():
        document["problems"][problem.name][kind].append(result)
        report.write_json(document, out)
    report.write(out)
    print(f"wrote {out / report.MARKDOWN} and {out / report.FIGURE}")


if __name__ == "__main__":
    app()
