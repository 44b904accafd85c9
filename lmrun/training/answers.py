"""What a run says of its parameters: the section `fit` of its summary."""

from __future__ import annotations

from typing import Any

from lmrun.build import Experiment
from lmrun.config.answers import AnswersConfig
from lmrun.inference.answers import Answers, answer
from lmrun.inference.documents import document, network_document, without
from lmrun.inference.effective import effective
from lmrun.inference.undefined import Undefined
from lmrun.training.linearized import solution_of
from lmrun.training.roles import others, parameters_of

NOT_FINITE = "residuals or derivatives are not finite there"
MOST_WORK = 2e9
"""Products of numbers in the factorization of a network's Jacobian, rows times squared parameters: a fifth of
a second on one core, at the end of a run that has done as much in every step."""


def answers_of(
    experiment: Experiment, params: Any, asked: AnswersConfig | None = None
) -> dict[str, Any] | None:
    """Return the section of a formula or a network; None where there is nothing to say.

    Args:
        experiment: Its network holds `params`.
        params: The final parameters [n].
        asked: What to answer; left out, what the config asks for. A network has its own answers.
    """
    if experiment.config.model.name == "formula":
        return formula_answers(experiment, params, asked)
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


def formula_answers(
    experiment: Experiment, params: Any, asked: AnswersConfig | None = None
) -> dict[str, Any]:
    """Return what there is to say of each parameter of a formula."""
    asked = experiment.config.answers if asked is None else asked
    reason = no_least_squares(experiment)
    if reason is None:
        solution = solution_of(experiment, params, known_sigma=asked.known_sigma)
        if solution.finite:
            return _answers(experiment, answer(solution, asked.level), asked)
        reason = NOT_FINITE
    return without(experiment.network.named_params(), reason, asked.level)


def _answers(experiment: Experiment, answers: Answers, asked: AnswersConfig) -> dict[str, Any]:
    more = others(experiment, answers)
    found = document(answers, more, list(parameters_of(experiment)))
    if asked.profile or asked.bootstrap:
        # It loads SciPy's optimizers, which a run that asks for nothing does not wait for.
        from lmrun.training.refits import Refits

        refits = Refits(experiment, answers)
        if asked.profile:
            found["profile"] = refits.profile()
        if asked.bootstrap:
            found["bootstrap"] = refits.bootstrap(asked.bootstrap, asked.drawn)
    return found


def no_least_squares(experiment: Experiment) -> str | None:
    """Return why the residuals' squares say nothing of a run's parameters; None under mse."""
    assert experiment.config.loss is not None, "a resolved config has a loss"
    name = experiment.config.loss.name
    if name == "mse":
        return None
    return f"standard errors are those of least squares, loss: mse, and the loss is {name}"
