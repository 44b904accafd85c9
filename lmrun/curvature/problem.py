"""Loss, linearization and Hessian over one batch, as functions of the parameters: what an optimizer sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import tensorflow as tf

from lmrun.curvature.batch import Batch
from lmrun.curvature.bounds import Bounds
from lmrun.curvature.chunks import Arguments, Chunks
from lmrun.curvature.forms import FORMS, Form
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.projection import Landing, Projection
from lmrun.curvature.sampling import sample
from lmrun.curvature.selection import Selection
from lmrun.curvature.summation import PLAIN, Summation
from lmrun.curvature.trial import Linearization, Trial, cut_short, landed
from lmrun.distribution.reducer import Reducer
from lmrun.linalg.algebra import INVALID, WHOLE, Algebra, Damping, Motion, Vector
from lmrun.seeding import Stream, generator

Tensor = Any


class Problem:
    """One batch of one model and loss.

    Args:
        kernels: The compiled functions.
        batch: The rows.
        algebra: Where the dense algebra happens.
        seed: The config's; decides, with the step, what a random loss draws.
        form: The form of J^T J; the matrix itself if not given.
        projection: Where given, the last layer is solved for after every damped step.
        bounds: Of the parameters; steps end at them.
        reducer: The workers whose rows these are; the batch has this worker's share of them.
        passing: Whether this is the batch of one step: the linearization then knows the loss before it. A
            longer one's is always of the same kernel, or a resumed run would differ in the last digit.
        summation: How sums over the rows are made.
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
        bounds: Bounds | None = None,
        reducer: Reducer | None = None,
        passing: bool = False,
        summation: Summation = PLAIN,
    ) -> None:
        self.kernels = kernels
        self.batch = batch
        self.algebra = algebra
        self.form = form or FORMS["gram"](kernels, algebra)
        self.projection = projection
        self.bounds = bounds
        self.passing = passing
        self.chunks = Chunks(kernels, batch, algebra, seed, reducer, summation=summation)
        self.weight = summation.weight(batch, self.chunks.reducer)
        """Sum of the weights of all rows."""
        self.cost_per_loss = 0.5 * kernels.loss.scale(kernels.graph.width) * self.weight
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

    @cached_property
    def observations(self) -> int:
        """Residuals of rows that count: their weight is not zero."""
        counted = sum(int(np.count_nonzero(np.asarray(rows[2]))) for rows in self.chunks.plain)
        (rows,) = self.chunks.reducer.total(counted)
        return int(rows) * self.kernels.loss.components(self.kernels.graph.width)

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
        return self.chunks.total(sums, self.algebra.total) / (self.weight or 1.0)

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

        total = self.chunks.total(self.chunks.each(value, self.chunks.plain), sum)
        return float(total) / (self.weight or 1.0)

    def gradient(self, params: Tensor) -> Vector:
        """Return the gradient of the cost over all rows [n]."""

        def gradient(rows: Arguments) -> Tensor:
            return self.kernels.value_and_gradient(params, *rows)[1]

        total = self.chunks.summed(self.chunks.each(gradient, self.chunks.plain))
        with np.errstate(over="ignore", invalid="ignore"):
            return self.algebra.adopt(self.cost_per_loss / (self.weight or 1.0) * total)

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
                self._known = (params, float(value) / (self.weight or 1.0))
            free = None if self.bounds is None else self.bounds.free(params, gradient)
            if free is not None:
                return self._by(free, params, gradient)
            return Linearization(curvature, gradient, self.algebra.largest(gradient), None, selection)
        gradient = self.gradient(params)
        chunks = self._sampled(rows)
        curvature = self.form.linearize(chunks, params, selection, gradient).curvature
        return Linearization(curvature, gradient, self.algebra.largest(gradient), chunks, selection)

    def _by(self, free: Selection, params: Tensor, gradient: Vector) -> Linearization:
        """Linearize anew by the parameters that no bound holds; the gradient by the others is met by it."""
        curvature = self.form.linearize(self.chunks, params, free).curvature
        by_free = np.asarray(free.take(gradient))
        return Linearization(curvature, gradient, float(np.max(np.abs(by_free), initial=0.0)), None, free)

    def _sampled(self, share: float) -> Chunks:
        draw = generator(self.seed, Stream.SAMPLE, self.step, *self.chunks.place)
        drawn = sample(self.batch, share, self.algebra.workers, draw)
        chunks = Chunks(self.kernels, drawn, self.algebra, self.seed, self.chunks.reducer)
        chunks.step = self.step
        return chunks

    def second_order(self, params: Tensor, *, modified: bool = False) -> Linearization:
        """Return the Hessian and the gradient of the cost.

        Args:
            params: [n].
            modified: Whether steps are by a positive definite matrix near the Hessian (`linalg.modified`).
        """

        def both(rows: Arguments) -> Any:
            return self.kernels.gradient_and_hessian(params, *rows)

        gradient, hessian = self.chunks.folded(both)
        factor = self.cost_per_loss / (self.weight or 1.0)
        slope, free = factor * gradient, None
        if self.bounds is not None:
            free = self.bounds.free(params, slope)
        if free is None:
            curvature = self.algebra.matrix(factor * hessian, slope, modified=modified)
            return Linearization(curvature, curvature.gradient, self.algebra.largest(curvature.gradient))
        some = factor * np.asarray(hessian)[np.ix_(free.mask, free.mask)]
        curvature = self.algebra.matrix(some, np.asarray(free.take(slope)), modified=modified)
        return Linearization(curvature, slope, self.algebra.largest(curvature.gradient), None, free)

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
        settle: Callable[[Vector], Tensor | None] = partial(self._settled, params, selection)
        if self.projection is not None:
            # The last layer is not damped, and solved for where the step leads.
            held = self.projection.scaling(scaling, model.curvature.diagonal, damping)
            damped, settle = replace(damped, scaling=held), partial(self.projection.solve, self.chunks)

        def bend(direction: Tensor) -> Vector:
            if selection is None:
                return self.form.bend(chunks, params, direction)
            bent = self.form.bend(chunks, params, selection.spread(direction))
            return bent if self.form.by_rows else selection.take(bent)

        landing = Landing(settle, self._loss_tensor)
        begin = params if selection is None else selection.take(params)
        step = self.algebra.damped_step(
            model.curvature, damped, begin, landing, bend if accelerate else None, motion
        )
        fewer = None if self.bounds is None else self.bounds.unblocked(params, selection, step[0])
        if fewer is not None:
            if not fewer.count:
                return Trial(params, float("nan"), INVALID)
            by_all = scaling if selection is None else selection.spread(scaling)
            return self.damped_trial(
                params,
                self._by(fewer, params, model.gradient),
                damping,
                self.algebra.adopt(fewer.take(by_all)),
                accelerate=accelerate,
                radius=radius,
                motion=motion._replace(drift=None),
            )
        return cut_short(self.bounds, params, model, landed(params, selection, landing, step))

    def newton_trial(self, params: Tensor, model: Linearization, length: float = 1.0) -> Trial:
        """Try the step length matrix^-1 (-gradient)."""
        selection = model.selection
        landing = Landing(partial(self._settled, params, selection), self._loss_tensor)
        begin = params if selection is None else selection.take(params)
        step = self.algebra.newton_step(model.curvature, begin, landing, length)
        return cut_short(self.bounds, params, model, landed(params, selection, landing, step))

    def _settled(self, params: Tensor, selection: Selection | None, moved: Vector) -> Tensor:
        """Where a step by some parameters leads, within the bounds [n]."""
        whole = moved if selection is None else selection.put(params, moved)
        return self.kernels.point(whole if self.bounds is None else self.bounds.clip(whole))

    def accept(self, trial: Trial) -> Tensor:
        """Remember the loss of an accepted trial and return its parameters."""
        self._known = (trial.params, trial.loss)
        return trial.params
