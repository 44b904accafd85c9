"""What a run says of a formula's parameters."""

from __future__ import annotations

from typing import Any

from lmrun.build import Experiment
from lmrun.inference.answers import Answers, answer
from lmrun.inference.documents import document, without
from lmrun.runs.layout import RunDirectory
from lmrun.runs.summary import write_summary
from lmrun.status import Status
from lmrun.training.linearized import solution_of
from lmrun.training.refits import Refits
from lmrun.training.request import PLAIN, Request

NOT_FINITE = "residuals or derivatives are not finite there"


def formula_answers(experiment: Experiment, params: Any, request: Request = PLAIN) -> dict[str, Any] | None:
    """Return the section `fit` of a summary; None for networks, whose parameters mean nothing by themselves.

    Args:
        experiment: A formula's; its network holds `params`.
        params: The final parameters [n].
        request: What to answer.
    """
    if experiment.config.model.name != "formula":
        return None
    reason = no_least_squares(experiment)
    if reason is None:
        solution = solution_of(experiment, params, known_sigma=request.known_sigma)
        if solution.finite:
            return _answers(experiment, answer(solution, request.level), request)
        reason = NOT_FINITE
    return without(experiment.network.named_params(), reason)


def _answers(experiment: Experiment, answers: Answers, request: Request) -> dict[str, Any]:
    found = document(answers)
    if request.profile or request.draws:
        refits = Refits(experiment, answers)
        if request.profile:
            found["profile"] = refits.profile()
        if request.draws:
            found["bootstrap"] = refits.bootstrap(request.draws, request.kind)
    return found


def answered(
    experiment: Experiment, run: RunDirectory, summary: dict[str, Any], request: Request
) -> dict[str, Any]:
    """Return the summary of a run that has just ended with what was asked for, and write it.

    A run that was interrupted goes on first.
    """
    if request == PLAIN or summary["status"] == Status.INTERRUPTED:
        return summary
    more = {**summary, "fit": formula_answers(experiment, experiment.network.params(), request)}
    write_summary(run, more)
    return more


def no_least_squares(experiment: Experiment) -> str | None:
    """Return why the residuals' squares say nothing of a run's parameters; None under mse."""
    assert experiment.config.loss is not None, "a resolved config has a loss"
    name = experiment.config.loss.name
    if name == "mse":
        return None
    return f"standard errors are those of least squares, loss: mse, and the loss is {name}"
