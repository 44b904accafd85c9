"""A sweep's file: what it may say, and every problem with what it says."""

from pathlib import Path

import pytest

from lmrun.config.fields import names, only_member
from lmrun.config.sweep import KINDS, DrawConfig, SweepConfig
from lmrun.errors import ConfigError
from lmrun.sweep.executors.registry import MODULES
from lmrun.sweep.plan import read_sweep
from lmrun.sweep.space import DRAWS
from lmrun.sweep.stopping import RULES


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_sweep(path)
    return [line.removeprefix(f"{tmp_path}/") for line in caught.value.problems]


def test_all_problems_of_a_file_show_at_once(tmp_path: Path) -> None:
    text = """\
base: sinc
grid: {optimizer: []}
random:
  samples: 0
  keys:
    model.hidden[0]: {integer: [2.5, 30]}
    training.target_loss: {log_uniform: [0, 1e-6]}
    dataset.points: {uniform: [5, 5], choice: [1]}
seeds: two
stop_erly: {first: 2}
stop_early: {name: halfing, first: 2}
executor: dask
"""
    assert problems(tmp_path, text) == [
        "s.yaml:2:19: grid.optimizer: should be a list of one or more values, not []",
        "s.yaml:4:12: random.samples: should be a whole number above 0, not 0",
        "s.yaml:6:33: random.keys.model.hidden[0].integer[0]: should be a whole number, not 2.5",
        "s.yaml:7:41: random.keys.training.target_loss.log_uniform: both numbers should be above 0: "
        "the logarithm is drawn",
        "s.yaml:8:5: random.keys.dataset.points: needs one of uniform, log_uniform, integer, choice, not 2",
        "s.yaml:8:31: random.keys.dataset.points.uniform: its first number should be below its second",
        "s.yaml:9:8: seeds: should be a whole number above 0 or a list of one or more whole numbers of at "
        "least 0 and below 2**63, not 'two'",
        "s.yaml:10:1: stop_erly: unknown key. Did you mean 'stop_early'?",
        "s.yaml:11:20: stop_early.name: unknown name 'halfing'. Did you mean 'halving'?",
        "s.yaml:12:11: executor: should be 'local' or 'ray', not 'dask'",
    ]


def test_a_key_is_set_once(tmp_path: Path) -> None:
    text = """\
base: sinc
grid: {a b: [1], seed: [1, 2], loss: [mse]}
random: {samples: 1, keys: {loss: {choice: [mae]}}}
seeds: 2
"""
    assert problems(tmp_path, text) == [
        "s.yaml:2:8: grid.a b: is not a key such as optimizer.damping.initial or model.hidden[0]",
        "s.yaml:2:18: grid.seed: the seeds stand in 'seeds' already",
        "s.yaml:3:29: random.keys.loss: stands in 'grid' already",
    ]


def test_steps_are_whole(tmp_path: Path) -> None:
    text = "base: sinc\nstop_early: {name: halving, unit: %s, first: 2.5}"
    assert problems(tmp_path, text % "epochs") == [
        "s.yaml:2:50: stop_early.first: should be a whole number of epochs, not 2.5"
    ]
    (tmp_path / "s.yaml").write_text(text % "seconds")
    assert read_sweep(tmp_path / "s.yaml")[0].stop_early.first == 2.5


def test_the_registries_have_the_names_of_the_schema() -> None:
    fields = SweepConfig.model_fields
    assert set(MODULES) == set(fields["executor"].annotation.__args__)
    assert set(RULES) == {*names(only_member(fields["stop_early"].annotation))}
    assert set(DRAWS) == set(KINDS) == set(DrawConfig.model_fields)
