"""From a file to the runs of a sweep."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lmrun.config.load import load_config
from lmrun.errors import ConfigError, UsageError
from lmrun.sweep.layout import SweepDirectory
from lmrun.sweep.plan import Plan, make_plan
from lmrun.sweep.store import read_plan, write_plan

GRID = """\
base: rosenbrock-curve
grid:
  optimizer.damping.initial: [1e-4, 1e-2]
  optimizer.damping.update: [nielsen, factor]
seeds: 2
"""


@pytest.fixture
def plan(tmp_path: Path):
    def make(text: str, *overrides: str, name: str | None = None) -> Plan:
        path = tmp_path / "my sweep.yaml"
        path.write_text(text)
        return make_plan(path, overrides, name)

    return make


def test_the_runs_of_a_grid(plan) -> None:
    made = plan(GRID)
    assert made.name.startswith("sweep-my-sweep-")
    assert [run.name for run in made.runs] == [f"{made.name}-{number:04}" for number in range(1, 9)]
    assert [(run.point, run.seed) for run in made.runs] == [
        (point, seed) for point in (1, 2, 3, 4) for seed in (10, 11)
    ]
    third = made.runs[2]
    assert third.overrides == (
        "optimizer.damping.initial=0.0001",
        "optimizer.damping.update=factor",
        "seed=10",
    )
    assert yaml.safe_load(third.config)["optimizer"]["damping"]["update"] == "factor"


def test_a_run_is_what_train_would_make_of_its_overrides(plan) -> None:
    from lmrun.config.dump import to_yaml

    text = GRID.replace("seeds: 2", "random: {samples: 2, keys: {dataset.a: {uniform: [1, 3]}}}")
    for run in plan(text, "training.max_steps=7").runs:
        assert to_yaml(load_config("rosenbrock-curve", run.overrides).config) == run.config


def test_the_same_file_is_the_same_sweep_and_another_another(plan) -> None:
    assert plan(GRID) == plan(GRID)
    others = (
        plan(GRID.replace("1e-2", "1e-3")),
        plan(GRID, "training.max_steps=9"),
        plan(GRID + "resources: {cpus: 2}"),
        plan(GRID + "stop_early: {name: halving, first: 2}"),
    )
    assert len({plan(GRID).name, *(other.name for other in others)}) == 5
    # Who trains them, and how many at a time, changes no result.
    assert plan(GRID + "workers: 7\nexecutor: ray").name == plan(GRID).name
    assert plan(GRID, name="mine").name == "sweep-mine"


def test_equal_runs_are_trained_once(plan) -> None:
    keys = "random: {samples: 30, keys: {dataset.points: {choice: [9, 16]}}}"
    assert len(plan(f"base: rosenbrock-curve\n{keys}\nseeds: [3, 4]").runs) == 4


def test_alternatives_of_the_config_are_used(plan) -> None:
    runs = plan("base: sinc\ngrid: {optimizer: [adam, lm]}").runs
    assert yaml.safe_load(runs[0].config)["training"]["max_epochs"] == 2000
    assert yaml.safe_load(runs[1].config)["optimizer"]["damping"]["scaling"]["name"] == "more"


def test_a_config_inside_the_file(plan, tmp_path: Path) -> None:
    text = """\
base:
  dataset: {name: table, path: d.csv, inputs: [x], targets: [y]}
  model: mlp
grid:
  dataset.path: [other/e.csv]
"""
    (run,) = plan(text).runs
    assert yaml.safe_load(run.config)["dataset"]["path"] == str(tmp_path / "other/e.csv")
    (run,) = plan(text.split("grid", maxsplit=1)[0]).runs
    assert yaml.safe_load(run.config)["dataset"]["path"] == str(tmp_path / "d.csv")


def test_problems_stand_where_they_were_written(plan, tmp_path: Path) -> None:
    text = """\
base: {dataset: {name: sinc, pints: 3}, model: mlp}
grid:
  optimizer: [adam, {name: lm, solver: qrr}]
  training.max_stps: [3]
"""
    with pytest.raises(ConfigError) as caught:
        plan(text)
    assert [line.removeprefix(f"{tmp_path}/my sweep.yaml") for line in caught.value.problems] == [
        ":1:30: dataset.pints: unknown key. Did you mean 'points'?",
        ":4:23: training.max_stps: unknown key. Did you mean 'max_steps'?",
        ":3:21: optimizer.solver: unknown name 'qrr'. Did you mean 'qr'? "
        "(with optimizer={name: lm, solver: qrr}, training.max_stps=3)",
    ]
    with pytest.raises(ConfigError, match=r"my sweep.yaml:1:7: base: There is no file 'sink'"):
        plan("base: sink")
    with pytest.raises(ConfigError, match=r"override 'optimizer.x=1'"):
        plan("base: sinc", "optimizer.x=1")


def test_names(plan) -> None:
    with pytest.raises(UsageError, match="too long"):
        plan("base: sinc", name="x" * 40)
    with pytest.raises(UsageError, match="cannot be the name"):
        plan("base: sinc", name="a/b")


def test_a_plan_is_read_back_as_it_was(plan, tmp_path: Path) -> None:
    made = plan(GRID + "stop_early: {name: median, first: 3}\nworkers: 2")
    sweep = SweepDirectory(tmp_path / "runs" / made.name)
    write_plan(sweep, made)
    found = read_plan(sweep)
    assert replace(found, settings=made.settings) == made
    kept = {"seeds", "stop_early", "workers", "executor", "address", "resources"}
    assert found.settings.model_dump(include=kept) == made.settings.model_dump(include=kept)
