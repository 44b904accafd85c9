"""What every worker speaks: a job comes in as JSON, a record goes out as JSON. Needs NumPy, nothing else.

A worker runs in an environment of its own, so it shares no packages with lmrun. Its clock starts when imports
and data are done and stops while losses are evaluated: compilation counts, evaluation does not.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contestants.forward import accuracy, mean_squared_error, predict

Array = NDArray[Any]


@dataclass(frozen=True)
class Job:
    """One run of one contestant.

    Attributes:
        data: NPZ with `inputs`, `targets`, and `test_inputs`, `test_targets` for classes.
        start: NPZ with the initial weights `0`, `1`, ... in Keras' order and layout.
        config: Name of the shipped config that all of this comes from.
        layers: The network, see `benchmarks.export`.
        measure: `mse` over all training rows, or `accuracy` on the test rows.
        target: Train at least until this MSE or accuracy is reached ...
        budget_seconds: ... and at least so long,
        limit_seconds: but at most so long, and
        limit_steps: at most so many steps.
        settings: The contestant's own.
        seed: Decides the order of the batches.
        record: Where the record goes.
    """

    data: str
    start: str
    config: str
    layers: list[dict[str, Any]]
    measure: str
    target: float
    budget_seconds: float
    limit_seconds: float
    settings: dict[str, Any]
    seed: int
    record: str
    limit_steps: int | None = None

    def training(self) -> tuple[Array, Array]:
        """Read the inputs and targets to train on."""
        with np.load(self.data, allow_pickle=False) as archive:
            return archive["inputs"], archive["targets"]

    def measured(self) -> tuple[Array, Array]:
        """Read the inputs and targets that the measure looks at: training rows for `mse`, else test rows."""
        part = "" if self.measure == "mse" else "test_"
        with np.load(self.data, allow_pickle=False) as archive:
            return archive[f"{part}inputs"], archive[f"{part}targets"]

    def weights(self) -> list[Array]:
        """Read the initial weights."""
        with np.load(self.start, allow_pickle=False) as archive:
            return [archive[str(index)] for index in range(len(archive.files))]


CHECKED = 100
"""Rows that are enough for `check`."""


def read_job() -> Job:
    """Read the job that the first argument of the command line names."""
    return Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))


def check(job: Job, inputs: Array, outputs: Array) -> None:
    """Make sure that a package's model starts as all others do.

    Args:
        job: Gives the network and its initial weights.
        inputs: Some rows.
        outputs: What the package's model makes of them.

    Raises:
        ValueError: It differs from what NumPy makes of them.
    """
    expected = predict(job.layers, job.weights(), inputs)
    if not np.allclose(outputs, expected, rtol=1e-4, atol=1e-4):
        raise ValueError("the model does not start as it should")


class Recorder:
    """The clock, the steps and the measured values of one run.

    Args:
        job: What is measured.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._rows = job.measured()
        self.steps: list[tuple[int, float]] = []
        """Number of steps made and the seconds when they were."""
        self.values: list[tuple[float, float]] = []
        """Seconds and measured value."""
        self.best = -np.inf if job.measure == "accuracy" else np.inf
        self._paused = 0.0
        self._started = time.perf_counter()

    def seconds(self) -> float:
        """Training time so far, pauses excluded."""
        return time.perf_counter() - self._started - self._paused

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._paused += time.perf_counter() - begin

    def stepped(self, count: int = 1, seconds: float | None = None) -> None:
        """Note that `count` more steps are made, now or at `seconds`."""
        self.steps.append((self.made + count, self.seconds() if seconds is None else seconds))

    def value(self, value: float, seconds: float | None = None) -> None:
        """Note a measured value that costs nothing to know."""
        self.values.append((self.seconds() if seconds is None else seconds, float(value)))
        better = value > self.best if self.job.measure == "accuracy" else value < self.best
        self.best = float(value) if better else self.best

    def evaluate(self, weights: Callable[[], Sequence[Array]]) -> None:
        """Measure with the clock stopped: the same NumPy code for every contestant.

        Args:
            weights: Gives the present weights in Keras' order and layout.
        """
        now = self.seconds()
        with self.paused():
            function = accuracy if self.job.measure == "accuracy" else mean_squared_error
            self.value(function(self.job.layers, weights(), *self._rows), now)

    def due(self) -> bool:
        """Whether a costly measurement is due: every 2 % of the time, at most every 0.2 s."""
        last = self.values[-1][0] if self.values else 0.0
        now = self.seconds()
        return now - last >= max(0.2, 0.02 * now)

    @property
    def made(self) -> int:
        """Steps so far."""
        return self.steps[-1][0] if self.steps else 0

    @property
    def reached(self) -> bool:
        """Whether the target is."""
        if self.job.measure == "accuracy":
            return self.best >= self.job.target
        return self.best <= self.job.target

    def over(self) -> bool:
        """Whether the run has to end."""
        now, most = self.seconds(), self.job.limit_steps
        if now >= self.job.limit_seconds or (most is not None and self.made >= most):
            return True
        return self.reached and now >= self.job.budget_seconds

    def write(self, versions: dict[str, str], message: str = "") -> None:
        """Write the record.

        Args:
            versions: The packages that matter.
            message: Why the contestant stopped by itself, if it did.
        """
        record = {
            "steps": self.steps,
            "values": self.values,
            "seconds": self.seconds(),
            "measuring_seconds": self._paused,
            "peak_bytes": peak_bytes(),
            "versions": {"python": sys.version.split()[0], "numpy": np.__version__, **versions},
            "message": message,
        }
        Path(self.job.record).write_text(json.dumps(record), encoding="utf-8")


def peak_bytes() -> int:
    """Return the largest resident set of this process so far, in bytes; Linux counts in KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def batches(rows: int, size: int, seed: int) -> Iterator[Array]:
    """Yield the rows of one batch after the other, each epoch in a new order, without end.

    A last, smaller batch of an epoch is left out: peers fix the batch size at their first step.
    """
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(rows)
        for start in range(0, rows - size + 1, size):
            yield order[start : start + size]
