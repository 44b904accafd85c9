"""All that the training rows of a formula say of its parameters, by its loss."""

from __future__ import annotations

from typing import Any

from lmrun.build import Experiment
from lmrun.inference.answers import Answers, answer, robust_answer
from lmrun.inference.undefined import Undefined
from lmrun.training.linearized import solution_of
from lmrun.training.robust import STRAIGHT_LOSSES, is_robust, observations

NOT_FINITE = "residuals or derivatives are not finite there"


def conclude(
    experiment: Experiment, params: Any, level: float, *, known_sigma: bool = False
) -> Answers | Undefined:
    """Draw all conclusions from a formula's fit, or say why there are none.

    Args:
        experiment: A formula's.
        params: The final parameters [n].
        level: Of the intervals.
        known_sigma: Whether the weights are 1 / sigma^2 of known standard deviations.
    """
    name = loss_of(experiment)
    if name in STRAIGHT_LOSSES:
        return Undefined(f"the loss {name} {STRAIGHT_LOSSES[name]}")
    without_squares = no_least_squares(experiment)
    if without_squares is not None and not is_robust(experiment):
        return Undefined(f"standard errors are those of squared errors or a robust loss, not of {name}")
    solution = solution_of(experiment, params, known_sigma=known_sigma)
    if not solution.finite:
        return Undefined(NOT_FINITE)
    if without_squares is None:
        return answer(solution, level)
    if experiment.reducer.workers > 1:
        return Undefined(f"those of the loss {name} need all rows in one place, not on several workers")
    return robust_answer(solution, observations(experiment, params), Undefined(without_squares), level)


def no_least_squares(experiment: Experiment) -> str | None:
    """Return why the residuals' squares say nothing of a run's parameters; None under mse."""
    name = loss_of(experiment)
    return None if name == "mse" else f"only least squares, loss: mse, have that, and the loss is {name}"


def loss_of(experiment: Experiment) -> str:
    """Return the name of a run's loss."""
    assert experiment.config.loss is not None, "a resolved config has a loss"
    return experiment.config.loss.name
