"""A finished run as a comparison needs it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.errors import RunDirectoryError
from lmrun.runs.files import number, read_json, read_yaml
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics
from lmrun.runs.summary import read_summary
from lmrun.status import Status

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """One run.

    Attributes:
        run: Where it lies.
        config: The resolved config; `seed`, `optimizer.name` and `dataset.name` are there.
        manifest: `manifest.json`.
        status: How the run ended.
        last_loss: Over all training rows at the end; infinite where it was not finite.
        best_loss: The same at the best parameters.
        test: The test metrics that are finite numbers, by name.
        peak_memory: Bytes; NaN where nobody knows.
        steps: Of the rows [rows].
        seconds: Training time at the rows [rows].
        loss: At the rows [rows]; NaN where it is not finite.
    """

    run: RunDirectory
    config: Mapping[str, Any]
    manifest: Mapping[str, Any]
    status: str
    last_loss: float
    best_loss: float
    test: Mapping[str, float]
    peak_memory: float
    steps: Values
    seconds: Values
    loss: Values

    @property
    def seed(self) -> int:
        """The effective seed."""
        return int(self.config["seed"])

    @property
    def optimizer(self) -> str:
        """The optimizer's name."""
        return str(self.config["optimizer"]["name"])

    @property
    def first_row_seconds(self) -> float:
        """Training time at the first row after the start, of a step or an epoch: compilation counts."""
        later = self.seconds[self.steps > 0]
        return float(later[0]) if len(later) else float("nan")

    @property
    def step_seconds(self) -> float:
        """Time of a step, that of the first row left out; NaN for fewer than two rows after the start."""
        steps, seconds = self.steps[self.steps > 0], self.seconds[self.steps > 0]
        if len(steps) < 2 or steps[-1] <= steps[0]:
            return float("nan")
        return float((seconds[-1] - seconds[0]) / (steps[-1] - steps[0]))

    @property
    def initial_loss(self) -> float:
        """The loss of the first row; NaN without rows."""
        return float(self.loss[0]) if len(self.loss) else float("nan")

    @property
    def target_loss(self) -> float | None:
        """What the config asks for."""
        training = self.config.get("training")
        value = training.get("target_loss") if isinstance(training, Mapping) else None
        return _finite(value)

    def reached(self, target: float) -> tuple[float, float]:
        """Return seconds and steps to the first row whose loss is at most the target; infinities for none."""
        places = np.flatnonzero(self.loss <= target)
        if not len(places):
            return float("inf"), float("inf")
        return float(self.seconds[places[0]]), float(self.steps[places[0]])


def read_result(run: RunDirectory) -> Result:
    """Read a run that has ended.

    Raises:
        RunDirectoryError: It has not, or a file is missing or damaged.
    """
    summary = read_summary(run)
    if summary is None:
        raise RunDirectoryError(
            f"The run {run.name} has not ended; a comparison needs its end. Go on with it: lmrun train "
            f"--resume {run.path}"
        )
    if str(summary.get("status")) not in set(Status):
        raise RunDirectoryError(f"{run.summary} is damaged: it has no status. Restore it, or train again.")
    table = read_metrics(run)
    columns = (table[name].to_numpy(np.float64, na_value=np.nan) for name in ("step", "seconds", "loss"))
    steps, seconds, loss = columns
    test = summary.get("test")
    known = {name: _finite(value) for name, value in test.items()} if isinstance(test, dict) else {}
    return Result(
        run=run,
        config=_read_config(run),
        manifest=read_json(run.manifest),
        status=str(summary.get("status")),
        # The worst loss there is.
        last_loss=_or(summary.get("loss"), math.inf),
        best_loss=_or(summary.get("best_loss"), math.inf),
        test={name: value for name, value in known.items() if value is not None},
        peak_memory=_or(summary.get("peak_memory_bytes"), math.nan),
        steps=steps,
        seconds=seconds,
        loss=np.where(np.isfinite(loss), loss, np.nan),
    )


def _read_config(run: RunDirectory) -> Mapping[str, Any]:
    config = read_yaml(run.config)
    try:
        int(config["seed"]), str(config["optimizer"]["name"]), str(config["dataset"]["name"])
    except (ValueError, TypeError, KeyError) as error:
        raise RunDirectoryError(f"{run.config} is damaged: {error}. Restore the file.") from error
    found: Mapping[str, Any] = config
    return found


def _finite(value: Any) -> float | None:
    known = number(value)
    return known if known is not None and math.isfinite(known) else None


def _or(value: Any, otherwise: float) -> float:
    """JSON has null for what is not finite."""
    known = _finite(value)
    return otherwise if known is None else known
