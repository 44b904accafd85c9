"""Random configs on their way through lmrun: they run, or fail with an error that says where."""

from __future__ import annotations

import re
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.fuzz_schema import configs
from lmrun.config.load import LoadedConfig, load_text
from lmrun.errors import ConfigError, LmrunError

LOCATED = re.compile(r".+:\d+:\d+: |override '")
"""How a problem of a config file begins."""
KEYED = re.compile(
    r"(seed|precision|device|distribution|dataset|model|loss|optimizer|training|answers)\b|\S*/\S+: |"
    r"The run needs|The data or the model do not fit|mnist: |the dataset '|"
    r".*\b(dataset|model|loss|optimizer|training)\.\w+"
)
"""How an error begins that only the data, the device or the memory tell: with a key, a file or the sizes."""
COMPILED_EVERY = 40
"""Of the configs that wait for a compiler, so many are one that is trained."""
MOST_WORK = 2**22
"""Rows times parameters of what is trained: a step on all images of MNIST takes minutes."""
MOST_DRAWS = 20
"""Fits to data drawn anew."""


@dataclass
class Found:
    """What became of the configs.

    Attributes:
        outcomes: How many ended how.
        longest: The seconds of the slowest at each stage.
        crashes: Config, stage and traceback of what is no LmrunError.
        unlocated: Messages that name no place.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    longest: Counter[str] = field(default_factory=Counter)
    crashes: list[dict[str, str]] = field(default_factory=list)
    unlocated: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "outcomes": dict(self.outcomes),
            "longest": dict(self.longest),
            "crashes": self.crashes,
            "unlocated": self.unlocated,
        }


def write_tables(folder: Path) -> None:
    """Write the files that configs may name."""
    generator = np.random.default_rng(10)
    numbers = generator.normal(size=(12, 3)).round(3)
    lines = ["x1,x2,y,kind,text,hole"]
    for place, row in enumerate(numbers):
        hole = "" if place % 5 == 0 else "1.5"
        lines.append(f"{row[0]},{row[1]},{row[2]},{place % 3},word{place},{hole}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "broken.csv").write_bytes(b'x1,y\n1,2\n"3,\xff\n4,5,6,7\n')
    (folder / "folder").mkdir(exist_ok=True)


class Course:
    """The stages that a config goes through.

    Args:
        folder: Where the config would lie, with the tables beside it, and runs are made.
        train: Whether what was built is trained, too.
    """

    def __init__(self, folder: Path, *, train: bool = True) -> None:
        self.folder = folder
        self.train = train
        self.found = Found()
        self._compiled = 0
        write_tables(folder)

    def take(self, data: dict[str, Any]) -> None:
        """Send a config, plain data, on its way, and note what became of it."""
        text = yaml.safe_dump(data, sort_keys=False)
        stage = "read"
        start = time.monotonic()
        try:
            loaded = load_text(text, self.folder / "config.yaml", label="config.yaml")
            self._note(stage, start)
            stage, start = "built", time.monotonic()
            experiment = self._build(loaded)
            self._note(stage, start)
            outcome = "built"
            if self.train and self._cheap(experiment):
                stage, start = "trained", time.monotonic()
                outcome = f"trained: {self._train(experiment, loaded)}"
                self._note(stage, start)
            self.found.outcomes[outcome] += 1
        except LmrunError as error:
            self._note(stage, start)
            self.found.outcomes[f"refused when {stage}: {type(error).__name__}"] += 1
            self._look_at(error, stage, text)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a find
            self.found.outcomes[f"CRASH when {stage}: {type(error).__name__}"] += 1
            self.found.crashes.append({"stage": stage, "trace": traceback.format_exc(), "config": text})

    def _note(self, stage: str, start: float) -> None:
        self.found.longest[stage] = max(self.found.longest[stage], time.monotonic() - start)

    def _look_at(self, error: LmrunError, stage: str, text: str) -> None:
        problems = error.problems if isinstance(error, ConfigError) else [str(error)]
        form = LOCATED if stage == "read" else KEYED
        self.found.unlocated += [problem for problem in problems if not form.match(problem)]

    def _build(self, loaded: LoadedConfig) -> Any:
        """What `lmrun train --dry-run` does."""
        from lmrun.build import build
        from lmrun.training.loop import schedule_of
        from lmrun.training.memory import refuse_if_too_large, refuse_impossible

        refuse_impossible(loaded.config)
        experiment = build(loaded.config)
        refuse_if_too_large(experiment, schedule_of(experiment))
        return experiment

    def _cheap(self, experiment: Any) -> bool:
        """Whether a step takes a moment; of those that wait for a compiler, now and then."""
        from lmrun.optimizers.first_order import FirstOrder

        train, draws = experiment.dataset.train, experiment.config.answers.bootstrap or 0
        if train.rows * experiment.network.size > MOST_WORK or draws > MOST_DRAWS:
            return False
        if not experiment.kernels.compiles and not isinstance(experiment.optimizer, FirstOrder):
            return True
        self._compiled += 1
        return self._compiled % COMPILED_EVERY == 0

    def _train(self, experiment: Any, loaded: LoadedConfig) -> str:
        from lmrun.training.opening import open_run
        from lmrun.training.progress import SilentProgress
        from lmrun.training.session import execute

        with tempfile.TemporaryDirectory(dir=self.folder) as runs:
            run = open_run(experiment, Path(runs), "fuzz", command=["fuzz"], source=loaded.source)
            return str(execute(experiment, run, SilentProgress())["status"])


def send(course: Course, count: int, number: int, *, quick: bool = False) -> None:
    """Draw configs and send them.

    Args:
        course: Takes them.
        count: Of the configs.
        number: The seed.
        quick: Whether hypothesis is to remember nothing and explain nothing.
    """

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(configs())
    def one(data: dict[str, Any]) -> None:
        course.take(data)

    one()
