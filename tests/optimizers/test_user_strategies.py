"""Strategies of the user's own: found, built, checked, run and resumed."""

import re
import sys
from textwrap import dedent

import numpy as np
import pytest
import tensorflow as tf

from lmrun.config.dump import to_yaml
from lmrun.config.load import load_config
from lmrun.errors import ConfigError
from lmrun.optimizers.lm import levenberg_marquardt

CODE = """
    from dataclasses import dataclass

    from lmrun.optimizers.damping.base import Damping
    from neighbour import TWO


    @dataclass(frozen=True)
    class Doubling:
        initial: float = 1.0

        def start(self, largest, scaled_norm):
            return Damping(self.initial)

        def accepted(self, damping, gain_ratio, scalars):
            return damping._replace(value=damping.value / TWO, growth=gain_ratio)

        def rejected(self, damping, gain_ratio, scalars):
            return damping._replace(value=damping.value * TWO)


    class Power:
        def __init__(self, exponent):
            self.exponent = exponent

        def update(self, algebra, diagonal, kept):
            return algebra.clip(diagonal, 1e-6, 1e32) ** self.exponent, None


    class Any:
        def accepts(self, loss, trial_loss, gain_ratio):
            return True


    anything = Any()


    def power(exponent):
        return Power(exponent)


    class Wrong(Doubling):
        def start(self, largest, scaled_norm):
            return 1.0


    class Late(Doubling):
        def rejected(self, damping, gain_ratio, scalars):
            return damping._replace(value=1 / int(scalars.valid))


    class Narrow(Doubling):
        def accepted(self, damping):
            return damping


    class Half:
        def start(self, largest, scaled_norm):
            return Damping(1.0)


    class Positive:
        def __init__(self, share):
            if share <= 0:
                raise ValueError("share should be positive")
"""
CONFIG = """
    dataset: {name: rosenbrock-curve, points: 9}
    model: {name: formula, expression: "(a - x)**2 + b*(y - x**2)**2", parameters: {a: 5, b: 5}}
    optimizer: {name: lm, damping: %s, acceptance: %s}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a user's code, and another one to work in."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (mine / "strategies.py").write_text(dedent(CODE))
    (mine / "neighbour.py").write_text("TWO = 2\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    yield mine
    sys.modules.pop("neighbour", None)


def load(folder, damping="{}", acceptance="decrease", *overrides):
    damping = "{update: nielsen}" if damping == "{}" else damping
    (folder / "c.yaml").write_text(dedent(CONFIG) % (damping, acceptance))
    return load_config(str(folder / "c.yaml"), overrides).config


def build(*arguments):
    return levenberg_marquardt(load(*arguments).optimizer)


def test_all_three_from_the_folder_of_the_config(folder):
    damping = "{update: strategies:Doubling, initial: 3, scaling: {name: strategies:Power, exponent: 0.5}}"
    optimizer = build(folder, damping, "strategies:Any")
    assert optimizer.update.initial == 3
    assert optimizer.scaling.exponent == 0.5
    assert type(optimizer.acceptance).__name__ == "Any"
    # One file is one module, however many keys name it.
    assert sys.modules[type(optimizer.update).__module__].Power is type(optimizer.scaling)


def test_functions_and_objects(folder):
    optimizer = build(folder, "{scaling: {name: strategies:power, exponent: 2}}", "strategies:anything")
    assert optimizer.scaling.exponent == 2
    assert optimizer.acceptance.accepts(1.0, 2.0, 0.0)


@pytest.mark.parametrize(
    "name", ["strategies:Doubling", "strategies.py:Doubling", "../mine/strategies.py:Doubling"]
)
def test_the_saved_config_finds_the_file_from_anywhere(name, folder, tmp_path):
    config = load(folder, f"{{update: {name}, initial: 3}}")
    assert config.optimizer.damping.update == f"{folder}/strategies.py:Doubling"
    saved = tmp_path / "config.yaml"
    saved.write_text(to_yaml(config))
    again = load_config(str(saved)).config
    assert again == config
    assert levenberg_marquardt(again.optimizer).update.initial == 3


def test_from_the_working_directory(folder, tmp_path, monkeypatch):
    (tmp_path / "elsewhere" / "here.py").write_text((folder / "strategies.py").read_text())
    (tmp_path / "elsewhere" / "neighbour.py").write_text("TWO = 2\n")
    assert build(folder, "{update: here:Doubling}").update.initial == 1.0
    monkeypatch.chdir(folder)
    override = "optimizer.damping={update: strategies.py:Doubling, initial: 4}"
    assert build(folder, "{}", "decrease", override).update.initial == 4


def test_from_an_installed_package(folder):
    name = "lmrun.optimizers.damping.update:Constant"
    config = load(folder, f"{{update: {name}, value: 2.5}}")
    assert config.optimizer.damping.update == name
    assert levenberg_marquardt(config.optimizer).update.value == 2.5


@pytest.mark.parametrize(
    ("damping", "acceptance", "words"),
    [
        ("{update: nowhere:X}", "decrease", r"optimizer.damping.update: .*nowhere.*"),
        ("{update: nowhere.py:X}", "decrease", r"optimizer.damping.update: .*nowhere\.py.*"),
        ("{update: strategies:Dubling}", "decrease", r"optimizer.damping.update: .*no 'Dubling'.*"),
        (
            "{update: strategies:Doubling, inital: 3}",
            "decrease",
            r"optimizer.damping.update: Doubling refuses its keys: TypeError: .*unexpected .* 'inital'",
        ),
        (
            "{update: strategies:Positive, share: -1}",
            "decrease",
            r"optimizer.damping.update: Positive refuses its keys: ValueError: share should be positive .*",
        ),
        (
            "{scaling: strategies:Power}",
            "decrease",
            r"optimizer.damping.scaling: Power refuses its keys: TypeError: .*'exponent'",
        ),
        (
            "{scaling: strategies:Any}",
            "decrease",
            r"optimizer.damping.scaling: Any has no method update\(algebra, diagonal, kept\)",
        ),
        (
            "{update: strategies:Half}",
            "decrease",
            r"optimizer.damping.update: Half has no method accepted\(damping, gain_ratio, scalars\)\n"
            r"optimizer.damping.update: Half has no method rejected\(damping, gain_ratio, scalars\)",
        ),
        (
            "{update: strategies:Narrow}",
            "decrease",
            r"optimizer.damping.update: Narrow should have the method "
            r"accepted\(damping, gain_ratio, scalars\), not accepted\(damping\)",
        ),
        (
            "{update: strategies:Wrong}",
            "decrease",
            r"optimizer.damping.update: Wrong start should return a .*Damping, not 1.0",
        ),
        (
            "{update: strategies:Late}",
            "decrease",
            r"optimizer.damping.update: Late fails when it is tried out: ZeroDivisionError: division by .*",
        ),
        (
            "{}",
            "strategies:Half",
            r"optimizer.acceptance: Half has no method accepts\(loss, trial_loss, gain_ratio\)",
        ),
        (
            "{}",
            "{name: strategies:anything, level: 3}",
            r"optimizer.acceptance: anything is an object, not a class, and takes no keys such as 'level'",
        ),
    ],
)
def test_what_cannot_be_used_is_told(damping, acceptance, words, folder):
    config = load(folder, damping, acceptance)
    with pytest.raises(ConfigError) as error:
        levenberg_marquardt(config.optimizer)
    assert re.fullmatch(words, str(error.value))


@pytest.mark.parametrize("code", ["import no_such_package", "1 +", "undefined", "raise RuntimeError('no')"])
def test_a_module_with_a_mistake(code, folder):
    (folder / "broken.py").write_text(code)
    with pytest.raises(
        ConfigError, match=r"^optimizer.acceptance: .*broken.py.* cannot be imported: .+Error"
    ):
        build(folder, "{}", "broken:X")


def test_they_train(folder, make_formula, make_problem):
    x = np.random.default_rng(6).uniform(-1, 1, size=(9, 2))
    targets = (2.5 - x[:, :1]) ** 2 + 2.5 * (x[:, 1:] - x[:, :1] ** 2) ** 2
    problem = make_problem(make_formula("(a - x)**2 + b*(y - x**2)**2", a=5, b=5), x, targets)
    scaling = "{name: strategies:Power, exponent: 0.5}"
    optimizer = build(folder, f"{{update: strategies:Doubling, scaling: {scaling}}}", "strategies:Any")
    params = tf.constant(problem.kernels.network.params())
    state = optimizer.init(problem, params)
    for _ in range(30):
        params, state, _ = optimizer.step(problem, params, state)
    np.testing.assert_allclose(params.numpy(), [2.5, 2.5], rtol=1e-9)
    # The number of its own is part of the state, which a checkpoint keeps.
    assert state["growth"] != 1.0
