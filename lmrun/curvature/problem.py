"""Loss, linearization and Hessian over one batch, as functions of the parameters: what an optimizer sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from lmrun.curvature.batch import Batch
from lmrun.curvature.chunks import Arguments, Chunks, added
from lmrun.curvature.forms import FORMS, Form
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.projection import Landing, Projection
from lmrun.curvature.sampling import sample
from lmrun.curvature.selection import Selection
from lmrun.linalg.algebra import WHOLE, Algebra, Curvature, Damping, Motion, StepScalars, Vector
from lmrun.seeding import Stream, generator

Tensor = Any


@dataclass(frozen=True)
class Linearization:
    """The quadratic model of the cost at one point.

    Attributes:
        curvature: The Gauss-Newton matrix J^T J or the Hessian of the cost.
        gradient: Of the cost, J^T r [n], by all parameters.
        gradient_norm: Largest |element| of the gradient.
        chunks: The rows that J^T J is of, where that is a sample.
        selection: The parameters that J^T J is by, where those are some.
    """

    curvature: Curvature
    gradient: Vector
    gradient_norm: float
    chunks: Chunks | None = None
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A step that was tried.

    Attributes:
        params: Where it leads [n].
        loss: The loss there; NaN for a step that is not valid.
        scalars: What was known before.
    """

    params: Tensor
    loss: float
    scalars: StepScalars

    @property
    def valid(self) -> bool:
        """Whether the step and its loss are finite."""
        return self.scalars.valid and bool(np.isfinite(self.loss))


class Problem:
    """One batch of one model and loss.

    Args:
        kernels: The compiled functions.
        batch: The rows.
        algebra: Where the dense algebra happens.
        seed: The config's; decides, with the step, what a random loss draws.
        form: The form of J^T J; the matrix itself if not given.
        projection: Where given, the last layer is solved for after every damped step.
        passing: Whether this is the batch of one step: the linearization then knows the loss before it. A
            longer one's is always of the same kernel, or a resumed run would differ in the last digit.
    """

    def __init__(
        self,
        kernels: Kernels,
        batch: Batch,
        algebra: Algebra,
        seed: int = 0,
        form: Form | None = None,
        *,
        projection: Projection | None = None,
        passing: bool = False,
    ) -> None:
        self.kernels = kernels
        self.batch = batch
        self.algebra = algebra
        self.form = form or FORMS["gram"](kernels, algebra)
        self.projection = projection
        self.passing = passing
        self.chunks = Chunks(kernels, batch, algebra, seed)
        self.cost_per_loss = 0.5 * kernels.loss.scale(kernels.graph.width) * batch.weight
        """cost = cost_per_loss * loss, see `losses.base`."""
        self.progress = 0.0
        """The share of the run's planned steps that is behind the present one."""
        self._known: tuple[Tensor, float] | None = None

    @property
    def seed(self) -> int:
        """The config's."""
        return self.chunks.seed

    @property
    def step(self) -> int:
        """Steps made before the present one."""
        return self.chunks.step

    @step.setter
    def step(self, number: int) -> None:
        self.chunks.step = number

    def loss(self, params: Tensor) -> float:
        """Return the loss at params [n]; the last one evaluated is remembered."""
        if self._known is None or not self._knows(params):
            self._known = (params, self._loss(params))
        return self._known[1]

    def _knows(self, params: Tensor) -> bool:
        return self._known is not None and self._known[0] is params

    def _loss(self, params: Tensor) -> float:
        return float(self._loss_tensor(params))

    def _loss_tensor(self, params: Tensor) -> Tensor:
        """The loss, a number on the host, a float64 scalar on a device."""

        def value(rows: Arguments) -> Tensor:
            return self.kernels.value(params, *rows)

        sums = self.chunks.each(value, self.chunks.plain)
        # Rows of weight zero only have nothing to lose.
        return self.algebra.total(sums) / (self.batch.weight or 1.0)

    def settle(self, params: Tensor) -> Tensor:
        """Return where to start from [n]: with a projection, the last layer solved for where that is better.

        Otherwise the first step would be by a linear model far from where that holds, the layer being
        undamped.
        """
        solved = None if self.projection is None else self.projection.solve(self.chunks, params)
        return solved if solved is not None and self._loss(solved) <= self.loss(params) else params

    def first_calls(
        self, params: Tensor, selection: Selection | None, rows: float, *, accelerate: bool
    ) -> list[Callable[[], Any]]:
        """Return what a first step calls one after the other, what takes longest to compile first."""
        calls: list[Callable[[], Any]] = [
            partial(self.linearize, params, selection, rows),
            partial(self.loss, params),
        ]
        if self.projection is not None:
            calls.append(partial(self.projection.solve, self.chunks, params))
        return [partial(self.form.bend, self.chunks, params, params), *calls] if accelerate else calls

    def zero_loss(self) -> float:
        """Return the loss of a model whose outputs are all zero."""

        def value(rows: Arguments) -> float:
            _, targets, weights = rows
            return float(self.kernels.zero_loss(targets, weights)) * float(tf.reduce_sum(weights))

        return sum(self.chunks.each(value, self.chunks.plain)) / (self.batch.weight or 1.0)

    def gradient(self, params: Tensor) -> Vector:
        """Return the gradient of the cost over all rows [n]."""

        def gradient(rows: Arguments) -> Tensor:
            return self.kernels.value_and_gradient(params, *rows)[1]

        total = added(self.chunks.each(gradient, self.chunks.plain))
        with np.errstate(over="ignore", invalid="ignore"):
            return self.algebra.adopt(self.cost_per_loss / (self.batch.weight or 1.0) * total)

    def linearize(
        self, params: Tensor, selection: Selection | None = None, rows: float = 1.0
    ) -> Linearization:
        """Return J^T J and J^T r, in the problem's form.

        Args:
            params: [n].
            selection: The parameters that J^T J is by, if not all.
            rows: The share of the rows that J^T J is of, drawn anew for each step; the gradient is always
                that of all rows.
        """
        if rows >= 1:
            curvature, own, value = self.form.linearize(self.chunks, params, selection)
            gradient = self.algebra.adopt(own)
            if self.passing and value is not None and not self._knows(params):
                self._known = (params, float(value) / (self.batch.weight or 1.0))
            return Linearization(curvature, gradient, self.algebra.largest(gradient), None, selection)
        gradient = self.gradient(params)
        chunks = self._sampled(rows)
        curvature = self.form.linearize(chunks, params, selection, gradient).curvature
        return Linearization(curvature, gradient, self.algebra.largest(gradient), chunks, selection)

    def _sampled(self, share: float) -> Chunks:
        draw = generator(self.seed, Stream.SAMPLE, self.step)
        drawn = sample(self.batch, share, self.algebra.workers, draw)
        chunks = Chunks(self.kernels, drawn, self.algebra, self.seed)
        chunks.step = self.step
        return chunks

    def second_order(self, params: Tensor, *, modified: bool = False) -> Linearization:
        """Return the Hessian and the gradient of the cost.

        Args:
            params: [n].
            modified: Whether steps are by a positive definite matrix near the Hessian (`linalg.modified`).
        """
        plain, workers = self.chunks.plain, self.chunks.workers
        shares = [plain[worker::workers] for worker in range(workers)]
        sums = self.chunks.each(partial(self._gradient_and_hessian, params), shares)
        gradient, hessian = (tf.add_n(parts) for parts in zip(*sums, strict=True))
        factor = self.cost_per_loss / (self.batch.weight or 1.0)
        curvature = self.algebra.matrix(factor * hessian, factor * gradient, modified=modified)
        return Linearization(curvature, curvature.gradient, self.algebra.largest(curvature.gradient))

    def _gradient_and_hessian(self, params: Tensor, share: Sequence[Arguments]) -> tuple[Tensor, Tensor]:
        """Add up a worker's chunks: it holds one sum, however many there are."""
        gradient, hessian = self.kernels.gradient_and_hessian(params, *share[0])
        for rows in share[1:]:
            more = self.kernels.gradient_and_hessian(params, *rows)
            gradient, hessian = gradient + more[0], hessian + more[1]
        return gradient, hessian

    def damped_trial(
        self,
        params: Tensor,
        model: Linearization,
        damping: float,
        scaling: Vector,
        *,
        accelerate: bool = False,
        radius: float | None = None,
        motion: Motion = WHOLE,
    ) -> Trial:
        """Try the step (J^T J + damping D)^-1 (-gradient), bent along the geodesic where asked.

        With a model by k selected parameters, `scaling` and the drift of `motion` are [k].
        """
        chunks, selection = model.chunks or self.chunks, model.selection
        damped = Damping(damping, scaling, radius)
        if selection is None:
            bend = partial(self.form.bend, chunks, params) if accelerate else None
            settle: Callable[[Vector], Tensor | None] = self.kernels.point
            if self.projection is not None:
                # The last layer is not damped, and solved for where the step leads.
                held = self.projection.scaling(scaling, model.curvature.diagonal, damping)
                damped, settle = replace(damped, scaling=held), partial(self.projection.solve, self.chunks)
            landing = Landing(settle, self._loss_tensor)
            return _landed(
                landing,
                self.algebra.damped_step(model.curvature, damped, params, landing, bend, motion),
            )

        def loss(some: Tensor) -> Tensor:
            return self._loss_tensor(selection.put(params, some))

        def bend_some(direction: Tensor) -> Vector:
            bent = self.form.bend(chunks, params, selection.spread(direction))
            return bent if self.form.by_rows else selection.take(bent)

        some, reached, scalars = self.algebra.damped_step(
            model.curvature, damped, selection.take(params), loss, bend_some if accelerate else None, motion
        )
        return Trial(selection.put(params, some), reached, scalars)

    def newton_trial(self, params: Tensor, model: Linearization, length: float = 1.0) -> Trial:
        """Try the step length matrix^-1 (-gradient)."""
        landing = Landing(self.kernels.point, self._loss_tensor)
        return _landed(landing, self.algebra.newton_step(model.curvature, params, landing, length))

    def accept(self, trial: Trial) -> Tensor:
        """Remember the loss of an accepted trial and return its parameters."""
        self._known = (trial.params, trial.loss)
        return trial.params


def _landed(landing: Landing, step: tuple[Vector, float, StepScalars]) -> Trial:
    """The trial that an algebra's step is; one that is not valid leads nowhere."""
    moved, loss, scalars = step
    return Trial(moved if landing.params is None else landing.params, loss, scalars)
