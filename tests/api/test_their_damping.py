"""Dampings, solvers and attempts by the names of the TensorFlow and PyTorch packages."""

import keras
import numpy as np
import pytest

import lmrun
from lmrun.api.optimizers import optimizer_section
from lmrun.errors import UsageError
from lmrun.keras import Damping, DampingAlgorithm, LMModel

X = np.linspace(-1, 1, 20)[:, None]
Y = 0.5 + np.sin(2 * X)


def line(start=0.0):
    """A model whose Jacobian is known: y = w x + b."""
    model = keras.Sequential([keras.Input((1,), dtype="float64"), keras.layers.Dense(1, dtype="float64")])
    model.set_weights([np.full((1, 1), start), np.zeros(1)])
    return model


J = np.hstack([X, np.ones_like(X)])
JJ, RHS = J.T @ J / 20, J.T @ (0 - Y) / 20
MODES = {
    "standard": np.eye(2),
    "fletcher": np.diag(np.diag(JJ)),
    "adaptive": np.max(np.diag(JJ)) * np.eye(2),
}
BOTH = np.max(np.diag(JJ)) * np.diag(np.diag(JJ))


@pytest.mark.parametrize(
    ("damping", "matrix"),
    [
        *MODES.items(),
        ("identity", np.eye(2)),
        (DampingAlgorithm(adaptive_scaling=True, fletcher=True), BOTH),
    ],
    ids=[*MODES, "identity", "both"],
)
def test_the_first_step_is_theirs(damping, matrix):
    """(J'J / rows + damping D)^-1 J'r / rows, as both packages have it."""
    result = lmrun.fit(
        line(), X, Y, damping=damping, max_steps=1, optimizer={"name": "lm", "acceleration": "none"}
    )
    expected = -np.linalg.solve(JJ + 1e-3 * matrix, RHS)
    np.testing.assert_allclose(result.weights, expected[:, 0], rtol=1e-9)


def test_their_arguments():
    theirs = DampingAlgorithm(
        starting_value=0.5, dec_factor=0.2, inc_factor=4.0, min_value=0.1, max_value=3.0
    )
    assert theirs.section(10) == {
        "update": "factor", "initial": 5.0, "increase": 4.0, "decrease": 5.0, "minimum": 1.0, "maximum": 30.0,
        "scaling": "identity",
    }  # fmt: skip
    with pytest.raises(UsageError, match="dec_factor is a factor above 0"):
        DampingAlgorithm(dec_factor=10)


def test_a_function_moves_the_damping():
    asked = []

    def move(damping, gain_ratio):
        asked.append(gain_ratio)
        return damping / 4 if gain_ratio > 0 else damping * 3

    result = lmrun.fit(line(), X, np.sin(3 * X), damping=move, max_steps=3)
    damping = result.history["damping"][1:]
    np.testing.assert_allclose(damping, damping[0] / 4.0 ** np.arange(3), rtol=1e-12)
    assert len(asked) >= 3


class Theirs:
    def decrease(self, damping_factor, loss):
        return damping_factor * 0.1


def test_compile_takes_their_arguments():
    model = LMModel(line())
    model.compile(loss="mse", damping_algorithm=DampingAlgorithm(), attempts_per_step=3, solve_method="solve")
    model.fit(X, Y, epochs=1, verbose=0)
    lm = model.result.experiment.config.optimizer
    assert (lm.damping.max_attempts, lm.solver.name, lm.damping.initial) == (3, "cholesky", 0.02)


REFUSED = {
    "rows of J": ({"jacobian_max_num_rows": 100}, "jacobian_max_num_rows: lmrun holds as many rows of J"),
    "pfor": ({"experimental_use_pfor": True}, "lmrun has a rule for each type of layer; leave it out"),
    "eager": ({"run_eagerly": True}, "run_eagerly: lmrun decides what is compiled"),
    "misspelt": ({"dampin": "factor"}, "unknown argument 'dampin'. Did you mean 'damping'?"),
    "twice": ({"damping": "factor", "damping_algorithm": "factor"}, "are the same; give one"),
}


@pytest.mark.parametrize(("options", "words"), REFUSED.values(), ids=REFUSED)
def test_arguments_without_a_place_here_are_refused_in_words(options, words):
    with pytest.raises(UsageError, match=words):
        LMModel(line()).compile(loss="mse", **options)


TWICE = {
    "damping": (
        {"optimizer": {"name": "lm", "damping": "factor"}, "damping": "nielsen"},
        "damping in optimizer",
    ),
    "either name": (
        {"optimizer": {"name": "lm", "damping": "factor", "damping_algorithm": "nielsen"}},
        "damping_",
    ),
    "solver": (
        {"optimizer": {"name": "lm", "solver": "qr"}, "solver": "cholesky"},
        "solver in optimizer and solver",
    ),
    "attempts": (
        {"damping": {"max_attempts": 3}, "attempts": 4},
        "attempts_per_step and the damping's max_attem",
    ),
}


@pytest.mark.parametrize(("options", "words"), TWICE.values(), ids=TWICE)
def test_what_is_given_twice_is_refused(options, words):
    given = {"optimizer": "lm", **options}
    with pytest.raises(UsageError, match=f"{words}.*are the same; give one of them"):
        optimizer_section(given.pop("optimizer"), given.pop("damping", None), **given)


OPTIMIZERS = {
    "their damping": ({"damping": Theirs()}, "Theirs has the methods of tf-levenberg-marquardt"),
    "gradient descent": (
        {"optimizer": keras.optimizers.SGD(1.0), "damping": "factor"},
        "damping: is of Levenberg-Marquardt, and the optimizer is Keras' SGD",
    ),
    "clipping": ({"optimizer": keras.optimizers.Adam(clipnorm=1.0)}, "lmrun has no clipnorm of Adam"),
    "averages": ({"optimizer": keras.optimizers.Adam(use_ema=True)}, "lmrun has no use_ema of Adam"),
    "schedule": (
        {"optimizer": keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 9))},
        "Adam has a schedule of learning rates",
    ),
}


@pytest.mark.parametrize(("options", "words"), OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_what_an_optimizer_would_not_do_is_refused_in_words(options, words):
    with pytest.raises(UsageError, match=words):
        optimizer_section(options.get("optimizer", "lm"), options.get("damping"))


def test_names_of_optimizers_in_any_case_and_classes():
    assert optimizer_section("LM") == {"name": "lm"}
    assert optimizer_section("RMSprop") == {"name": "rmsprop"}
    assert optimizer_section(keras.optimizers.AdamW)["weight_decay"] == 0.004
    section = optimizer_section({"name": "lm", "damping": {"scaling": "fletcher"}})
    assert section["damping"] == {"scaling": "marquardt"}


def test_their_names_in_a_mapping_and_beside_it():
    section = optimizer_section({"name": "lm", "attempts_per_step": 10, "solve_method": "solve"}, "fletcher")
    assert (section["solver"], section["damping"]["max_attempts"]) == ("cholesky", 10)
    for name in ("jacobian_max_num_rows", "callbacks", "class_weight", "epochs", "attempts_per_step"):
        with pytest.raises(UsageError, match=f"lmrun.fit: {name}: "):
            lmrun.fit(line(), X, Y, **{name: 1})


def test_a_class_is_a_damping_too():
    class Constant:
        def start(self, largest, scaled_norm):
            return Damping(1.0)

        def accepted(self, damping, gain_ratio, scalars):
            return damping

        def rejected(self, damping, gain_ratio, scalars):
            return damping

    result = lmrun.fit(line(), X, Y, damping=Constant, max_steps=2)
    np.testing.assert_array_equal(result.history["damping"][1:], [1.0, 1.0])
