"""Losses of the user's own: twins of built-in ones, and sentences about mistakes."""

from textwrap import dedent

import numpy as np
import pytest
import tensorflow as tf

from lmrun.errors import ConfigError
from lmrun.losses.rehearsal import Sample

RNG = np.random.default_rng(2)
OUTPUTS, TARGETS = RNG.normal(size=(2, 5, 2))
SAMPLE = Sample(tf.constant(OUTPUTS[:3]), tf.constant(TARGETS[:3]))

TWINS = """
    import tensorflow as tf

    def residual(outputs, targets):
        return outputs - targets

    def value(outputs, targets):
        return tf.reduce_mean(tf.square(outputs - targets), axis=-1)

    def factor(outputs, targets):
        return tf.linalg.diag(tf.ones_like(outputs))  # times sqrt(2 / 2 outputs): d2/dz2 of the mean of two
"""


@pytest.fixture
def code(tmp_path):
    """Write a module and return its path."""

    def write(text):
        file = tmp_path / "own.py"
        file.write_text(dedent(text))
        return str(file)

    return write


def columns(loss):
    return tf.stack(loss.columns(tf.constant(OUTPUTS), tf.constant(TARGETS), None), axis=-1).numpy()


def test_residuals_are_a_twin_of_the_mean_squared_error(code, make_loss):
    custom = make_loss({"name": "custom", "residual": f"{code(TWINS)}:residual"}, SAMPLE)
    mse = make_loss("mse")
    outputs, targets, second = tf.constant(OUTPUTS), tf.constant(TARGETS), tf.constant(OUTPUTS)
    assert custom.scale(2) == mse.scale(2)
    assert custom.components(2) == mse.components(2)
    np.testing.assert_allclose(custom.values(outputs, targets), mse.values(outputs, targets), rtol=1e-15)
    np.testing.assert_array_equal(custom.residual(outputs, targets), mse.residual(outputs, targets))
    np.testing.assert_array_equal(columns(custom), columns(mse))
    bent = (loss.bent(outputs, targets, None, outputs, second) for loss in (custom, mse))
    np.testing.assert_allclose(*bent, rtol=1e-13)


def test_value_and_factor_are_a_twin_of_the_mean_squared_error(code, make_loss):
    """The factor is that of the value, whose second derivative is 1 here; the cost is half of it."""
    file = code(TWINS)
    custom = make_loss({"name": "custom", "value": f"{file}:value", "factor": f"{file}:factor"}, SAMPLE)
    outputs, targets = tf.constant(OUTPUTS), tf.constant(TARGETS)
    assert custom.scale(2) == 1
    assert custom.components(2) == 2
    assert custom.residual(outputs, targets) is None
    mse = make_loss("mse")
    np.testing.assert_allclose(custom.values(outputs, targets), mse.values(outputs, targets), rtol=1e-15)
    np.testing.assert_allclose(columns(custom), 0.5**0.5 * columns(mse), rtol=1e-15)


def test_residuals_that_are_not_linear(code, make_loss):
    """r = (z_1 z_2, exp(z_1), z_2 - t_1): F is the derivative by hand, r_vv by central differences."""
    file = code("""
        import tensorflow as tf

        def residual(outputs, targets):
            a, b = tf.unstack(outputs, axis=-1)
            return tf.stack([a * b, tf.exp(a), b - targets[:, 0]], axis=-1)
    """)
    loss = make_loss({"name": "custom", "residual": f"{file}:residual"}, SAMPLE)
    outputs, targets = tf.constant(OUTPUTS), tf.constant(TARGETS)
    assert loss.components(2) == loss.scale(2) == 3
    a, b = OUTPUTS.T
    zero, one = np.zeros(5), np.ones(5)
    expected = np.stack([[b, np.exp(a), zero], [a, zero, one]]).transpose(2, 0, 1)
    np.testing.assert_allclose(columns(loss), expected, rtol=1e-14)
    first, second = np.random.default_rng(3).normal(size=(2, 5, 2))
    ahead, here, behind = (
        loss.residual(tf.constant(OUTPUTS + t * first + t * t / 2 * second), targets).numpy()
        for t in (1e-4, 0, -1e-4)
    )
    bent = loss.bent(outputs, targets, None, tf.constant(first), tf.constant(second))
    np.testing.assert_allclose(bent, (ahead - 2 * here + behind) / 1e-8, rtol=1e-5, atol=1e-6)


def message(make_loss, **config):
    with pytest.raises(ConfigError) as caught:
        make_loss({"name": "custom", **config}, SAMPLE)
    return str(caught.value)


BAD = """
    import numpy as np
    import tensorflow as tf

    three = 3

    def names():
        return 1

    def raises(outputs, targets):
        return outputs - unknown

    def shape(outputs, targets):
        return tf.reduce_sum(outputs - targets, axis=-1)

    def rows(outputs, targets):
        return (outputs - targets)[:2]

    def single(outputs, targets):
        return tf.cast(outputs - targets, tf.float32)

    def array(outputs, targets):
        return outputs.numpy() - targets.numpy()

    def nan(outputs, targets):
        return tf.math.log(-tf.square(outputs - targets))

    def mixes(outputs, targets):
        return outputs - tf.reduce_mean(outputs, axis=0)

    def constant(outputs, targets):
        return targets + 1.0

    def broken(outputs, targets):
        return tf.sqrt(tf.abs(outputs - outputs)) + targets

    def branches(outputs, targets):
        if outputs[0, 0] > 0:
            return outputs - targets
        return targets - outputs

    def incompatible(outputs, targets):
        return outputs - targets[:, :1, None]
"""
SENTENCES = {
    "missing": "{file} has no 'missing'. Known: names, raises, shape, rows, single, array, nan, mixes,"
    " constant, broken, branches, incompatible.",
    "shap": "{file} has no 'shap'. Did you mean 'shape'?",
    "three": "the function cannot be called; it is an object of type int",
    "names": "the function fails for outputs float64 [3, 2] and targets float64 [3, 2]:"
    " TypeError: names() takes 0 positional arguments but 2 were given",
    "raises": "the function fails for outputs float64 [3, 2] and targets float64 [3, 2]:"
    " NameError: name 'unknown' is not defined (line 11 of {file})",
    "shape": "the function should return float64 [3, q], not float64 [3]",
    "rows": "the function should return float64 [3, q], not float64 [2, 2]",
    "single": "the function should return float64 [3, q], not float32 [3, 2]",
    "array": "the function should return float64 [3, q], not an object of type ndarray",
    "nan": "the function is not finite at the start: nan in row 1",
    "mixes": "the function gives a row another value when it stands alone; each row is to be treated by"
    " itself",
    "constant": "the function does not depend on the outputs; compute with TensorFlow from them",
    "broken": "the function has a derivative by the outputs that is not finite at the start: nan in row 1",
    "incompatible": "the function should return float64 [3, q], not float64 [3, 3, 2]",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_sentences_about_residuals(name, code, make_loss):
    file = code(BAD)
    expected = f"loss.residual: {SENTENCES[name]}".format(file=file)
    assert message(make_loss, residual=f"{file}:{name}") == expected


def test_code_that_only_python_can_follow(code, make_loss):
    file = code(BAD)
    text = message(make_loss, residual=f"{file}:branches")
    assert text.startswith("loss.residual: the function fails for outputs float64 [3, 2] and")
    assert "OperatorNotAllowedInGraphError" in text
    assert f"of {file})" in text


def test_sentences_about_value_and_factor(code, make_loss):
    file = code(TWINS)
    value, factor, residual = (f"{file}:{name}" for name in ("value", "factor", "residual"))
    assert message(make_loss, value=residual, factor=factor) == (
        "loss.value: the function should return float64 [3], not float64 [3, 2]"
    )
    assert message(make_loss, value=value, factor=residual) == (
        "loss.factor: the function should return float64 [3, 2, q], not float64 [3, 2]"
    )


def test_sentences_about_modules(tmp_path, make_loss, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message(make_loss, residual="no_such_module:residual") == (
        "loss.residual: there is no module 'no_such_module' beside the config, in the current directory or"
        " installed"
    )
    assert message(make_loss, residual="gone.py:residual") == "loss.residual: there is no file gone.py"
    (tmp_path / "broken_module.py").write_text("import no_such_module\n")
    assert message(make_loss, residual="broken_module:residual") == (
        "loss.residual: broken_module cannot be imported: ModuleNotFoundError: No module named"
        f" 'no_such_module' (line 1 of {tmp_path / 'broken_module.py'})"
    )
