"""A problem whose rows lie on two workers, here two threads, is that of all rows."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from lmrun.curvature.batch import split_batch
from lmrun.curvature.forms import FORMS
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.problem import Problem
from lmrun.datasets.base import Split
from lmrun.distribution.reducer import Alone
from lmrun.distribution.shares import cut
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra
from lmrun.losses.elementwise import MeanSquaredError

ROWS = 9
"""Of a share, which is a chunk: one shape serves all problems."""
PLACES = {"host": HostAlgebra, "device": DeviceAlgebra}


class Thread(Alone):
    """Sums over two threads."""

    def __init__(self, index, told, ready):
        super().__init__()
        self.index, self.workers, self.told, self.ready = index, 2, told, ready

    def _all(self, values):
        self.told[self.index] = values
        self.ready.wait()
        both = list(self.told)
        self.ready.wait()
        return both

    def total(self, *values):
        self.numbers += sum(int(np.size(value)) for value in values)
        return [one + other for one, other in zip(*self._all(values), strict=True)]

    def stack(self, value):
        return self._all(value)


@pytest.fixture(scope="module")
def case(make_mlp):
    rng = np.random.default_rng(5)
    rows = Split(rng.normal(size=(2 * ROWS, 2)), rng.normal(size=(2 * ROWS, 1)))
    return Kernels(make_mlp(2, [3]), MeanSquaredError()), rows


def by_two(case, algebra, form, ask):
    """Return what two workers answer, and how many numbers each gave to sums."""
    kernels, rows = case
    told, ready = [None, None], Barrier(2, timeout=20)

    def one(index):
        share = split_batch(cut(rows, index * ROWS, (index + 1) * ROWS), "float64", ROWS)
        reducer = Thread(index, told, ready)
        problem = Problem(kernels, share, algebra, form=FORMS[form](kernels, algebra), reducer=reducer)
        return ask(problem), reducer.numbers

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(one, range(2)))


def by_one(case, algebra, form, ask):
    kernels, rows = case
    batch = split_batch(rows, "float64", ROWS)
    return ask(Problem(kernels, batch, algebra, form=FORMS[form](kernels, algebra)))


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", ["gram", "qr", "cg"])
def test_a_step_is_that_of_all_rows(case, place, form):
    if (place, form) == ("device", "cg"):
        pytest.skip("its products are inside a compiled loop, and refused")
    algebra = PLACES[place]("float64")
    params = case[0].point(case[0].network.params())

    def ask(problem):
        model = problem.linearize(params)
        trial = problem.damped_trial(params, model, 0.1, algebra.ones_like(model.gradient), accelerate=True)
        bend = problem.form.bend(problem.chunks, params, params)
        scalars = (problem.loss(params), problem.zero_loss(), trial.loss)
        return (*scalars, model.gradient, model.curvature.diagonal, trial.params, bend)

    expected = by_one(case, algebra, form, ask)
    for found, _ in by_two(case, algebra, form, ask):
        assert_same(found, expected)


@pytest.mark.parametrize("place", PLACES)
def test_a_linearization_moves_the_matrix_and_the_gradient(case, place):
    algebra, n = PLACES[place]("float64"), case[0].network.size
    params = case[0].point(case[0].network.params())

    def ask(problem):
        before = problem.chunks.reducer.numbers
        problem.linearize(params)
        return problem.chunks.reducer.numbers - before

    matrix = n * (n + 1) // 2 + n + 1 if place == "host" else n * n + n
    # With the loss.
    assert [moved for moved, _ in by_two(case, algebra, "gram", ask)] == [matrix + 1] * 2


def test_the_hessian_is_that_of_all_rows(case):
    algebra = HostAlgebra("float64")
    params = case[0].point(case[0].network.params())

    def ask(problem):
        model = problem.second_order(params)
        return model.gradient, model.curvature.matrix, problem.gradient(params)

    expected = by_one(case, algebra, "gram", ask)
    for found, _ in by_two(case, algebra, "gram", ask):
        assert_same(found, expected)
