"""Several starts: the best end is kept, whatever stops in between, and the seed alone decides them."""

import numpy as np
import pytest
import tensorflow as tf
from test_digits import fit

from lmrun.build import as_params, build
from lmrun.config.document import parse
from lmrun.config.load import load_config, validate
from lmrun.config.schema import Config, resolve
from lmrun.errors import ConfigError
from lmrun.optimizers.restarts import starts_of
from lmrun.runs.layout import RunDirectory
from lmrun.status import START_NOT_FINITE, Status
from lmrun.training.drivers import make_driver
from lmrun.training.loop import schedule_of, train
from lmrun.training.progress import SilentProgress

X = np.linspace(0, 3, 40)
Y = 1.5 * np.sin(5 * X) + 0.01 * np.random.default_rng(2).normal(size=X.size)


@pytest.fixture
def config_of(tmp_path):
    """A sine whose frequency starts far off: downhill from there lies another minimum."""
    path = tmp_path / "data.csv"
    path.write_text(
        "x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in zip(map(float, X), map(float, Y), strict=True))
    )

    def make(restarts, seed=10):
        parameters = {"a": 1, "b": {"start": 1.5, "range": [0.5, 9]}}
        table = {"name": "table", "path": str(path), "inputs": ["x"], "targets": ["y"]}
        model = {
            "name": "formula",
            "expression": "a*sin(b*x)",
            "parameters": parameters,
            "restarts": restarts,
        }
        return resolve(Config.model_validate({"seed": seed, "dataset": table, "model": model}))

    return make


def test_the_best_end_is_kept(config_of):
    driver, single, _ = fit(config_of(0))
    assert driver.loss(single) > 0.1
    driver, params, infos = fit(config_of(12))
    np.testing.assert_allclose(params, [1.5, 5], rtol=0.01)
    assert infos[-1].status is Status.CONVERGED_DIGITS
    assert infos[-1].losses[0] == driver.loss(params)
    _, again, _ = fit(config_of(12))
    np.testing.assert_array_equal(again, params)


def test_they_go_on_after_a_break(config_of):
    config = config_of(3)
    _, expected, infos = fit(config)
    experiment = build(config)
    driver, params = make_driver(experiment, schedule_of(experiment)), as_params(experiment)
    state = driver.init(params)
    for step in range(len(infos)):
        packed = {name: np.array(value) for name, value in driver.pack(state).items()}
        params, state, _ = driver.advance(np.array(params), driver.unpack(packed), step, 1)
    assert packed["start"] == 3
    np.testing.assert_array_equal(params, expected)


DECAY = 2 * np.exp(-X) + 0.5 + 0.01 * np.random.default_rng(3).normal(size=X.size)
GROWTH = 2 * np.log(5 - X) + 0.5


def loaded(folder, y, expression, parameters, restarts=30, **more):
    rows = zip(map(float, X), map(float, y), strict=True)
    (folder / "data.csv").write_text("x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in rows))
    table = {"name": "table", "path": str(folder / "data.csv"), "inputs": ["x"], "targets": ["y"]}
    model = {"name": "formula", "expression": expression, "parameters": parameters, "restarts": restarts}
    return resolve(Config.model_validate({"dataset": table, "model": model, **more}))


def trained(folder, config):
    run = RunDirectory(folder / "run")
    run.checkpoints.mkdir(parents=True)
    return train(build(config), run, SilentProgress())


def test_a_start_far_above_the_first_one_is_no_divergence(tmp_path):
    """With b near 100 the curve is 1e130 high: such a start is tried, and ends no run."""
    parameters = {"a": 2, "b": {"start": -5, "range": [-50, 100]}, "c": 0}
    config = loaded(tmp_path, DECAY, "a*exp(b*x) + c", parameters, restarts=5, seed=3)
    assert np.max(starts_of(config)[:, 1]) > 50
    outcome = trained(tmp_path, config)
    assert outcome.status is Status.CONVERGED_DIGITS
    assert outcome.state.optimizer["start"] == 5
    np.testing.assert_allclose(outcome.state.best_params, [2, -1, 0.5], atol=0.05)


def test_a_start_outside_the_domain_is_followed_by_others(tmp_path):
    parameters = {"a": 1, "b": {"start": 1, "range": [-5, 100]}, "c": 0}
    outcome = trained(tmp_path, loaded(tmp_path, GROWTH, "a*log(b - x) + c", parameters))
    assert np.isnan(outcome.state.initial_loss)
    assert outcome.improved
    assert outcome.status in (Status.CONVERGED_DIGITS, Status.NO_PROGRESS)
    np.testing.assert_allclose(outcome.state.best_params, [2, 5, 0.5], rtol=1e-6)
    np.testing.assert_array_equal(outcome.state.best_params, outcome.state.params)


def test_no_start_inside_the_domain(tmp_path):
    parameters = {"a": 1, "b": {"start": 1, "range": [-5, 2]}, "c": 0}
    outcome = trained(tmp_path, loaded(tmp_path, GROWTH, "a*log(b - x) + c", parameters))
    assert (outcome.status, outcome.message) == (Status.NON_FINITE, START_NOT_FINITE)
    assert not outcome.improved


def test_starts_lie_in_their_ranges(config_of):
    starts = starts_of(config_of(50))
    assert starts.shape == (50, 2)
    assert np.all(starts[:, 0] == 1)
    assert np.all((starts[:, 1] >= 0.5) & (starts[:, 1] <= 9))
    assert np.ptp(starts[:, 1]) > 7
    assert not np.array_equal(starts, starts_of(config_of(50, seed=11)))
    assert starts_of(config_of(0)) is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "draws starting values from ranges"),
        ("optimizer: adam", "are for lm over all rows"),
        ("training: {batch_size: 5}", "are for lm over all rows"),
    ],
)
def test_what_restarts_need(more, words):
    b = "{start: 1, min: 0, max: 2}" if more else "1"
    text = f"""
dataset: {{name: table, path: d.csv, inputs: [x], targets: [y]}}
model: {{name: formula, expression: a*x + b, parameters: {{a: 1, b: {b}}}, restarts: 3}}
{more}
"""
    with pytest.raises(ConfigError) as error:
        validate(parse(text, "c"))
    assert words in str(error.value)


SMALL = ("dataset={name: sine, points: 20}", "model.hidden=[3]", "optimizer.regularization=none")


def test_networks_begin_again_with_other_weights():
    experiment = build(
        load_config("noisy-sine", [*SMALL, "model.restarts=3", "training.max_steps=41"]).config
    )
    restarted = experiment.optimizer
    assert restarted.most_steps == 10
    assert restarted.starts.shape == (3, 10)
    own = experiment.network.params()
    everyone = np.vstack([own, restarted.starts])
    assert len(np.unique(everyone[:, 0])) == 4
    # Other weights are drawn as the model's own: biases are 0.
    np.testing.assert_array_equal(everyone[:, own == 0], 0)


@pytest.mark.parametrize("regularization", ["none", "decay", "bayesian"])
def test_the_best_end_of_a_network_is_the_model(regularization, runs):
    own = f"optimizer.regularization={regularization}"
    limits = ("model.restarts=3", "training={max_steps: 40, step_tolerance: 0, gradient_tolerance: 0}")
    summary, run = runs.train("noisy-sine", *SMALL, own, *limits)
    experiment = build(load_config(str(run.config)).config)
    driver, starts = make_driver(experiment, schedule_of(experiment)), experiment.optimizer.starts
    ends = []
    for start in (experiment.network.params(), *starts):
        params, inner = tf.constant(start), experiment.optimizer.inner
        state, problem = inner.init(driver.full, params), driver.full
        for _ in range(10):
            params, state, info = inner.step(problem, params, state)
        criterion = float(info.losses[0]) if info.criterion is None else info.criterion
        ends.append((criterion, problem.loss(params), info))
    best = min(ends, key=lambda end: end[0])
    assert len({end[0] for end in ends}) == 4
    assert summary["best_loss"] == summary["loss"] == best[1]
    assert summary["status"] == "max_steps"
    assert summary["steps"] == 39, "the best end is taken up again, which is no step"
    if regularization == "bayesian":
        assert summary["regularization"]["alpha"] == pytest.approx(best[2].alpha, rel=0.5)
