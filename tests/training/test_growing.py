"""A sample of rows that grows: what it looks at, when it grows, and where it ends."""

import numpy as np
import pytest

from lmrun.build import as_params, build
from lmrun.config.load import load_config
from lmrun.training import growing
from lmrun.training.drivers import make_driver
from lmrun.training.growing import GrowingDriver
from lmrun.training.schedule import Schedule

ROWS = 600
SMALL = ("dataset.points=600", "model.hidden=[3]", "training.batch_size=growing", "training.target_loss=null")


def drivers(*overrides):
    """The same small experiment over a growing sample and over all rows."""
    experiment = build(load_config("sinc", [*SMALL, *overrides]).config)
    pair = [make_driver(experiment, Schedule(ROWS, size, True, 10)) for size in ("growing", "full")]
    return *pair, as_params(experiment)


@pytest.fixture(scope="module", autouse=True)
def small_samples():
    """Samples of 320 rows for the 10 parameters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing, "FEWEST_ROWS", 10)
        patch.setattr(growing, "ROWS_PER_PARAMETER", 32)
        yield


@pytest.fixture(scope="module")
def pair():
    return drivers()


@pytest.mark.parametrize(("fewest", "per_parameter", "first"), [(10, 32, 320), (400, 32, 400), (10, 99, 600)])
def test_the_first_sample_has_so_many_rows_per_parameter(fewest, per_parameter, first, monkeypatch):
    monkeypatch.setattr(growing, "FEWEST_ROWS", fewest)
    monkeypatch.setattr(growing, "ROWS_PER_PARAMETER", per_parameter)
    sampled, _, params = drivers()
    assert isinstance(sampled, GrowingDriver)
    assert sampled.init(params)["sample"] == first


def test_samples_contain_each_other_and_weigh_as_much_as_all_rows(pair):
    sampled, full, _ = pair
    small, large = (sampled._over(size) for size in (320, 480))
    assert small.batch.weight == pytest.approx(ROWS)
    assert small.cost_per_loss == pytest.approx(full.full.cost_per_loss)
    inputs = [
        np.concatenate([np.asarray(chunk.inputs) for chunk in problem.batch.chunks], axis=-1)
        for problem in (small, large)
    ]
    np.testing.assert_array_equal(inputs[1][:, :320], inputs[0])


def test_a_sample_speaks_for_all_rows(pair):
    sampled, full, params = pair
    few, many = (problem.linearize(params) for problem in (sampled._over(320), full.full))
    trace = [float(np.sum(model.curvature.diagonal)) for model in (few, many)]
    assert trace[0] == pytest.approx(trace[1], rel=0.1)


def run(driver, params, steps):
    state, infos, samples = driver.init(params), [], []
    for step in range(steps):
        samples.append(state["sample"])
        params, state, info = driver.advance(params, state, step, 1)
        infos.append(info)
        if info.status is not None:
            break
    return params, state, infos, samples


def test_it_grows_until_all_rows_and_never_shrinks(monkeypatch):
    monkeypatch.setattr(growing, "WORST_RATIO", 0.0)
    monkeypatch.setattr(growing, "STEPS", 3)
    sampled, _, params = drivers()
    _, state, _, samples = run(sampled, params, 8)
    assert samples == sorted(samples)
    assert samples[0] == sampled.first
    assert state["sample"] == ROWS


def test_a_loss_that_was_looked_at_is_that_over_all_rows(monkeypatch):
    monkeypatch.setattr(growing, "STEPS", 2)
    sampled, full, params = drivers()
    moved, _, infos, _ = run(sampled, params, 2)
    assert infos[-1].losses[0] == pytest.approx(full.full.loss(moved), rel=1e-12)


def test_the_target_is_reached_on_all_rows_only():
    sampled, full, params = drivers("training.target_loss=0.01")
    state, step = sampled.init(params), 0
    loss = np.inf
    while not loss <= 0.01:
        params, state, info = sampled.advance(params, state, step, 1)
        loss, step = info.losses[-1], step + 1
        assert step < 200
    assert full.full.loss(params) <= 0.01


def test_no_progress_on_a_sample_is_no_end(pair, monkeypatch):
    sampled, _, params = pair

    class Stuck:
        def step(self, problem, params, state):
            from lmrun.optimizers.base import StepInfo
            from lmrun.status import Status

            return params, state, StepInfo(np.array([1.0]), 1.0, status=Status.NO_PROGRESS)

    monkeypatch.setattr(sampled, "optimizer", Stuck())
    state = {"sample": 320.0, "looked_loss": None, "looked_step": 0.0}
    kept, state, info = sampled.advance(params, state, 0, 1)
    assert kept is params
    assert (info.status, state["sample"]) == (None, ROWS)
    _, _, info = sampled.advance(params, state, 1, 1)
    assert info.status == "no_progress"


def test_the_state_survives_a_checkpoint(pair):
    sampled, _, params = pair
    _, state, _, _ = run(sampled, params, 3)
    restored = sampled.unpack(sampled.pack(state))
    assert restored.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(restored[name], value)
