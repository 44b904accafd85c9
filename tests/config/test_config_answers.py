"""What a config may ask of a fit."""

import pytest

from lmrun.config.load import load_text
from lmrun.errors import ConfigError

TEXT = """
dataset: {name: table, path: t.csv, inputs: [x], targets: [y]}
model: {name: formula, expression: a*x, parameters: {a: 1}}
"""
KNOWN = ("dataset.sigma=s", "answers.known_sigma=true")


def loaded(tmp_path, *overrides, text=TEXT):
    return load_text(text, tmp_path / "a.yaml", overrides).config


@pytest.mark.parametrize(("more", "drawn"), [((), "residual"), (KNOWN, "normal")])
def test_what_is_drawn_is_written_out(tmp_path, more, drawn):
    answers = loaded(tmp_path, "answers.bootstrap=100", *more).answers
    assert (answers.draw, answers.drawn, answers.plain.bootstrap) == (drawn, drawn, None)
    assert loaded(tmp_path, *more).answers.draw is None
    assert loaded(tmp_path, "answers.draw=case", *more).answers.drawn == "case"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("answers.level=1",), "answers.level: should lie between 0 and 1, such as 0.95, not at 1"),
        (("answers.level=0.9999999999999999",), "answers.level: is so near to 1"),
        (("answers.bootstrap=5",), "answers.bootstrap"),
        (("answers.known_sigma=true",), "answers.known_sigma: says what dataset.sigma means"),
        (("answers.draw=normal",), "answers.draw: 'normal' draws errors of a known size"),
        ((*KNOWN, "answers.draw=residual"), "answers.draw: 'residual' says what the errors scatter by"),
        (("answers.profile=true", "loss=cauchy"), "is for least squares, loss: mse, and not for cauchy"),
        (("answers.profile=true", "model={name: mlp}"), "is for formulas, and the model is mlp"),
    ],
)
def test_refusals(tmp_path, overrides, words):
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, *overrides)
    assert words in str(refused.value)
