"""J^T J over many batches: one batch alone may have fewer rows than there are parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lmrun.curvature.problem import Problem
from lmrun.curvature.trial import Linearization
from lmrun.optimizers.base import State

WARM_UP = 10
"""After k batches no more than k / (k + WARM_UP) is kept: near the start J^T J changes with every step."""


@dataclass(frozen=True)
class Memory:
    """K <- share K + (1 - share) J^T J, each per sample weight; K stands for the J^T J of a step.

    The gradient stays that of the batch. Over 1 / (1 - share) batches the rows add up: the step is about as
    good as that of a batch so much larger, as long as J^T J changes slowly beside it, for the price of the
    small one.
    Source: the exponentially decayed curvature of Martens and Grosse 2015, Optimizing neural networks with
    Kronecker-factored approximate curvature, section 5, for the whole matrix; Park, Amari and Fukumizu 2000,
    Adaptive natural gradient learning algorithms for various stochastic models, for its inverse.
    """

    share: float = 0.0

    def init(self) -> State:
        """K [n, n] times a sum of sample weights, that sum, and the number of batches in K."""
        return {"kept": None, "kept_weight": None, "kept_batches": None} if self.share else {}

    def recall(self, problem: Problem, model: Linearization, state: State) -> tuple[Linearization, State]:
        """Return the model with K in place of its J^T J, and what the next step needs to know of K."""
        if not self.share:
            return model, {}
        algebra, curvature, weight = problem.algebra, model.curvature, problem.weight
        count = int(state["kept_batches"] or 0)
        if state["kept"] is not None:
            share = min(self.share, count / (count + WARM_UP))
            curvature = algebra.blend(curvature, state["kept"], share, weight / state["kept_weight"])
        kept = {
            "kept": algebra.kept(curvature),
            "kept_weight": weight,
            "kept_batches": float(count + 1),
        }
        return replace(model, curvature=curvature), kept


NO_MEMORY = Memory()
