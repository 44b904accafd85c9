"""A finished run as a comparison needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from lmrun.errors import RunDirectoryError
from lmrun.runs.files import read_json
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics
from lmrun.runs.summary import read_summary

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """One run.

    Attributes:
        run: Where it lies.
        config: The resolved config.
        summary: `summary.json`.
        manifest: `manifest.json`.
        steps: Of the rows [rows].
        seconds: Training time at the rows [rows].
        loss: At the rows [rows]; NaN where it is not finite.
    """

    run: RunDirectory
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]
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
    def first_step_seconds(self) -> float:
        """Training time of the first row after the start: compilation, for the most part."""
        later = self.seconds[self.steps > 0]
        return float(later[0]) if len(later) else float("nan")

    @property
    def step_seconds(self) -> float:
        """Time of a step, that of the first row left out; NaN for fewer than two rows after the start."""
        steps, seconds = self.steps[self.steps > 0], self.seconds[self.steps > 0]
        if len(steps) < 2 or steps[-1] <= steps[0]:
            return float("nan")
        return float((seconds[-1] - seconds[0]) / (steps[-1] - steps[0]))

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
    try:
        config = yaml.safe_load(run.config.read_text(encoding="utf-8"))
        config["seed"], config["optimizer"]["name"], config["dataset"]["name"]
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise RunDirectoryError(f"{run.config} is damaged: {error}. Restore the file.") from error
    table = read_metrics(run)
    columns = (table[name].to_numpy(np.float64, na_value=np.nan) for name in ("step", "seconds", "loss"))
    steps, seconds, loss = columns
    return Result(
        run,
        config,
        summary,
        read_json(run.manifest),
        steps,
        seconds,
        np.where(np.isfinite(loss), loss, np.nan),
    )
