"""The race: who runs when, from which files."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import environments, machine
from benchmarks.entrants import LMRUN, Entrant, entrants
from benchmarks.export import FIRST_SEED
from benchmarks.floor import THREADS
from benchmarks.launch import Turns, WorkerFailedError, run
from benchmarks.problems import Problem
from benchmarks.summary import summarize
from lmrun.config.load import load_config

START_SECONDS = 120.0
"""Imports, data and the measurements between steps come on top of the training time."""
DISTURBED = 0.2
"""A run during which other processes used more cores than this is made again ..."""
AGAIN = 2
"""... so many times; the quietest counts."""


class Race:
    """All contestants of some problems.

    Args:
        problems: What is raced.
        repeats: Runs per contestant, each with a seed of its own.
        peers: Words, one of which a package's name must contain to take part; none: all take part.
        lock: See `launch.Turns`.
    """

    def __init__(self, problems: list[Problem], repeats: int, peers: list[str], lock: Path | None) -> None:
        self.problems = problems
        self.repeats = repeats
        self.peers = peers
        self.turns = Turns(lock)
        environments.FOLDER.mkdir(exist_ok=True)
        # Removed when the race is.
        self.temporary = tempfile.TemporaryDirectory(prefix="race-", dir=environments.FOLDER)
        self.folder = Path(self.temporary.name)
        self.record = self.folder / "record.json"
        self.interpreters: dict[str, Path | str] = {}
        """By environment; a text is the reason why there is none."""

    def field(self, problem: Problem) -> list[Entrant]:
        """Return the entrants that take part; lmrun always does."""
        return [
            entrant
            for entrant in entrants(problem.name)
            if not self.peers
            or entrant.package == LMRUN
            or any(word in entrant.package.lower() for word in self.peers)
        ]

    def export(self) -> None:
        """Write data and weights for all seeds.

        Raises:
            WorkerFailedError: lmrun does not build a problem.
        """
        names = [problem.name for problem in self.problems]
        run(
            Path(sys.executable),
            "benchmarks.export",
            [str(self.folder), str(self.repeats), *names],
            record=self._exported(names[-1], FIRST_SEED + self.repeats - 1),
            variables={},
            timeout=START_SECONDS * len(names) * self.repeats,
            turns=self.turns,
        )

    def _exported(self, name: str, seed: int) -> Path:
        return self.folder / f"{name}-{seed}.json"

    def exported(self, problem: Problem, seed: int) -> dict[str, Any]:
        """Read what `benchmarks.export` wrote."""
        document: dict[str, Any] = json.loads(self._exported(problem.name, seed).read_text(encoding="utf-8"))
        return document

    def describe(self, problem: Problem) -> dict[str, Any]:
        """Return the sizes of a problem, and its entrants with the rows that a step of theirs sees."""
        document = self.exported(problem, FIRST_SEED)
        every = document["rows"]
        return {
            **{key: document[key] for key in ("rows", "parameters")},
            "repeats": self.repeats,
            "machine": machine.describe(),
            "entrants": [
                {
                    "name": entrant.name,
                    "package": entrant.package,
                    "settings": dict(entrant.settings),
                    "rows_per_step": own_rows(problem.name, entrant, every)
                    if entrant.package == LMRUN
                    else entrant.settings.get("batch") or every,
                }
                for entrant in self.field(problem)
            ],
        }

    def install(self) -> None:
        """Make the environments of all who take part."""
        for problem in self.problems:
            for entrant in self.field(problem):
                self._interpreter(entrant.environment)

    def _interpreter(self, name: str) -> Path | str:
        if name not in self.interpreters:
            try:
                self.interpreters[name] = environments.python(name)
            except environments.EnvironmentFailedError as failure:
                self.interpreters[name] = f"not installed: {failure}"
        return self.interpreters[name]

    def fill_cache(self) -> None:
        """Let lmrun compile what it keeps on disk: every run is then one that is not the first."""
        for problem in self.problems:
            for entrant in self.field(problem):
                if entrant.package == LMRUN:
                    self.run(problem.quick(), entrant, FIRST_SEED)

    def results(self) -> Iterator[tuple[Problem, str, dict[str, Any]]]:
        """Yield the problem, `floor` or `runs`, and the result of one process after the other."""
        for repeat in range(self.repeats):
            seed = FIRST_SEED + repeat
            for problem in self.problems:
                field = self.field(problem)
                for entrant in self.with_other_rows(problem):
                    yield problem, "floor", self.floor(problem, entrant, seed)
                # Whoever is first in one turn is last in the next.
                turn = repeat % len(field)
                for entrant in field[turn:] + field[:turn]:
                    yield problem, "runs", self.run(problem, entrant, seed)

    def with_other_rows(self, problem: Problem) -> list[Entrant]:
        """Return an entrant of lmrun for each number of rows that its steps see."""
        rows = self.exported(problem, FIRST_SEED)["rows"]
        own = [entrant for entrant in self.field(problem) if entrant.package == LMRUN]
        return list({own_rows(problem.name, entrant, rows): entrant for entrant in own}.values())

    def floor(self, problem: Problem, entrant: Entrant, seed: int) -> dict[str, Any]:
        """Measure the floor of a step over the rows of an entrant."""
        print(f"{problem.name}, seed {seed}: floor", file=sys.stderr)
        try:
            return run(
                Path(sys.executable),
                "benchmarks.floor",
                [problem.name, str(seed), str(self.record), *entrant.settings["overrides"]],
                record=self.record,
                variables=THREADS,
                timeout=START_SECONDS,
                turns=self.turns,
            )
        except WorkerFailedError as failure:
            return {"failure": str(failure)}

    def run(self, problem: Problem, entrant: Entrant, seed: int) -> dict[str, Any]:
        """Let one entrant train once; a `failure` says why it did not."""
        print(f"{problem.name}, seed {seed}: {entrant.name}", file=sys.stderr, end=" ", flush=True)
        result: dict[str, Any] = {"entrant": entrant.name, "package": entrant.package, "seed": seed}
        try:
            record = self._train(problem, entrant, seed)
            for _ in range(AGAIN):
                if record["others"] <= DISTURBED:
                    break
                print(f"disturbed ({record['others']:.2f} cores), again:", file=sys.stderr, end=" ")
                record = min(record, self._train(problem, entrant, seed), key=lambda each: each["others"])
        except WorkerFailedError as failure:
            print(f"FAILED: {failure}", file=sys.stderr)
            return result | {"failure": str(failure)}
        summary = summarize(problem, record)
        print({key: summary[key] for key in ("seconds_to", "final_error")}, file=sys.stderr)
        return result | summary

    def _train(self, problem: Problem, entrant: Entrant, seed: int) -> dict[str, Any]:
        interpreter = self._interpreter(entrant.environment)
        if isinstance(interpreter, str):
            raise WorkerFailedError(interpreter)
        document = self.exported(problem, seed)
        job = {
            **{name: document[name] for name in ("data", "start", "layers")},
            "config": problem.name,
            "measure": problem.measure,
            "target": problem.targets[-1],
            "budget_seconds": problem.budget_seconds,
            "limit_seconds": problem.limit_seconds,
            "settings": dict(entrant.settings),
            "seed": seed,
            "record": str(self.record),
        }
        path = self.folder / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        return run(
            interpreter,
            f"benchmarks.contestants.{entrant.worker}",
            [str(path)],
            record=self.record,
            variables={"LMRUN_CACHE": str(environments.FOLDER / "compiled")},
            timeout=START_SECONDS + 3 * problem.limit_seconds,
            turns=self.turns,
        )


def own_rows(config: str, entrant: Entrant, rows: int) -> int | None:
    """Return the rows that a step of lmrun sees; None where their number grows."""
    size = load_config(config, entrant.settings["overrides"]).config.training.batch_size
    if size == "growing":
        return None
    return rows if size == "full" else min(int(size), rows)
