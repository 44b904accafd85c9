"""Formulas with the defaults: certified digits from near and far starts, in any units, after a break."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from lmrun.build import as_params, build
from lmrun.config.schema import Config, resolve
from lmrun.runs.layout import RunDirectory
from lmrun.status import Status
from lmrun.training import stopping
from lmrun.training.answers import answers_of
from lmrun.training.drivers import make_driver
from lmrun.training.loop import schedule_of
from lmrun.training.progress import SilentProgress
from lmrun.training.session import execute

PROBLEMS = {
    problem["name"]: problem
    for problem in json.loads((Path(__file__).parents[1] / "data" / "nist_strd.json").read_text())
}


def config_of(problem, start, folder, **sections):
    """What a user would write: data, formula and starting values, with all else left to the defaults."""
    path = folder / f"{problem['name']}.csv"
    rows = zip(*problem["x"], problem["y"], strict=True)
    lines = [",".join([*problem["inputs"], "y"]), *(",".join(map(repr, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    table = {"name": "table", "path": str(path), "inputs": problem["inputs"], "targets": ["y"]}
    model = {"name": "formula", "expression": problem["expression"], "parameters": problem[start]}
    return resolve(Config.model_validate({"dataset": table, "model": model, **sections}))


def fit(config):
    """Step until a stopping rule holds; returns driver, parameters and the infos of all steps."""
    experiment = build(config)
    driver, params = make_driver(experiment, schedule_of(experiment)), as_params(experiment)
    state, infos = driver.init(params), []
    standing = stopping.Standing(0, 0, 0.0, math.inf, 0, full_batch=True)
    for step in range(config.training.max_steps):
        params, state, info = driver.advance(params, state, step, 1)
        infos.append(info)
        if info.status or stopping.converged(config.training, standing, info):
            break
    return driver, np.asarray(params), infos


def digits(found, certified):
    errors = [abs(one - other) / abs(other) for one, other in zip(found, certified, strict=True)]
    return min(11.0, -math.log10(max(*errors, 1e-16)))


@pytest.mark.parametrize("name", PROBLEMS)
def test_certified_values(name, tmp_path):
    """Ten digits of every parameter, standard error and residual sum of squares, from both starts."""
    problem = PROBLEMS[name]
    certified = list(problem["certified"].values())
    for start in ("start1", "start2"):
        driver, params, infos = fit(config_of(problem, start, tmp_path))
        assert infos[-1].status is Status.CONVERGED_DIGITS
        assert digits(params, certified) >= 10
        driver.experiment.network.assign(params)
        answers = answers_of(driver.experiment, params)
        assert digits([answers["residual_sum_of_squares"]], [problem["residual_sum_of_squares"]]) >= 10
        errors = [answers["estimates"][name]["standard_error"] for name in problem["certified"]]
        assert digits(errors, list(problem["standard_deviation"].values())) >= 10


def test_the_undamped_steps_get_shorter_while_the_loss_stands_still(tmp_path):
    _, _, infos = fit(config_of(PROBLEMS["Lanczos3"], "start2", tmp_path))
    # The step that they follow is damped, and how long it was a matter of rounding.
    polished = [info for info in infos if info.polishes and info.damping == 0]
    assert len(polished) >= 4
    assert all(info.accepted for info in polished)
    assert all(info.losses[0] == pytest.approx(polished[0].losses[0], rel=1e-12) for info in polished)
    assert polished[-1].step_norm < 1e-12
    assert polished[0].step_norm > 1e-9
    assert np.all(np.diff([info.step_norm for info in polished]) < 0)
    assert not infos[-1].accepted


def test_units_do_not_matter(tmp_path):
    """Nanoamperes and kiloohms: powers of two, so that every bit of every step is the same."""
    problem = PROBLEMS["Misra1a"]
    scaled = {
        **problem,
        "x": [[2.0**20 * x for x in problem["x"][0]]],
        "y": [2.0**-40 * y for y in problem["y"]],
        "start1": {"b1": 2.0**-40 * problem["start1"]["b1"], "b2": 2.0**-20 * problem["start1"]["b2"]},
    }
    _, here, steps = fit(config_of(problem, "start1", tmp_path))
    _, there, others = fit(config_of(scaled, "start1", tmp_path))
    # The norm of all parameters has no unit: only where a step is called lost may it show.
    assert len(others) == len(steps)
    np.testing.assert_allclose(there * [2.0**40, 2.0**20], here, rtol=1e-15)


def test_undamped_steps_go_on_after_a_break(tmp_path):
    """Bit for bit, wherever the state was packed."""
    config = config_of(PROBLEMS["Kirby2"], "start2", tmp_path)
    _, expected, infos = fit(config)
    experiment = build(config)
    driver, params = make_driver(experiment, schedule_of(experiment)), as_params(experiment)
    state = driver.init(params)
    for step in range(len(infos)):
        packed = {name: np.array(value) for name, value in driver.pack(state).items()}
        params, state, _ = driver.advance(np.array(params), driver.unpack(packed), step, 1)
    assert "polished" in packed
    np.testing.assert_array_equal(params, expected)


def test_the_summary_has_the_digits(tmp_path, monkeypatch):
    monkeypatch.setattr("lmrun.training.session.finish_manifest", lambda run: None)
    experiment = build(config_of(PROBLEMS["BoxBOD"], "start2", tmp_path))
    directory = RunDirectory(tmp_path / "run")
    directory.best_weights.parent.mkdir(parents=True)
    summary = execute(experiment, directory, SilentProgress())
    certified = PROBLEMS["BoxBOD"]["certified"]
    assert summary["status"] == "converged_digits"
    assert summary["improved"]
    assert list(summary["params"]) == list(certified)
    assert digits(summary["params"].values(), certified.values()) >= 10
    errors = [line["standard_error"] for line in summary["fit"]["estimates"].values()]
    assert digits(errors, PROBLEMS["BoxBOD"]["standard_deviation"].values()) >= 10
    assert summary["best_step"] == summary["steps"]


def test_a_fit_that_starts_at_the_solution_stays_there(tmp_path):
    """The loss cannot fall by more than rounding; the parameters still get their last digits."""
    problem = {**PROBLEMS["Rat43"], "start1": PROBLEMS["Rat43"]["certified"]}
    _, params, infos = fit(config_of(problem, "start1", tmp_path))
    assert infos[-1].status is Status.CONVERGED_DIGITS
    assert digits(params, problem["certified"].values()) >= 10


def test_parameters_that_the_data_do_not_determine_are_no_error(tmp_path):
    """b1 and b3 are one parameter: J^T J is singular, and so no undamped step is made."""
    problem = {**PROBLEMS["Misra1a"], "expression": "b1*b3*(1 - exp(-b2*x))"}
    problem["start1"] = {"b1": 250.0, "b2": 5e-4, "b3": 1.0}
    driver, params, infos = fit(config_of(problem, "start1", tmp_path))
    assert infos[-1].status is Status.NO_PROGRESS
    assert driver.loss(params) * 14 == pytest.approx(problem["residual_sum_of_squares"], rel=1e-9)
    certified = PROBLEMS["Misra1a"]["certified"]
    assert params[0] * params[2] == pytest.approx(certified["b1"], rel=1e-6)
