"""The example scripts of the two Levenberg-Marquardt packages and lmrun's, in one run.

    python -m benchmarks.examples

All start from the same weights on the same rows, each in a process of its own, one after the other: the
scripts of an example take turns for each seed. A script ends with its epochs, where it has reached the best
published result, or where its time is over. Writes docs/benchmark-examples.json with everything measured, and
docs/benchmark-examples.md from that.

Where it was interrupted, or other work disturbed it, `--again` makes only the runs that are still missing.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import environments, examples_report, machine
from benchmarks.example_scripts import EXAMPLES, Example, Script
from benchmarks.launch import Turns, WorkerFailedError, end_workers_with_me, run
from benchmarks.race import DISTURBED, START_SECONDS
from benchmarks.summary import summarize

FIRST_SEED = 1
"""lmrun's settings were chosen on other seeds, 30 to 69 for sinc and 30 to 41 for MNIST."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Race:
    """The scripts of some examples; files go to `folder`."""

    examples: dict[str, Example]
    folder: Path
    turns: Turns

    def export(self) -> None:
        """Write data and weights.

        Raises:
            WorkerFailedError: A script of lmrun does not come to its fit.
        """
        for name, example in self.examples.items():
            seeds = [str(FIRST_SEED + repeat) for repeat in range(example.repeats)]
            run(
                environments.python("lmrun"),
                "benchmarks.example_data",
                [str(self.folder), name, *seeds],
                record=self.folder / f"{name}-{seeds[-1]}.json",
                variables={},
                timeout=START_SECONDS,
                turns=self.turns,
            )

    def results(self, known: Mapping[str, list[dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the example and the result of one process after the other; known ones are not made again."""
        for name, example in self.examples.items():
            for repeat in range(example.repeats):
                # Whoever is first in one turn is last in the next.
                turn = repeat % len(example.scripts)
                for script in example.scripts[turn:] + example.scripts[:turn]:
                    one = (script.entrant.package, FIRST_SEED + repeat)
                    if one not in {(run["package"], run["seed"]) for run in known[name]}:
                        yield name, self.run(name, example, script, FIRST_SEED + repeat)

    def run(self, name: str, example: Example, script: Script, seed: int) -> dict[str, Any]:
        """Run a script once; a `failure` says why it did not end."""
        package = script.entrant.package
        print(f"{name}, seed {seed}: {package}", file=sys.stderr, end=" ", flush=True)
        result: dict[str, Any] = {"package": package, "seed": seed}
        try:
            record = self._train(name, example, script, seed)
        except WorkerFailedError as failure:
            print(f"FAILED: {failure}", file=sys.stderr)
            return result | {"failure": str(failure)}
        summary = summarize(example.problem, record)
        del summary["curve"], summary["lowest_error"]
        summary["process_seconds"] = record["process_seconds"] - record["measuring_seconds"]
        print(f"{summary['final_error']:.3g} in {summary['seconds']:.2f} s", file=sys.stderr)
        return result | summary

    def _train(self, name: str, example: Example, script: Script, seed: int) -> dict[str, Any]:
        try:
            interpreter = environments.python(script.entrant.environment)
        except environments.EnvironmentFailedError as failure:
            raise WorkerFailedError(f"not installed: {failure}") from None
        document = json.loads((self.folder / f"{name}-{seed}.json").read_text(encoding="utf-8"))
        for layer in document["layers"]:
            if layer["kind"] == "activation":
                layer["function"] = script.activation
        problem, path, record = example.problem, self.folder / "job.json", self.folder / "record.json"
        job = {
            **document,
            "config": name,
            "measure": problem.measure,
            "target": problem.targets[-1],
            "budget_seconds": problem.budget_seconds,
            "limit_seconds": problem.limit_seconds,
            "limit_steps": script.steps,
            "settings": dict(script.entrant.settings),
            "seed": seed,
            "record": str(record),
        }
        path.write_text(json.dumps(job), encoding="utf-8")
        return run(
            interpreter,
            f"benchmarks.contestants.{script.entrant.worker}",
            [str(path)],
            record=record,
            variables={"LMRUN_CACHE": str(environments.FOLDER / "compiled")},
            timeout=START_SECONDS + 3 * problem.limit_seconds,
            turns=self.turns,
        )


def commit(results: dict[str, Any]) -> str:
    """Return the commit of an example's results, which change the checkout themselves."""
    return str(results["machine"]["commit"]).removesuffix("-dirty")


def undisturbed(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs that came to their end while other processes used little of the machine."""
    return [run for run in runs if run.get("others", math.inf) <= DISTURBED]


@app.command()
def main(
    *,
    only: Annotated[str, typer.Option(help=f"One of {', '.join(EXAMPLES)}; all by default.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="One seed, peers 3 s each: does it work?")] = False,
    again: Annotated[bool, typer.Option("--again", help="Keep undisturbed runs of this commit.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; docs, or .bench/quick.")] = None,
    lock: Annotated[list[Path] | None, typer.Option(help="A lock file to hold while a worker runs.")] = None,
) -> None:
    """Run the examples of all packages; write benchmark-examples.json and benchmark-examples.md."""
    end_workers_with_me()
    if only and only not in EXAMPLES:
        raise typer.BadParameter(f"{only}; there are {', '.join(EXAMPLES)}", param_hint="--only")
    chosen = {name: example.quick() if quick else example for name, example in EXAMPLES.items()}
    chosen = {only: chosen[only]} if only else chosen
    out = out or (environments.FOLDER / "quick" if quick else environments.ROOT / "docs")
    environments.FOLDER.mkdir(exist_ok=True)
    # An example of another run stays as it is, until it is run again.
    raced: dict[str, Any] = {
        name: {"machine": machine.describe(), "limit_seconds": example.problem.limit_seconds, "runs": []}
        for name, example in chosen.items()
    }
    known = examples_report.read(out)
    if again:
        for name in {*known} & {*raced}:
            if commit(known[name]) == commit(raced[name]):
                raced[name] = known[name] | {"runs": undisturbed(known[name]["runs"])}
    document = known | raced
    with tempfile.TemporaryDirectory(prefix="examples-", dir=environments.FOLDER) as folder:
        race = Race(chosen, Path(folder), Turns(*lock or ()))
        race.export()
        for name, result in race.results({name: list(document[name]["runs"]) for name in chosen}):
            document[name]["runs"].append(result)
            examples_report.write_json(document, out)
    examples_report.write(out)
    print(f"wrote {out / examples_report.MARKDOWN}")


if __name__ == "__main__":
    app()
