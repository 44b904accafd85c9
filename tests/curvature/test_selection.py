"""Steps by some of the parameters, and J^T J of some of the rows, against the rows of the Jacobian."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from lmrun.curvature.batch import split_batch
from lmrun.curvature.forms import FORMS, ON_DEVICES
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.problem import Problem
from lmrun.curvature.sampling import sample
from lmrun.curvature.selection import Selection
from lmrun.datasets.base import Split
from lmrun.linalg.algebra import Motion
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra
from lmrun.linalg.truncation import Truncation
from lmrun.losses.crossentropy import SparseCategoricalCrossentropy
from lmrun.losses.elementwise import MeanSquaredError
from lmrun.losses.projected import Projected

EXACT = Truncation(tolerance=1e-13, progress=0)
ALGEBRAS = {"host": HostAlgebra("float64", EXACT), "device": DeviceAlgebra("float64", EXACT)}
LOSSES = {
    "mse": MeanSquaredError(),
    "sparse": SparseCategoricalCrossentropy(),
    "projected": Projected(SparseCategoricalCrossentropy(), 2),
}
ROWS, CHUNK = 22, 8
SOME = np.array([0, 2, 3, 7, 9])


# What a loss changes is the kernels, which both places share.
all_losses_somewhere = pytest.mark.parametrize(
    ("case", "place"), [*((loss, "host") for loss in LOSSES), ("projected", "device")], indirect=["case"]
)


@pytest.fixture(scope="module")
def case(request, make_mlp):
    rng = np.random.default_rng(4)
    loss = LOSSES[request.param]
    targets = rng.normal(size=(ROWS, 3)) if request.param == "mse" else rng.integers(0, 3, ROWS)
    network = make_mlp(2, [2], 3)
    kernels = Kernels(network, loss)
    return SimpleNamespace(
        kernels=kernels,
        split=Split(rng.normal(size=(ROWS, 2)), targets, rng.uniform(0.5, 2, ROWS)),
        params=tf.constant(network.params()),
        drift=rng.normal(size=len(SOME)),
        forms={(place, form): FORMS[form](kernels, ALGEBRAS[place]) for place in ALGEBRAS for form in FORMS},
    )


def make(case, place, form, *, step=3, seed=7):
    batch = split_batch(case.split, "float64", CHUNK)
    problem = Problem(case.kernels, batch, ALGEBRAS[place], seed, case.forms[place, form])
    problem.step = step
    return problem


def dense(case, chunks, direction):
    """J [m, n], J^T r_vv [n] and the gradient [n] of chunks."""
    tables, gradients, bends = [], [], []
    for arguments in chunks.keyed:
        linear = case.kernels.jacobian_and_residual(case.params, *arguments)
        tables.append(linear.rows.numpy())
        gradients.append(linear.gradient)
        bends.append(case.kernels.bend(case.params, tf.constant(direction), *arguments).numpy())
    table = np.concatenate(tables, axis=1)
    J = table[:-1].T
    gradient = J.T @ table[-1] if gradients[0] is None else sum(each.numpy() for each in gradients)
    return J, sum(bends), gradient


def spread(size, values):
    whole = np.zeros(size)
    whole[SOME] = values
    return whole


@pytest.mark.parametrize(
    ("form", "share"), [("gram", 1.0), ("gram", 0.5), ("dual", 1.0), ("qr", 0.5), ("cg", 0.5)]
)
@all_losses_somewhere
def test_a_step_by_some_parameters(case, place, form, share):
    problem = make(case, place, form)
    n = case.kernels.network.size
    selection = Selection(tf.constant(SOME, tf.int32), n)
    model = problem.linearize(case.params, selection, share)
    J, _, own = dense(case, model.chunks or problem.chunks, np.zeros(n))
    gradient = own if share == 1 else dense(case, problem.chunks, np.zeros(n))[2]
    np.testing.assert_allclose(model.gradient, gradient, rtol=1e-10, atol=1e-12)
    assert model.gradient_norm == pytest.approx(np.max(np.abs(gradient)), rel=1e-10)
    gram = (J.T @ J)[np.ix_(SOME, SOME)]
    np.testing.assert_allclose(model.curvature.diagonal, np.diag(gram), rtol=1e-10)
    D = np.linspace(0.5, 2, len(SOME))
    damped = gram + 0.1 * np.diag(D)
    straight = np.linalg.solve(damped, -gradient[SOME])
    take = problem.algebra.adopt
    scaling, drift = take(tf.constant(D)), take(tf.constant(case.drift))
    plain = problem.damped_trial(case.params, model, 0.1, scaling, motion=Motion(0.5, drift))
    move = 0.5 * straight + case.drift
    np.testing.assert_allclose(plain.params, case.params + spread(n, move), rtol=1e-9, atol=1e-11)
    others = np.setdiff1d(np.arange(n), SOME)
    np.testing.assert_array_equal(plain.params.numpy()[others], case.params.numpy()[others])
    assert plain.loss == pytest.approx(problem._loss(plain.params), rel=1e-12)
    expected = -(gradient[SOME] @ move) - 0.5 * move @ gram @ move
    assert plain.scalars.predicted_reduction == pytest.approx(expected, rel=1e-8)
    _, bend, _ = dense(case, model.chunks or problem.chunks, spread(n, straight))
    turn = np.linalg.solve(damped, -bend[SOME])
    assert 0.2 * np.linalg.norm(turn) < 0.75 * np.linalg.norm(straight)
    bent = problem.damped_trial(case.params, model, 0.1, scaling, accelerate=True, motion=Motion(0.1))
    moved = case.params + spread(n, 0.1 * straight + 0.005 * turn)
    np.testing.assert_allclose(bent.params, moved, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("form", ON_DEVICES)
@all_losses_somewhere
def test_a_sample_of_the_rows(case, place, form):
    problem = make(case, place, form)
    n = case.kernels.network.size
    model = problem.linearize(case.params, rows=0.5)
    assert model.chunks.batch.samples == 12
    J, _, _ = dense(case, model.chunks, np.zeros(n))
    gradient = dense(case, problem.chunks, np.zeros(n))[2]
    np.testing.assert_allclose(model.gradient, gradient, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(problem.gradient(case.params), gradient, rtol=1e-10, atol=1e-12)
    scaling = problem.algebra.ones_like(model.gradient)
    trial = problem.damped_trial(case.params, model, 0.1, scaling)
    straight = np.linalg.solve(J.T @ J + 0.1 * np.eye(n), -gradient)
    np.testing.assert_allclose(trial.params, case.params + straight, rtol=1e-8, atol=1e-10)
    assert trial.loss == pytest.approx(problem._loss(trial.params), rel=1e-12)


@pytest.mark.parametrize("case", LOSSES, indirect=True)
def test_the_sample_depends_on_seed_and_step(case):
    def diagonal(**settings):
        return make(case, "host", "gram", **settings).linearize(case.params, rows=0.5).curvature.diagonal

    np.testing.assert_array_equal(diagonal(), diagonal())
    assert np.all(diagonal() != diagonal(step=4))
    assert np.all(diagonal() != diagonal(seed=8))


def batch_of(count, chunk):
    """Rows whose inputs are their numbers, of the weights 1, 2 and 3 in turn."""
    inputs, weights = np.arange(count, dtype=float)[:, None], 1.0 + np.arange(count) % 3
    return split_batch(Split(inputs, 10 * inputs, weights), "float64", chunk)


def drawn(batch, share, seed, workers=2):
    return sample(batch, share, workers, np.random.default_rng(seed))


def test_a_sample_has_no_row_twice():
    sampled = drawn(batch_of(40, 10), 0.3, 0)
    numbers = np.concatenate([chunk.inputs.numpy()[0] for chunk in sampled.chunks])
    assert len(set(numbers)) == len(numbers) == sampled.samples == 12
    # The same number of every chunk.
    np.testing.assert_array_equal(np.bincount(numbers.astype(int) // 10), [3, 3, 3, 3])
    for chunk in sampled.chunks:
        np.testing.assert_array_equal(chunk.targets, 10 * chunk.inputs.numpy().T)
        np.testing.assert_allclose(chunk.weights, (1 + chunk.inputs[0] % 3) * 10 / 3)


def test_a_sample_is_the_batch_on_average():
    """Each row by its inclusion: the mean over many draws of the sampled weights are the weights."""
    batch, totals = batch_of(17, 5), np.zeros(17)
    for seed in range(1500):
        for chunk in drawn(batch, 0.4, seed).chunks:
            # The filling repeats row 0 without weight.
            np.add.at(totals, chunk.inputs.numpy()[0].astype(int), chunk.weights.numpy())
    np.testing.assert_allclose(totals / 1500, 1 + np.arange(17) % 3, rtol=0.13)


@pytest.mark.parametrize(
    ("chunks", "share", "workers", "expected"),
    [
        (6, 0.5, 1, [10] * 3),
        (6, 0.3, 1, [9] * 2),
        (6, 0.1, 1, [6]),
        (6, 0.1, 2, [3] * 2),
        (7, 0.3, 2, [3] * 7),
        (1, 0.01, 2, [1]),
        (2, 0.9, 2, [9] * 2),
    ],
)
def test_small_chunks_are_joined(chunks, share, workers, expected):
    sampled = drawn(batch_of(10 * chunks, 10), share, 0, workers)
    assert [len(chunk.weights) for chunk in sampled.chunks] == expected
    assert sampled.samples == sum(expected)
