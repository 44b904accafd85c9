"""Whole chains in C against the same layers one by one."""

import shutil
from math import prod

import keras
import numpy as np
import pytest
from host_cases import TOLERANCE
from keras_models import randomized

from lmrun.curvature.graph import Graph
from lmrun.curvature.host.activations import ACTIVATIONS
from lmrun.curvature.host.chain import chain_of
from lmrun.curvature.host.native import builder as module
from lmrun.curvature.host.native.builder import native_chain
from lmrun.curvature.host.native.convolution import start_of

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

conv, dense, flatten = keras.layers.Conv2D, keras.layers.Dense, keras.layers.Flatten
NETWORKS = {
    "strides": ((7, 6, 2), lambda: [conv(3, 3, 2, activation="tanh"), conv(2, 2), flatten(), dense(3)]),
    "same": (
        (5, 4, 1),
        lambda: [
            conv(2, 3, padding="same", activation="sigmoid"),
            conv(3, (2, 4), 2, padding="same", activation="relu"),
            flatten(),
            dense(4, activation="tanh"),
            dense(2, activation="sigmoid"),
        ],
    ),
    "line": (
        (9, 2),
        lambda: [keras.layers.Conv1D(3, 3, 2, use_bias=False), flatten(), dense(2, use_bias=False)],
    ),
    "one": ((3, 3, 1), lambda: [conv(2, 3, activation="tanh"), flatten()]),
}
ROWS = (1, 5, 16, 45)
"""Fewer than a group of any width, one, several with some left."""


def chain_for(image, layers, dtype="float64"):
    for layer in layers:
        layer.dtype_policy = keras.DTypePolicy(dtype)
    network = randomized(keras.Sequential([keras.Input(image, dtype=dtype), *layers]))
    return network, chain_of(Graph(network), prod(image))


def in_c(image, plain):
    return native_chain(plain, (image[-1], *image[:-1]))


@pytest.fixture(scope="module", params=NETWORKS)
def chains(request):
    """By dtype: parameters, the layers one by one, and all at once."""
    image, layers = NETWORKS[request.param]

    def both(dtype):
        network, plain = chain_for(image, layers(), dtype)
        native = in_c(image, plain)
        assert native is not None
        return np.asarray(network.params()).astype(dtype), plain, native

    return {dtype: both(dtype) for dtype in TOLERANCE}


def close(one, other):
    scale = max(float(np.abs(other).max()), 1.0)
    assert one.dtype == other.dtype
    np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE[one.dtype.name] * scale)


def derivatives(chain, params, inputs, pieces, dtype):
    """Outputs, gradient and table by pieces, of which more memory lies beside."""
    chain.scratch.clear()
    point = chain.at(params, inputs)
    seed = np.random.default_rng(5).normal(size=point.outputs.shape).astype(dtype)
    outputs = point.outputs.copy()
    gradient = chain.gradient(point, chain.cotangents(params, point, seed.copy()))
    pulled = chain.cotangents(params, point, seed.copy())
    wide = np.full((chain.size, inputs.shape[-1] + 3), np.nan, dtype)
    for piece in pieces:
        chain.table(point, pulled, piece, wide[:, piece])
    assert np.isnan(wide[:, inputs.shape[-1] :]).all()
    return outputs, gradient, wide[:, : inputs.shape[-1]]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("length", [1000, 7], ids=["whole", "pieces"])
def test_a_chain_is_its_layers(chains, dtype, rows, length):
    params, plain, native = chains[dtype]
    # Part of longer rows, as a band is of its chunk.
    inputs = np.random.default_rng(rows).normal(size=(plain.inputs, rows + 2)).astype(dtype)[:, :rows]
    pieces = [slice(start, min(start + length, rows)) for start in range(0, rows, length)]
    ours = derivatives(native, params, inputs, pieces, dtype)
    theirs = derivatives(plain, params, inputs, pieces, dtype)
    for one, other in zip(ours, theirs, strict=True):
        close(one, other)
    direction = np.random.default_rng(7).normal(size=native.size).astype(dtype)
    native.scratch.clear()
    lines = [chain.along(params, direction, chain.at(params, inputs)) for chain in (native, plain)]
    for one, other in zip(*lines, strict=True):
        close(one, other)


def test_samples_that_are_missing_to_a_group_change_nothing(chains):
    """Their part of a group is finite where the last sample is, and weighs nothing."""
    params, _, native = chains["float64"]
    inputs = np.random.default_rng(0).normal(size=(native.plain.inputs, 3))
    inputs[:, 0] = np.nan
    native.scratch.clear()
    point = native.at(params, inputs)
    seed = np.ones_like(point.outputs)
    seed[:, 0] = 0
    table = np.zeros((native.size, 2))
    native.table(point, native.cotangents(params, point, seed), slice(1, 3), table)
    assert np.isfinite(table).all()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("image", [(5, 4, 3), (20, 1), (5, 5, 1)], ids=str)
def test_samples_that_lie_one_after_the_other_make_the_same(image, rows, dtype):
    """They are transposed in squares of a group's width, and what is left of them number by number."""
    layer = keras.layers.Conv1D if len(image) == 2 else conv
    network, plain = chain_for(image, [layer(2, 3, activation="tanh"), flatten()], dtype)
    native, params = in_c(image, plain), np.asarray(network.params()).astype(dtype)
    samples = np.random.default_rng(rows).normal(size=(rows + 1, *image)).astype(dtype)
    by_sample = np.swapaxes(samples, 0, -1)[..., 1:]
    by_number = np.ascontiguousarray(by_sample)
    expected = derivatives(native, params, by_number, [slice(0, rows)], dtype)
    # Every second sample of twice as many, and samples whose numbers lie apart.
    apart = np.repeat(samples, 2, axis=0)[2::2], np.repeat(samples, 2, axis=1)[1:, ::2]
    for inputs in (by_sample, *(np.swapaxes(each, 0, -1) for each in apart)):
        made = derivatives(native, params, inputs, [slice(0, rows)], dtype)
        for one, other in zip(made, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_parameters_may_lie_apart(chains):
    """A copy for C must live as long as the call."""
    params, plain, native = chains["float64"]
    inputs = np.random.default_rng(0).normal(size=(plain.inputs, 5))
    apart = np.repeat(params, 2)[::2]
    for chain in (native, plain):
        made = (derivatives(chain, given, inputs, [slice(0, 5)], "float64") for given in (apart, params))
        for one, other in zip(*made, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "linear"])
def test_every_slope(name):
    """Those in C are those in NumPy; a chain with another one is none in C."""
    network, plain = chain_for((3, 3, 1), [conv(2, 2, activation=name), flatten(), dense(1)])
    native = in_c((3, 3, 1), plain)
    if ACTIVATIONS[name].native is None:
        assert native is None
        return
    inputs = np.random.default_rng(0).normal(size=(9, 11))
    params = np.asarray(network.params())
    ours, theirs = (
        derivatives(chain, params, inputs, [slice(0, 11)], "float64") for chain in (native, plain)
    )
    for one, other in zip(ours, theirs, strict=True):
        close(one, other)


@pytest.mark.parametrize(
    "layers",
    {
        "dense": lambda: [flatten(), dense(2)],
        "pooling": lambda: [conv(2, 2), keras.layers.MaxPooling2D(2), flatten(), dense(1)],
        "large": lambda: [conv(200, 2), flatten(), dense(10), dense(1)],
        "flatten with an activation": lambda: [conv(1, 2), flatten(), keras.layers.Activation("tanh")],
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_no_chain_in_c(layers, monkeypatch):
    """Nothing is compiled for it."""
    _, plain = chain_for((4, 4, 1), layers[1]())
    monkeypatch.setattr(module, "library", lambda *_, **__: pytest.fail("it compiles"))
    monkeypatch.setattr(module, "native_convolution", lambda *_, **__: pytest.fail("it compiles"))
    assert in_c((4, 4, 1), plain) is None


@pytest.mark.parametrize("missing", ["chain", "dense"])
def test_without_a_compiler_there_is_none(missing, monkeypatch):
    _, plain = chain_for((4, 4, 1), [conv(1, 2), flatten(), dense(1)])
    name = "library" if missing == "chain" else "native_convolution"
    monkeypatch.setattr(module, name, lambda *_, **__: None)
    assert in_c((4, 4, 1), plain) is None


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_elementary_functions_are_right_to_their_last_bits(dtype):
    """Against long doubles, in units of the last place; NumPy's own reach 1.4 and 2.1."""
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.uniform(-30, 30, 5000), rng.normal(size=5000) * 10.0 ** rng.uniform(-8, 1, 5000)])
    z = z.astype(dtype)
    exact = {"tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z)), "relu": lambda z: np.maximum(z, 0)}
    for name, function in exact.items():
        expected = function(z.astype(np.longdouble))
        away = np.abs(applied(name, z) - expected) / np.spacing(np.abs(expected).astype(dtype))
        assert away.max() < 4


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_elementary_functions_at_their_ends(dtype):
    z = np.array([np.nan, np.inf, -np.inf, 1024, -1024, 0], dtype)
    np.testing.assert_array_equal(applied("tanh", z), [np.nan, 1, -1, 1, -1, 0])
    np.testing.assert_allclose(applied("sigmoid", z), [np.nan, 1, 0, 1, 0, 0.5], atol=1e-37)
    np.testing.assert_array_equal(applied("relu", z), [np.nan, np.inf, 0, 1024, 0, 0])


def applied(name, z):
    compiled = module.library(
        module.SOURCE, REAL=module.REALS[z.dtype.name], WHOLE=module.WHOLES[z.dtype.name]
    )
    made = z.copy()
    getattr(compiled, f"apply_{name}")(start_of(made), module.Size(len(made)))
    return made
