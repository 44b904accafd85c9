"""Losses over whole splits, in chunks of any size."""

import numpy as np
import pytest

from lmrun.build import as_params, build
from lmrun.config.load import load_config
from lmrun.datasets.base import Split
from lmrun.training.drivers import make_driver
from lmrun.training.evaluate import Evaluator, evaluated_rows
from lmrun.training.loop import schedule_of

SMALL = ("dataset.points=400", "model.hidden=[3]", "training={batch_size: full, max_steps: 1}")


@pytest.fixture(scope="module")
def made():
    experiment = build(load_config("sinc", SMALL).config)
    return experiment, experiment.dataset.train, as_params(experiment)


def first(split, rows):
    return Split(split.inputs[:rows], split.targets[:rows], None)


@pytest.mark.parametrize(("rows", "chunk"), [(400, 400), (300, 400), (200, 400), (199, 199)])
def test_a_split_has_the_chunks_of_the_training_unless_they_are_much_larger(made, rows, chunk):
    experiment, train, _ = made
    assert evaluated_rows(experiment, first(train, rows)) == chunk


@pytest.mark.parametrize("rows", [300, 20])
def test_filled_up_rows_do_not_count(made, rows):
    experiment, train, params = made
    split = first(train, rows)
    evaluator = Evaluator(experiment, split)
    outputs = evaluator.outputs(params)
    expected = np.mean((experiment.network.outputs(params, split.inputs).numpy() - split.targets) ** 2)
    assert outputs.shape == (rows, 1)
    assert evaluator.loss(params) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("batch", ["full", 100, "growing"])
def test_the_first_step_finds_everything_compiled(batch):
    training = f"training={{batch_size: {batch}, max_steps: 9}}"
    overrides = ["dataset.points=3000", "model={name: mlp, hidden: [3], activation: gelu}", training]
    experiment = build(load_config("sinc", overrides).config)
    driver, params, kernels = (
        make_driver(experiment, schedule_of(experiment)),
        as_params(experiment),
        experiment.kernels,
    )
    state = driver.init(params)
    driver.loss(params)
    Evaluator(experiment, experiment.dataset.train).loss(params)
    compiled = [kernels.value, kernels.jacobian_and_residual, kernels.bend]
    before = [len(function._known) for function in compiled]
    driver.advance(params, state, 0, 1)
    assert [len(function._known) for function in compiled] == before
    assert before == ([1, 1, 1] if batch == "full" else [2, 1, 1])
