"""Blocks of first-order steps: their length changes nothing, and they stop where they should."""

import time

import numpy as np
import pytest
import tensorflow as tf

from lmrun.config.optimizers import KerasOptimizerConfig
from lmrun.curvature.batch import Rows, for_kernels, make_rows
from lmrun.curvature.kernels import Kernels
from lmrun.datasets.base import Split
from lmrun.losses.elementwise import MeanSquaredError
from lmrun.optimizers.adam import Adam
from lmrun.optimizers.first_order import MOST_STEPS, Block, FirstOrder
from lmrun.optimizers.keras_optimizer import KerasRule
from lmrun.optimizers.sgd import Sgd
from lmrun.status import DIVERGED

SAMPLES, BATCH = 12, 3
BLOCKS = [(10,), (1,) * 10, (3, 7)]
ORDER = tf.constant(np.random.default_rng(2).permutation(120).reshape(10, 12)[:, :BATCH] % SAMPLES, tf.int32)
RULES = {
    "adam": lambda network: Adam(0.05, amsgrad=True),
    "momentum": lambda network: Sgd(0.05, 0.9),
    "nadam": lambda network: KerasRule(KerasOptimizerConfig(name="nadam", learning_rate=0.05), network),
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    inputs, weights = rng.normal(size=(SAMPLES, 2)), rng.uniform(0.5, 2, SAMPLES)
    split = Split(inputs, inputs[:, :1] * inputs[:, 1:], weights)
    return make_rows(split, "float64")


@pytest.fixture(scope="module", params=RULES)
def optimizer(request, make_mlp):
    network = make_mlp(2, [3])
    return FirstOrder(RULES[request.param](network), Kernels(network, MeanSquaredError()))


def start(optimizer):
    return tf.constant(optimizer.kernels.network.params())


def chosen(rows, indices):
    return Rows(*(tf.gather(part, indices) for part in rows))


def given(rows, order):
    """A full batch is laid out once, mini-batches when they are drawn."""
    return for_kernels(rows) if order is None else rows


def run(optimizer, rows, order, counts, target=0.0):
    """Return parameters, state and the losses of blocks of the given lengths."""
    params = start(optimizer)
    state, losses = optimizer.init(given(rows, order), params, order is None), []
    for count in counts:
        block = Block(given(rows, order), order, len(losses) if order is not None else 0, count, target)
        params, state, info = optimizer.step(block, params, state)
        losses += list(info.losses)
    return params.numpy(), state, np.array(losses)


def mean_loss(optimizer, rows, params):
    value = optimizer.kernels.plain_value(tf.constant(params), *for_kernels(rows))
    return value.numpy() / rows.weights.numpy().sum()


@pytest.mark.parametrize("order", [None, ORDER], ids=["full batch", "mini-batches"])
def test_the_length_of_the_blocks_does_not_change_the_bits(optimizer, rows, order):
    (params, state, losses), *others = (run(optimizer, rows, order, counts) for counts in BLOCKS)
    assert len(losses) == 10
    for other_params, other_state, other_losses in others:
        np.testing.assert_array_equal(other_params, params)
        np.testing.assert_array_equal(other_losses, losses)
        for one, other in zip(tf.nest.flatten(other_state), tf.nest.flatten(state), strict=True):
            np.testing.assert_array_equal(one, other)


def test_full_batch_losses_are_those_after_each_step(optimizer, rows):
    params, state, losses = run(optimizer, rows, None, (4,))
    assert losses[-1] == pytest.approx(mean_loss(optimizer, rows, params), rel=1e-14)
    assert float(state["loss"]) == losses[-1]
    initial = optimizer.init(for_kernels(rows), start(optimizer), True)
    assert float(initial["loss"]) == pytest.approx(mean_loss(optimizer, rows, start(optimizer)), rel=1e-14)


def test_mini_batch_losses_are_those_of_each_batch_before_its_step(optimizer, rows):
    params, _, losses = run(optimizer, rows, ORDER, (3,))
    batch = chosen(rows, ORDER[3])
    _, _, (*_, last) = run(optimizer, rows, ORDER, (4,))
    assert last == pytest.approx(mean_loss(optimizer, batch, params), rel=1e-14)
    first = chosen(rows, ORDER[0])
    assert losses[0] == pytest.approx(mean_loss(optimizer, first, start(optimizer)), rel=1e-14)


def test_the_full_batch_stops_at_the_target(optimizer, rows):
    _, _, losses = run(optimizer, rows, None, (10,))
    lowest = np.minimum.accumulate(losses)
    falling = np.flatnonzero(np.diff(lowest) < 0) + 1
    assert len(falling) >= 2
    for step in falling[1:3]:
        target = losses[step]
        params, _, until = run(optimizer, rows, None, (10,), target)
        np.testing.assert_array_equal(until, losses[: step + 1])
        assert np.all(until[:-1] > target)
        assert mean_loss(optimizer, rows, params) == pytest.approx(target, rel=1e-14)


def test_the_best_parameters_are_kept(optimizer, rows):
    _, state, losses = run(optimizer, rows, None, (60,))
    initial = mean_loss(optimizer, rows, start(optimizer))
    assert float(state["best_loss"]) == pytest.approx(min(initial, losses.min()), rel=1e-15)
    best = state["best_params"].numpy()
    assert mean_loss(optimizer, rows, best) == pytest.approx(float(state["best_loss"]), rel=1e-14)


@pytest.mark.parametrize(("rate", "finite"), [(2.0, True), (1e200, False)])
def test_a_diverging_run_stops_at_the_first_loss_out_of_bounds(rate, finite, rows, make_mlp):
    network = make_mlp(2, [])
    optimizer = FirstOrder(Sgd(rate), Kernels(network, MeanSquaredError()))
    _, state, losses = run(optimizer, rows, None, (200,))
    zero = np.average(rows.targets[:, 0] ** 2, weights=rows.weights)
    ceiling = DIVERGED * max(zero, mean_loss(optimizer, rows, network.params()))
    assert len(losses) < 200
    assert np.all(losses[:-1] <= ceiling)
    assert not losses[-1] <= ceiling
    assert np.isfinite(losses[-1]) == finite
    np.testing.assert_array_equal(state["best_params"].numpy(), network.params())


def test_one_program_serves_all_starts(optimizer, rows):
    """A program that is compiled anew for another start would take as long as the first call."""
    fresh, params = FirstOrder(optimizer.rule, optimizer.kernels), start(optimizer)
    state = fresh.init(rows, params, False)
    seconds = []
    for first in range(5):
        before = time.perf_counter()
        fresh.step(Block(rows, ORDER, first, 2, 0.0), params, state)
        seconds.append(time.perf_counter() - before)
    assert sum(seconds[1:]) < seconds[0]


def test_the_longest_block(rows, make_mlp):
    optimizer = FirstOrder(Sgd(1e-3), Kernels(make_mlp(2, []), MeanSquaredError()))
    _, _, losses = run(optimizer, rows, None, (MOST_STEPS,))
    assert len(losses) == MOST_STEPS
    assert np.all(losses > 0)
