"""Regularization: an optimizer that minimizes more than the loss, the price of large parameters included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from lmrun.config.regularization import RegularizationConfig
from lmrun.curvature.penalty import PenalizedProblem
from lmrun.curvature.problem import Problem
from lmrun.curvature.trial import Linearization
from lmrun.optimizers.base import SecondOrder, State, StepInfo
from lmrun.optimizers.evidence import Evidence, Measured, evidence_of, first_strength, next_strength
from lmrun.status import Status

Tensor = Any

SETTLED = 1e-6
"""Relative change of the strength from one step to the next below which it has been found."""
NOTHING: State = {}


class Price(NamedTuple):
    """What parameters cost in one step.

    Attributes:
        strength: Of the cost 1/2 |r|^2 + 1/2 strength |params|^2.
        known: The data's linearization where the step begins, if it was made.
        evidence: What the data say of the strength, if they were asked.
        settled: Whether the next step's strength is the same.
        state: What the next step needs to know.
    """

    strength: float
    known: Linearization | None = None
    evidence: Evidence | None = None
    settled: bool = True
    state: State = NOTHING


class Regularization(Protocol):
    """A rule for the strength."""

    def init(self) -> State:
        """Return what the rule carries from step to step, before the first one."""
        ...

    def price(self, problem: Problem, params: Tensor, state: State) -> Price:
        """Return the strength of the step from params [n]."""
        ...


@dataclass(frozen=True)
class Decay:
    """loss + strength |params|^2: the cost has cost_per_loss times as much, on batches of any size."""

    strength: float

    def init(self) -> State:
        """It never changes."""
        return {}

    def price(self, problem: Problem, params: Tensor, state: State) -> Price:
        """In units of the cost."""
        return Price(2 * problem.cost_per_loss * self.strength)


@dataclass(frozen=True)
class Bayesian:
    """The strength alpha / beta that the data ask for, estimated anew where each step begins.

    See `optimizers.evidence`. The linearization that the step needs anyway gives the eigenvalues of J^T J, so
    that an estimate costs those, as much as three to seven Cholesky factorizations (600 to 61 parameters).
    """

    def init(self) -> State:
        """The strength of the last step."""
        return {"strength": None}

    def price(self, problem: Problem, params: Tensor, state: State) -> Price:
        """A matrix or a loss that is not finite leaves the strength as it was."""
        model, before = problem.linearize(params), state["strength"]
        measured = Measured(
            eigenvalues=problem.algebra.eigenvalues(model.curvature),
            squared_errors=2 * problem.cost_per_loss * problem.loss(params),
            squared_params=float(problem.algebra.square(params)),
            observations=problem.observations,
            epsilon=float(np.finfo(problem.algebra.dtype).eps),
        )
        last = first_strength(measured) if before is None else before
        evidence = evidence_of(measured, last)
        strength = last if evidence is None else next_strength(evidence, last)
        settled = evidence is None or (before is not None and _near(strength, before))
        return Price(strength, model, evidence, settled, {"strength": strength})


def _near(strength: float, before: float) -> bool:
    return abs(strength - before) <= SETTLED * before


@dataclass(frozen=True)
class Regularized:
    """An optimizer on the cost 1/2 |r|^2 + 1/2 strength |params|^2.

    Trials, gain ratios and the gradient are of this cost; the loss that is reported is that of the data. A
    step that finds no progress ends nothing while the strength still changes.

    Attributes:
        inner: Makes the steps.
        rule: Decides the strength.
    """

    inner: SecondOrder
    rule: Regularization
    _own: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_own", frozenset(self.rule.init()))

    def init(self, problem: Problem, params: Tensor) -> State:
        """The inner state and the rule's."""
        return {**self.inner.init(problem, params), **self.rule.init()}

    def step(self, problem: Problem, params: Tensor, state: State) -> tuple[Tensor, State, StepInfo]:
        """One inner step on the cost with its price."""
        price = self.rule.price(problem, params, state)
        known = None if price.known is None else (params, price.known)
        whole = PenalizedProblem(problem, price.strength, known)
        own = {name: value for name, value in state.items() if name not in self._own}
        moved, following, info = self.inner.step(whole, params, own)
        return moved, {**following, **price.state}, self._told(problem, price, info, (params, moved))

    def _told(self, problem: Problem, price: Price, info: StepInfo, ends: tuple[Tensor, Tensor]) -> StepInfo:
        """What the step did, in terms of the data's loss before and after it."""
        before, after = ends
        evidence, found = price.evidence, info.status
        told = replace(
            info,
            loss_before=problem.loss(before),
            losses=np.array([problem.loss(after)]),
            supersedes=True,
            criterion=float(info.losses[-1]),
            unsettled=not price.settled,
            status=None if found is Status.NO_PROGRESS and not price.settled else found,
        )
        if evidence is None:
            return told
        return replace(
            told,
            criterion=-evidence.log_evidence,
            effective_parameters=evidence.effective_parameters,
            alpha=evidence.alpha,
            beta=evidence.beta,
        )


REGULARIZATIONS: dict[str, Callable[[Any], Regularization]] = {
    "decay": lambda config: Decay(config.strength),
    "bayesian": lambda config: Bayesian(),
}
"""By the config's name; `none` needs no rule."""


def build_regularization(config: RegularizationConfig) -> Regularization:
    """Return the rule that a config names."""
    return REGULARIZATIONS[config.name](config)
