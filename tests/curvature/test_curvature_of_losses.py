"""The curvatures of the losses through a network, against dense NumPy and automatic differentiation."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from lmrun.curvature import batch as batches
from lmrun.curvature.batch import split_batch
from lmrun.curvature.graph import Graph
from lmrun.curvature.jacobian import linearize
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.problem import Problem
from lmrun.datasets.base import Split
from lmrun.linalg.host import HostAlgebra
from lmrun.losses.crossentropy import BinaryCrossentropy, SparseCategoricalCrossentropy
from lmrun.losses.custom import CustomResidual, CustomValue
from lmrun.losses.projected import Projected
from lmrun.losses.square_root import SquareRoot

ROWS, OUTPUTS = 6, 3
BINARY, SPARSE = BinaryCrossentropy(), SparseCategoricalCrossentropy()
LOSSES = {
    "binary exact": BINARY,
    "binary projected": Projected(BINARY, 2),
    "binary square-root": SquareRoot(BINARY),
    "sparse exact": SPARSE,
    "sparse projected": Projected(SPARSE, 1),
    "sparse square-root": SquareRoot(SPARSE),
    "custom residual": CustomResidual(lambda z, t: tf.exp(0.3 * z[:, :2]) - t[:, :2], 2),
    "custom value": CustomValue(
        lambda z, t: tf.reduce_sum(tf.square(z - t), axis=-1),
        lambda z, t: 2**0.5 * tf.linalg.diag(tf.ones_like(z)),
        OUTPUTS,
    ),
}
KEY = tf.constant([5, 9])


@pytest.fixture(scope="module")
def model(make_mlp):
    """A network, its outputs and their Jacobian [rows, outputs, n] by automatic differentiation."""
    rng = np.random.default_rng(4)
    network = make_mlp(2, [3], OUTPUTS)
    graph, params = Graph(network), tf.constant(network.params())
    inputs, weights = rng.normal(size=(ROWS, 2)), rng.uniform(0.5, 2, ROWS)
    columns = tf.constant(inputs.T)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        outputs = tf.transpose(graph.outputs(params, columns))
    jacobian = tape.jacobian(outputs, params, experimental_use_pfor=False).numpy()
    return SimpleNamespace(
        network=network,
        graph=graph,
        params=params,
        inputs=inputs,
        columns=columns,
        weights=weights,
        outputs=outputs,
        jacobian=jacobian,
        binary=rng.integers(0, 2, (ROWS, OUTPUTS)).astype(float),
        sparse=rng.integers(0, OUTPUTS, ROWS),
        custom=rng.normal(size=(ROWS, OUTPUTS)),
    )


def targets_of(model, name):
    return getattr(model, name.split()[0])


def linear(model, name, key=KEY):
    """The Jacobian [n, q rows], the residual [q rows] and the gradient beside them."""
    targets = tf.constant(targets_of(model, name))
    rows, gradient, _ = linearize(
        model.graph, LOSSES[name], model.params, model.columns, targets, tf.constant(model.weights), key
    )
    return rows[:-1].numpy(), rows[-1].numpy(), gradient


def cost_gradient(model, name):
    """Of 1/2 scale sum of w l, by the tape."""
    loss = LOSSES[name]
    with tf.GradientTape() as tape:
        tape.watch(model.params)
        outputs = tf.transpose(model.graph.outputs(model.params, model.columns))
        values = loss.values(outputs, tf.constant(targets_of(model, name)))
        cost = 0.5 * loss.scale(OUTPUTS) * tf.reduce_sum(model.weights * values)
    return tape.gradient(cost, model.params).numpy()


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_exact(name, model):
    jacobian, residual, gradient = linear(model, name)
    if gradient is None:
        gradient = jacobian @ residual
    else:
        np.testing.assert_array_equal(residual, 0)
    np.testing.assert_allclose(gradient, cost_gradient(model, name), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["binary exact", "sparse exact"])
def test_the_exact_curvature_in_numpy(name, model):
    """Sum of w J^T H J with H = (diag(p) - p p^T) / 2 of the softmax, diag(p (1 - p)) / 2 of the sigmoid."""
    z = model.outputs.numpy()
    if name == "sparse exact":
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        hessian = np.einsum("ro,op->rop", p, np.eye(OUTPUTS)) - p[:, :, None] * p[:, None]
    else:
        p = 1 / (1 + np.exp(-z))
        hessian = np.einsum("ro,op->rop", p * (1 - p), np.eye(OUTPUTS))
    J = model.jacobian
    expected = np.einsum("r,ron,rop,rpm->nm", 0.5 * model.weights, J, hessian, J)
    jacobian, *_ = linear(model, name)
    np.testing.assert_allclose(jacobian @ jacobian.T, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", LOSSES)
def test_the_rows_are_the_columns_of_the_factor_pulled_back(name, model):
    columns = LOSSES[name].columns(model.outputs, tf.constant(targets_of(model, name)), KEY)
    root = np.sqrt(model.weights)
    expected = [np.einsum("r,ro,ron->rn", root, column, model.jacobian) for column in columns]
    jacobian, *_ = linear(model, name)
    np.testing.assert_allclose(jacobian.T, np.concatenate(expected), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["binary square-root", "sparse square-root", "custom residual"])
def test_least_squares_have_the_jacobian_of_their_residuals(name, model):
    """Of sqrt(w l) per sample (softmax) or per output (sigmoid), or of the user's residuals."""
    targets, root = tf.constant(targets_of(model, name)), np.sqrt(model.weights)

    def residuals(outputs):
        if name == "custom residual":
            return LOSSES[name].function(outputs, targets)
        if name == "sparse square-root":
            return tf.sqrt(SPARSE.values(outputs, targets))[:, None]
        return tf.sqrt(tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=outputs))

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(model.params)
        outputs = tf.transpose(model.graph.outputs(model.params, model.columns))
        flat = tf.reshape(tf.transpose(residuals(outputs)) * root, [-1])
    jacobian, residual, _ = linear(model, name)
    np.testing.assert_allclose(residual, flat, rtol=1e-14)
    expected = tape.jacobian(flat, model.params, experimental_use_pfor=False)
    np.testing.assert_allclose(jacobian.T, expected, rtol=1e-11, atol=1e-13)


def test_the_mean_of_projections_approaches_the_exact_matrix(model):
    """Its error falls like 1 / sqrt(draws): over 100 keys to a tenth of that of one draw on average.

    Twice that is left for luck; the keys are fixed.
    """
    exact, *_ = linear(model, "sparse exact")
    exact = exact @ exact.T
    drawn = [linear(model, "sparse projected", tf.constant([1, draw]))[0] for draw in range(100)]
    errors = np.array([jacobian @ jacobian.T - exact for jacobian in drawn])
    one = np.sqrt(np.mean(np.sum(errors**2, axis=(1, 2))))
    mean = np.sqrt(np.sum(errors.mean(axis=0) ** 2))
    assert one > 0.1 * np.linalg.norm(exact)
    assert mean < 2 * one / 10


@pytest.mark.parametrize("name", LOSSES)
def test_the_bend(name, model):
    """Least squares: J^T r_vv with r_vv by central differences; else J^T F F^T z_vv with that of z."""
    loss, targets = LOSSES[name], tf.constant(targets_of(model, name))
    direction, h = np.random.default_rng(6).normal(size=model.network.size), 1e-4

    def second(function):
        def at(t):
            outputs = tf.transpose(model.graph.outputs(model.params + t * direction, model.columns))
            return function(outputs).numpy()

        return (at(h) - 2 * at(0.0) + at(-h)) / h**2

    factor = np.stack([column.numpy() for column in loss.columns(model.outputs, targets, KEY)], axis=-1)
    if "square-root" in name or name == "custom residual":
        bent = second(lambda z: loss.residual(z, targets))
    else:
        bent = np.einsum("roq,ro->rq", factor, second(lambda z: z))
    kernels = Kernels(model.network, loss)
    rows = (model.params, tf.constant(direction), model.columns, targets, tf.constant(model.weights), KEY)
    weighted = (np.sqrt(model.weights)[:, None] * bent).T.ravel()
    np.testing.assert_allclose(kernels.plain_bent_residual(*rows), weighted, rtol=1e-5, atol=1e-6)
    expected = np.einsum("r,ron,roq,rq->n", model.weights, model.jacobian, factor, bent)
    np.testing.assert_allclose(kernels.plain_bend(*rows), expected, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def make_problem(model):
    """Of a projected loss, in two chunks; nothing in it is compiled."""
    kernels = Kernels(model.network, LOSSES["sparse projected"])
    kernels.jacobian_and_residual = kernels.plain_jacobian_and_residual
    batch = split_batch(Split(model.inputs, model.sparse, model.weights), "float64", 4)

    def make(seed, step, batch=batch):
        problem = Problem(kernels, batch, HostAlgebra("float64"), seed)
        problem.step = step
        return problem

    return make


def test_seed_and_step_decide_the_draw(model, make_problem):
    """A resumed run makes the problem anew, and gets the same matrix at the same step."""
    problem = make_problem(3, 7)
    first = problem.linearize(model.params).curvature.diagonal
    np.testing.assert_array_equal(problem.linearize(model.params).curvature.diagonal, first)
    np.testing.assert_array_equal(make_problem(3, 7).linearize(model.params).curvature.diagonal, first)
    for other in ((3, 8), (4, 7)):
        assert np.abs(make_problem(*other).linearize(model.params).curvature.diagonal - first).max() > 1e-3


def test_chunks_that_are_cut_anew_draw_the_same(model, make_problem, monkeypatch):
    kept = make_problem(3, 7).linearize(model.params)
    monkeypatch.setattr(batches, "KEPT_BYTES", 0)
    batch = split_batch(Split(model.inputs, model.sparse, model.weights), "float64", 4)
    cut = make_problem(3, 7, batch).linearize(model.params)
    assert not isinstance(batch.chunks, tuple)
    np.testing.assert_array_equal(cut.curvature.matrix, kept.curvature.matrix)
    np.testing.assert_array_equal(cut.gradient, kept.gradient)


def test_chunks_draw_for_themselves_and_the_gradient_is_exact(model, make_problem):
    problem = make_problem(3, 7)
    keys = [key for *_, key in problem.chunks.keyed]
    assert not np.array_equal(*keys)
    gradient = problem.linearize(model.params).gradient
    np.testing.assert_allclose(gradient, cost_gradient(model, "sparse projected"), rtol=1e-12, atol=1e-13)
