"""What a run says of its parameters: the section `fit` of its summary."""

from __future__ import annotations

from typing import Any

from lmrun.build import Experiment
from lmrun.inference.answers import Answers, answer
from lmrun.inference.documents import document, network_document, without
from lmrun.inference.effective import effective
from lmrun.inference.undefined import Undefined
from lmrun.runs.layout import RunDirectory
from lmrun.runs.summary import write_summary
from lmrun.status import Status
from lmrun.training.linearized import solution_of
from lmrun.training.request import PLAIN, Request
from lmrun.training.roles import others, parameters_of

NOT_FINITE = "residuals or derivatives are not finite there"
MOST_WORK = 2e9
"""Products of numbers in the factorization of a network's Jacobian, rows times squared parameters: a fifth of
a second on one core, at the end of a run that has done as much in every step."""


def answers_of(experiment: Experiment, params: Any, request: Request = PLAIN) -> dict[str, Any] | None:
    """Return the section of a formula or a network; None where there is nothing to say.

    Args:
        experiment: Its network holds `params`.
        params: The final parameters [n].
        request: What to answer; a network has its own answers.
    """
    if experiment.config.model.name == "formula":
        return formula_answers(experiment, params, request)
    return network_answers(experiment, params)


def network_answers(experiment: Experiment, params: Any) -> dict[str, Any] | None:
    """Return how many parameters of a network its data determine.

    None under losses other than mse, and where it would take long: for large networks, and for those whose
    Jacobian would have to be compiled first.
    """
    size, rows = experiment.network.size, experiment.dataset.train.rows * experiment.dataset.outputs
    if no_least_squares(experiment) or experiment.kernels.compiles or rows * size**2 > MOST_WORK:
        return None
    solution = solution_of(experiment, params)
    return network_document(solution, effective(solution) if solution.finite else Undefined(NOT_FINITE))


def formula_answers(experiment: Experiment, params: Any, request: Request = PLAIN) -> dict[str, Any]:
    """Return what there is to say of each parameter of a formula."""
    reason = no_least_squares(experiment)
    if reason is None:
        solution = solution_of(experiment, params, known_sigma=request.known_sigma)
        if solution.finite:
            return _answers(experiment, answer(solution, request.level), request)
        reason = NOT_FINITE
    return without(experiment.network.named_params(), reason)


def _answers(experiment: Experiment, answers: Answers, request: Request) -> dict[str, Any]:
    more = others(experiment, answers)
    found = document(answers, more, list(parameters_of(experiment)))
    if request.profile or request.draws:
        # It loads SciPy's optimizers, which a run that asks for nothing does not wait for.
        from lmrun.training.refits import Refits

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
