"""What a run says of its parameters: the section `fit` of its summary."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmrun.build import Experiment
from lmrun.config.answers import AnswersConfig
from lmrun.inference.answers import Answers
from lmrun.inference.documents import document, network_document, network_without, without
from lmrun.inference.effective import effective
from lmrun.inference.undefined import Undefined
from lmrun.training.bands import no_bands
from lmrun.training.conclusions import NOT_FINITE, conclude, no_least_squares
from lmrun.training.linearized import solution_of
from lmrun.training.roles import others, parameters_of, remarks_on_bounds

MOST_WORK = 2e9
"""Products of numbers in the factorization of a network's Jacobian, rows times squared parameters: a fifth of
a second on one core, at the end of a run that has done as much in every step."""


def answers_of(
    experiment: Experiment, params: Any, asked: AnswersConfig | None = None
) -> dict[str, Any] | None:
    """Return the section of a formula or a network; None for networks that predict classes.

    Args:
        experiment: Its network holds `params`.
        params: The final parameters [n].
        asked: What to answer; left out, what the config asks for. A network has its own answers.
    """
    if experiment.config.model.name == "formula":
        return formula_answers(experiment, params, asked)
    if experiment.dataset.task != "regression":
        return None
    return network_answers(experiment, params)


def network_answers(experiment: Experiment, params: Any) -> dict[str, Any]:
    """Return how many parameters of a network its data determine, or why that is not known."""
    why = not_counted(experiment)
    if why is not None:
        found = network_without(experiment.network.size, why)
    else:
        solution = solution_of(experiment, params)
        found = network_document(solution, effective(solution) if solution.finite else Undefined(NOT_FINITE))
    return _with_remarks(found, _remark_on_bands(experiment))


def not_counted(experiment: Experiment) -> str | None:
    """Return why the parameters that a network's data determine are not counted; None where they are."""
    other_loss = no_least_squares(experiment)
    if other_loss is not None:
        return other_loss
    size, rows = experiment.network.size, experiment.dataset.training_rows * experiment.dataset.outputs
    if rows * size**2 > MOST_WORK:
        shape = f"{rows:,} rows and {size:,} columns"
        return f"J has {shape}, and its factorization would take too long at the end of a run"
    if experiment.kernels.compiles:
        return "the derivatives that it takes would have to be compiled for it alone"
    return None


@np.errstate(all="ignore")  # What overflows is told in words, not by NumPy's warnings.
def formula_answers(
    experiment: Experiment, params: Any, asked: AnswersConfig | None = None
) -> dict[str, Any]:
    """Return what there is to say of each parameter of a formula."""
    asked = experiment.config.answers if asked is None else asked
    answers = conclude(experiment, params, asked.level, known_sigma=asked.known_sigma)
    if isinstance(answers, Undefined):
        return without(experiment.network.named_params(), answers.reason, asked.level)
    return _answers(experiment, answers, asked)


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
    return _with_remarks(found, remarks_on_bounds(experiment, answers) | _remark_on_bands(experiment))


def _remark_on_bands(experiment: Experiment) -> dict[str, str]:
    why = no_bands(experiment)
    return {} if why is None else {"bands": f"the figure has none: {why}"}


def _with_remarks(found: dict[str, Any], remarks: dict[str, str]) -> dict[str, Any]:
    """Add remarks, by what they are about, where there are any."""
    return {**found, "remarks": remarks} if remarks else found
