"""Variable projection against dense least squares and Kaufman's matrix."""

from collections import Counter
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmrun.curvature.batch import split_batch
from lmrun.curvature.forms import FORMS
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.problem import Problem
from lmrun.curvature.projection import Projection
from lmrun.datasets.base import Split
from lmrun.errors import ConfigError
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra
from lmrun.linalg.truncation import Truncation
from lmrun.losses.elementwise import Huber, MeanSquaredError
from lmrun.models.network import Network

EXACT = Truncation(tolerance=1e-13, progress=0)
ALGEBRAS = {"host": HostAlgebra("float64", EXACT), "device": DeviceAlgebra("float64", EXACT)}
ROWS = 40


def with_inputs_beside(make_mlp):
    """A functional model whose last layer reads the inputs too."""
    inputs = keras.Input((2,), dtype="float64")
    hidden = keras.layers.Dense(3, "tanh", dtype="float64")(inputs)
    joined = keras.layers.Concatenate(dtype="float64")([hidden, inputs])
    network = Network(keras.Model(inputs, keras.layers.Dense(2, dtype="float64")(joined)))
    # Beside the inputs, the features of small weights would be nearly dependent.
    network.assign(np.random.default_rng(3).normal(size=network.size))
    return network


NETWORKS = {
    "one output": lambda make_mlp: make_mlp(2, [3]),
    "three outputs": lambda make_mlp: make_mlp(2, [3], 3),
    "no bias": lambda make_mlp: make_mlp(2, [4], 2, bias=False),
    "functional": with_inputs_beside,
}


@pytest.fixture(scope="module", params=NETWORKS)
def case(request, make_mlp):
    rng = np.random.default_rng(5)
    network = NETWORKS[request.param](make_mlp)
    kernels = Kernels(network, MeanSquaredError())
    inputs, weights = rng.normal(size=(ROWS, 2)), rng.uniform(0.5, 2, ROWS)
    targets = rng.normal(size=(ROWS, kernels.graph.width))
    return SimpleNamespace(
        kernels=kernels,
        network=network,
        inputs=inputs,
        targets=targets,
        weights=weights,
        split=Split(inputs, targets, weights),
        params=tf.constant(network.params()),
        projections={place: Projection(kernels, algebra) for place, algebra in ALGEBRAS.items()},
    )


def make(case, place, form="gram"):
    """A problem in chunks, the last of which is filled up."""
    batch = split_batch(case.split, "float64", 16)
    algebra = ALGEBRAS[place]
    made = FORMS[form](case.kernels, algebra)
    return Problem(case.kernels, batch, algebra, 0, made, projection=case.projections[place])


def features(case, params):
    """Phi [rows, m] of the last layer, and its number of parameters."""
    case.network.assign(np.asarray(params))
    last = case.network.model.layers[-1]
    values = keras.Model(case.network.model.inputs[0], last.input)(tf.constant(case.inputs)).numpy()
    return np.column_stack([values, np.ones(ROWS)]) if last.use_bias else values


@pytest.mark.parametrize("place", ALGEBRAS)
def test_the_last_layer_is_the_least_squares_fit(case, place):
    solved = case.projections[place].solve(make(case, place).chunks, case.params).numpy()
    root = np.sqrt(case.weights)[:, None]
    expected = np.linalg.lstsq(root * features(case, solved), root * case.targets, rcond=None)[0]
    part = case.projections[place].call.part
    own = slice(part.start, part.start + part.size)
    np.testing.assert_allclose(solved[own], expected.ravel(), rtol=1e-8)
    np.testing.assert_array_equal(np.delete(solved, own), np.delete(case.params.numpy(), own))
    refined = case.projections[place].solve(make(case, place).chunks, tf.constant(solved)).numpy()
    np.testing.assert_allclose(refined[own], expected.ravel(), rtol=1e-11)


@pytest.mark.parametrize("place", ALGEBRAS)
@pytest.mark.parametrize("form", ["gram", "qr", "cg"])
def test_the_other_parameters_step_by_kaufmans_matrix(case, place, form):
    """Against (J_a^T P J_a + damping) step = -J_a^T r, P being the projection beside J_c."""
    problem = make(case, place, form)
    start = problem.settle(case.params)
    (rows,) = split_batch(case.split, "float64", ROWS).chunks
    table = case.kernels.plain_jacobian_and_residual(start, *rows).rows.numpy()
    part, J, r = problem.projection.call.part, table[:-1].T, table[-1]
    own = np.arange(part.start, part.start + part.size)
    J_a, J_c = np.delete(J, own, axis=1), J[:, own]
    beside = J_a - J_c @ np.linalg.lstsq(J_c, J_a, rcond=None)[0]
    step = np.linalg.solve(beside.T @ J_a + 0.1 * np.eye(J_a.shape[1]), -J_a.T @ r)
    model = problem.linearize(start)
    trial = problem.damped_trial(start, model, 0.1, problem.algebra.ones_like(model.gradient))
    expected = np.delete(start.numpy(), own) + step
    np.testing.assert_allclose(np.delete(trial.params.numpy(), own), expected, rtol=1e-6)
    assert trial.loss == problem.loss(trial.params)
    resolved = problem.projection.solve(problem.chunks, trial.params)
    np.testing.assert_allclose(resolved, trial.params, rtol=1e-10, atol=1e-12)


def test_a_start_is_solved_for_only_where_that_is_better(case):
    problem = make(case, "host")
    settled = problem.settle(case.params)
    assert problem.loss(settled) < problem.loss(case.params)
    nowhere = tf.constant(np.full(case.network.size, np.nan))
    assert problem.settle(nowhere) is nowhere
    problem.projection = None
    assert problem.settle(case.params) is case.params


@pytest.mark.parametrize("place", ALGEBRAS)
def test_a_step_without_end_is_an_invalid_trial(case, place):
    problem = make(case, place)
    model = problem.linearize(case.params)
    nothing = np.nan * problem.algebra.ones_like(model.gradient)
    trial = problem.damped_trial(case.params, model, 0.1, nothing)
    assert not trial.valid


def test_a_trial_on_a_device_travels_once(case, round_trips):
    problem = make(case, "device")
    model = problem.linearize(case.params)
    scaling = problem.algebra.ones_like(model.gradient)
    for _ in range(2):
        round_trips.clear()
        trial = problem.damped_trial(case.params, model, 0.1, scaling, accelerate=True)
    assert trial.valid
    assert round_trips == Counter(numpy=1)


def activated(inputs):
    return keras.layers.Dense(1, "tanh", dtype="float64")(inputs)


def by_position(inputs):
    return keras.layers.Dense(1, dtype="float64")(keras.layers.Reshape((2, 1), dtype="float64")(inputs))


def twice(inputs):
    layer = keras.layers.Dense(2, dtype="float64")
    return layer(layer(inputs))


def frozen(inputs):
    hidden = keras.layers.Dense(2, dtype="float64")(inputs)
    return keras.layers.Dense(1, trainable=False, dtype="float64")(hidden)


def two_outputs(inputs):
    return [keras.layers.Dense(1, dtype="float64")(inputs) for _ in range(2)]


@pytest.mark.parametrize("build", [activated, by_position, twice, frozen, two_outputs])
def test_other_last_layers_are_refused(build):
    inputs = keras.Input((2,), dtype="float64")
    network = Network(keras.Model(inputs, build(inputs)))
    with pytest.raises(ConfigError, match=r"optimizer\.projection: the last layer.*Use projection: none"):
        Projection(Kernels(network, MeanSquaredError()), ALGEBRAS["host"])


def test_other_losses_are_refused(make_mlp):
    with pytest.raises(ConfigError, match="loss: huber"):
        Projection(Kernels(make_mlp(2, [2]), Huber(1.0)), ALGEBRAS["host"])
