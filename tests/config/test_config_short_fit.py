"""The short way to a fit: what it makes of a formula, and every refusal with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.config.load import load_text
from lmrun.config.short_fit import read_starts, short_config
from lmrun.errors import ConfigError, UsageError

COLUMNS = ("time", "dose", "y")
DECAY = "y ~ b1*(1 - exp(-b2*time))"


def made(formula, *starts, **more):
    return short_config("/data/a.csv", COLUMNS, formula, starts, **more)


def loaded(text, tmp_path):
    return load_text(text, tmp_path / "fit.yaml").config


def test_the_config_is_that_of_a_file(tmp_path):
    config = loaded(made(f"  {DECAY} ", "b1=100", "b2=0.5", loss="huber"), tmp_path)
    assert (config.dataset.name, config.dataset.path) == ("table", "/data/a.csv")
    assert (config.dataset.inputs, config.dataset.targets) == (("time",), ("y",))
    assert config.model.expression == "b1*(1 - exp(-b2*time))"
    assert {name: one.start for name, one in config.model.parameters.items()} == {"b1": 100, "b2": 0.5}
    assert config.loss.name == "huber"
    assert loaded(made(DECAY, "b1=1", "b2=2"), tmp_path).loss.name == "mse"


def test_inputs_and_parameters_in_the_order_of_their_use(tmp_path):
    config = loaded(made("y ~ c + b*dose + a*time*dose", "a=1", "b=2", "c=3"), tmp_path)
    assert config.dataset.inputs == ("dose", "time")
    assert list(config.model.parameters) == ["c", "b", "a"]


def test_the_column_of_sigma():
    assert "sigma: dose" in made(DECAY, "b1=1", "b2=2", sigma="dose")


@pytest.mark.parametrize(
    ("formula", "starts", "words", "place"),
    [
        ("y b1*time", ["b1=1"], "no '~' between target and expression", 1),
        ("y ~ b1*time ~ 2", ["b1=1"], "a second '~'", 13),
        (" ~ b1*time", ["b1=1"], "no target in front of '~'", 1),
        ("  yy ~ b1*time", ["b1=1"], "there is no column 'yy' to be the target. Did you mean 'y'?", 3),
        ("log(y) ~ b1*time", ["b1=1"], "there is no column 'log(y)' to be the target.", 1),
        ("y ~ b1*(time", ["b1=1"], "'(' was never closed", 8),
        ("y ~ b1*", ["b1=1"], "the formula ends too early", 8),
        ("y ~ ", ["b1=1"], "the formula is empty", 4),
        ("y ~ b1.real*time", ["b1=1"], "a '.' after a name is not allowed in a formula", 7),
        ("y ~ __import__('os')", [], '"\'" is not allowed in a formula', 16),
        ("y ~ b1*sim(time)", ["b1=1"], "unknown function 'sim'. Did you mean 'sin'?", 8),
        ("y ~ b1*exp", ["b1=1"], "the function 'exp' needs an argument in parentheses", 8),
        ("y ~ b1*tmie", ["b1=1"], "'tmie' is no column and has no start. Did you mean the column 'time'?", 8),
        ("y ~ b1*time + b2", ["b1=1"], "--start b2=1", 15),
        ("y ~ b2*time + b1", [], "'b2', 'b1' are no columns and have no starts.", 5),
        ("y ~ b1*time + y", ["b1=1"], "the target 'y' cannot explain itself", 15),
        ("y ~ b1*time", ["b1=1", "time=2"], "'time' is a column and has a start", 8),
        ("y ~ b1*2", ["b1=1"], "no column in the formula; the table has time, dose", 4),
        ("y ~ 2*time", [], "no parameters in the formula", 4),
    ],
)
def test_what_is_refused_with_its_place(formula, starts, words, place):
    with pytest.raises(UsageError) as caught:
        made(formula, *starts)
    first, shown, caret = str(caught.value).split("\n")
    assert first.startswith(f"formula: at character {place}: ")
    assert words in first
    assert shown.strip() == formula.strip()
    assert caret.index("^") == 4 + place - 1


@pytest.mark.parametrize(
    ("formula", "words", "place"),
    [
        ("y ~ a*pi + b*x", "'pi' is a constant here, 3.14159; the column 'pi' has to be renamed first", 7),
        ("y ~ a*exp + b*x", "needs an argument in parentheses; the column 'exp' has to be renamed first", 7),
    ],
)
def test_columns_with_the_name_of_a_function_or_constant(formula, words, place):
    with pytest.raises(UsageError) as caught:
        short_config("/data/a.csv", ("x", "pi", "exp", "y"), formula, ["a=1", "b=1"])
    first, _, caret = str(caught.value).split("\n")
    assert first.startswith(f"formula: at character {place}: ")
    assert words in first
    assert caret.index("^") == 4 + place - 1


def test_pi_is_the_constant_where_no_column_has_its_name(tmp_path):
    text = short_config("/data/a.csv", ("x", "exp", "y"), "y ~ a*exp(pi*x)", ["a=1"])
    assert loaded(text, tmp_path).dataset.inputs == ("x",)
    assert "targets:\n  - pi\n" in short_config("/data/a.csv", ("x", "pi"), "pi ~ a*x", ["a=1"])


@pytest.mark.parametrize(
    ("starts", "override"),
    [
        (["b1=1", "b2=2"], "model.parameters.b2.expression=2*b1"),
        (["b1=1"], "model.parameters.b2.expression=2*b1"),
        (["b1=1"], "model.parameters.b2={expression: 2*b1}"),
        (["b1=1", "c=3"], "model.parameters.b2.expression=b1*c"),
    ],
)
def test_an_override_ties_a_parameter(starts, override, tmp_path):
    """Whether it had a start or not; what a tie reads is a parameter though the formula lacks it."""
    text = made(DECAY, *starts, overrides=[override])
    config = load_text(text, tmp_path / "fit.yaml", [override]).config
    assert config.model.parameters["b2"].expression == override.split("=")[1].split(": ")[-1].strip("}")
    assert config.model.parameters["b2"].start is None
    assert set(config.model.free) == {word.split("=")[0] for word in starts} - {"b2"}
    assert loaded(text, tmp_path) == config


def test_a_tie_that_is_refused_is_left_to_the_config(tmp_path):
    override = "model.parameters.b2.expression=2*"
    with pytest.raises(ConfigError, match="the formula ends too early"):
        load_text(made(DECAY, "b1=1", overrides=[override]), tmp_path / "fit.yaml", [override])


def test_a_start_with_a_reserved_name_is_marked():
    with pytest.raises(UsageError) as caught:
        read_starts(["b1=1", "exp=2"])
    first, shown, caret = str(caught.value).split("\n")
    assert first.startswith("--start: at character 6: the name 'exp' is that of a function or constant")
    assert shown[caret.index("^") :] == "exp=2"


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        (["b1"], "'b1' is not NAME=VALUE; write for example --start b1=100 b2=0.5."),
        (["=1"], "'=1' is not NAME=VALUE"),
        (["exp=1"], "the name 'exp' is that of a function or constant; rename the parameter."),
        (["2b=1"], "the name '2b' is no name that a formula can use"),
        (["b1=big"], "the value of b1 should be a finite number, not 'big'."),
        (["b1=.inf"], "the value of b1 should be a finite number, not '.inf'."),
        (["b1=true"], "the value of b1 should be a finite number, not 'true'."),
        (["b1=1", "b1=2"], "b1 has two values, 1 and 2; remove one."),
        (["b1=1", "b3=2", "b2=1"], "b3 does not occur in the formula"),
    ],
)
def test_starts_that_are_refused(starts, words):
    with pytest.raises(UsageError, match=r"^--start: ") as caught:
        made(DECAY, *starts)
    assert words in str(caught.value)


def test_a_misspelt_sigma():
    with pytest.raises(UsageError, match=r"there is no column 'dos' in /data/a.csv. Did you mean 'dose'\?"):
        made(DECAY, "b1=1", "b2=1", sigma="dos")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_starts_keep_every_digit(value):
    assert read_starts([f"b={value!r}"]) == {"b": value}
