"""The nearest known name."""

import pytest

from lmrun.config.optimizers import OPTIMIZER_NAMES
from lmrun.config.suggest import did_you_mean, distance, nearest


@pytest.mark.parametrize(
    ("word", "name"),
    [("adma", "adam"), ("ADAM", "adam"), ("LM", "lm"), ("gaussnewton", "gauss-newton"), ("nadamm", "nadam"),
     ("rms", "rmsprop"), ("levenberg", None), ("x", None)],
)  # fmt: skip
def test_nearest(word, name):
    assert nearest(word, OPTIMIZER_NAMES) == name


def test_did_you_mean():
    assert did_you_mean("sink", ["sinc", "mnist"]) == " Did you mean 'sinc'?"
    assert did_you_mean("zzz", ["sinc", "mnist"]) == " Known: sinc, mnist."
    assert did_you_mean("zzz", []) == ""


def test_names_from_elsewhere():
    assert nearest("max_fail", ["max_steps", "max_epochs", "patience"]) == "patience"
    assert nearest("weight_decay", ["damping", "regularization"]) == "regularization"
    assert nearest("weight_decay", ["damping", "momentum"]) is None


def test_distance():
    assert [distance("adma", "adam"), distance("", "abc"), distance("kitten", "sitting")] == [1, 3, 3]
