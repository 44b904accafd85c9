"""What a fit of a program has come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lmrun.api.arrays import given
from lmrun.api.tasks import Task
from lmrun.build import Experiment
from lmrun.config.answers import FEWEST_DRAWS, AnswersConfig, refused_level
from lmrun.errors import UsageError
from lmrun.training.answers import formula_answers

Float64 = NDArray[np.float64]
ROWS = 8192
"""Rows that are predicted at a time."""


@dataclass(frozen=True)
class Result:
    """The summary of a training, its course, and the model at its best.

    A copy is the result itself, since nothing of it changes. A pickle, such as one process sends to another,
    has the numbers without model and data, and predicts nothing.

    Attributes:
        run: The run directory; None where none was asked for.
        status: How it ended, such as `target_reached` or `converged_step`.
        message: What that means and what to try.
        improved: Whether the loss is lower than before the first step.
        steps: Steps made.
        epochs: Epochs finished.
        seconds: Wall-clock time, compilation included.
        initial_loss: Over all training rows, before the first step.
        loss: The same at the last parameters.
        best_loss: The same at the best parameters.
        best_step: The step they were reached at.
        validation_loss: The latest; None without validation rows.
        best_validation_loss: The lowest; None without validation rows.
        accuracy: Over the training rows; None for regression.
        test: Metrics of test rows; None for programs, which have their own.
        parameters: Number of parameters.
        peak_memory_bytes: Of the process; None where it has trained before.
        params: The parameters of a formula by name; empty for networks.
        fit: What the data say of the parameters: for a formula, estimates with standard errors and
            intervals, correlation and statistics of the fit; for a small network under mse, how many of its
            parameters are determined; None where nothing is.
        remarks: Sentences about what may not be as it seems, such as a robust loss without an outlier.
        regularization: What Bayesian regularization estimated at the best parameters; None without it.
        distribution: None: a program fits alone; of a run by several workers, their number and what they sum.
        history: The columns of `metrics.csv`: a row per step or epoch; NaN where there is no value.
        weights: The best parameters as one vector [n].
    """

    run: str | None
    status: str
    message: str
    improved: bool
    steps: int
    epochs: int
    seconds: float
    initial_loss: float
    loss: float
    best_loss: float
    best_step: int
    validation_loss: float | None
    best_validation_loss: float | None
    accuracy: float | None
    test: Mapping[str, float] | None
    parameters: int
    peak_memory_bytes: int | None
    params: Mapping[str, float]
    fit: Mapping[str, Any] | None
    remarks: Sequence[str]
    regularization: Mapping[str, float] | None
    distribution: Mapping[str, float] | None
    history: Mapping[str, NDArray[Any]] = field(repr=False)
    weights: NDArray[np.floating] = field(repr=False)
    experiment: Experiment = field(repr=False)
    task: Task = field(repr=False)

    def predict(self, x: Any) -> Any:
        """Predict by the best parameters, whatever has become of the model since.

        Args:
            x: Inputs, as `lmrun.fit` takes them; targets of a stream are not looked at.

        Returns:
            An array in the shape of the model's output, or a list of them; [rows] for a formula.

        Raises:
            DataError: The rows do not fit the model.
            UsageError: The result has been pickled.
        """
        self._with_model("predict")
        rows = self.task.inputs(given(x).x, self.experiment.config.precision)
        network = self.experiment.network
        parts = [
            np.asarray(network.outputs(self.weights, rows[start : start + ROWS]))
            for start in range(0, len(rows), ROWS)
        ]
        return self.task.outputs(np.concatenate(parts))

    @property
    def standard_errors(self) -> dict[str, float | None]:
        """Of each parameter of a formula; None where it has none, for the reason in `fit`."""
        return {name: one["standard_error"] for name, one in self._estimates.items()}

    @property
    def intervals(self) -> dict[str, tuple[float, float] | None]:
        """The confidence interval of each parameter of a formula, at `fit["level"]`."""
        found = {name: one["interval"] for name, one in self._estimates.items()}
        return {name: None if ends is None else (ends[0], ends[1]) for name, ends in found.items()}

    @property
    def _estimates(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (self.fit or {}).get("estimates", {})
        return found

    def answers(
        self,
        *,
        level: float = 0.95,
        absolute_sigma: bool = False,
        profile: bool = False,
        bootstrap: int = 0,
        cases: bool = False,
    ) -> dict[str, Any]:
        """Return the section `fit` of a formula with other or more answers.

        Args:
            level: Of all intervals.
            absolute_sigma: Whether `sigma` was known, not just relative.
            profile: Whether profile-likelihood intervals are wanted.
            bootstrap: Fits to data drawn anew; 0 for none.
            cases: Whether the bootstrap draws rows, not residuals.

        Raises:
            UsageError: The model is no formula, the level is none, the draws are too few, or the result has
                been pickled.
        """
        self._with_model("answers")
        if self.experiment.config.model.name != "formula":
            raise UsageError("answers: are about the parameters of a formula, and this model is a network.")
        refused = refused_level(level)
        if refused is not None:
            raise UsageError(f"level: {refused}.")
        if 0 < bootstrap < FEWEST_DRAWS:
            raise UsageError(f"bootstrap: at least {FEWEST_DRAWS} draws say something, or 0 for none.")
        asked = AnswersConfig(
            level=level,
            known_sigma=absolute_sigma,
            profile=profile,
            bootstrap=bootstrap or None,
            draw="case" if cases else None,
        )
        return formula_answers(self.experiment, self.weights, asked)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle has: neither compiled functions nor data, which experiment and task hold."""
        return {name: value for name, value in vars(self).items() if name not in {"experiment", "task"}}

    def _with_model(self, what: str) -> None:
        if "experiment" not in vars(self):
            raise UsageError(
                f"{what}: this result comes from a pickle, which has the numbers without the model. Ask "
                "where it was trained, or give lmrun.fit a run_dir and use lmrun predict."
            )
