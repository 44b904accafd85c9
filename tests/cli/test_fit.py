"""`lmrun fit`: one line, the run directory of a config file, and a parameter table."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lmrun.cli import app
from lmrun.cli.plotted import fitted
from lmrun.config.load import load_config
from lmrun.runs.layout import RunDirectory
from lmrun.training import session

NIST = Path(__file__).parents[1] / "data" / "nist_strd.json"
MISRA = next(problem for problem in json.loads(NIST.read_text()) if problem["name"] == "Misra1a")
FORMULA = "y ~ b1*(1 - exp(-b2*x))"
STARTS = ("--start", "b1=250", "b2=0.0005")


def invoke(*arguments, command="fit"):
    return CliRunner().invoke(app, [command, *arguments])


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{x!r},{y!r},{0.1 + 0.01 * y!r}" for x, y in zip(MISRA["x"][0], MISRA["y"], strict=True)]
    Path("a.csv").write_text("\n".join(["x,y,s", *rows]) + "\n")
    return "a.csv"


def test_a_whole_fit(table, tmp_path):
    result = invoke(table, FORMULA, *STARTS, "--profile", "--bootstrap", "100", "--name", "one", "--json")
    assert (result.exit_code, result.exception) == (0, None)
    document = json.loads(result.stdout)
    fit = document["fit"]
    for name, value in MISRA["certified"].items():
        one = fit["estimates"][name]
        assert document["params"][name] == one["value"] == pytest.approx(value, rel=1e-10)
        assert one["standard_error"] == pytest.approx(MISRA["standard_deviation"][name], rel=1e-10)
        low, high = fit["profile"]["intervals"][name]["interval"]
        assert (low, high) == pytest.approx(one["interval"], rel=2e-3)
        assert (low, high) != tuple(one["interval"])
        drawn = fit["bootstrap"]["estimates"][name]
        assert drawn["standard_error"] == pytest.approx(one["standard_error"], rel=0.35)
    assert (fit["bootstrap"]["draws"], fit["bootstrap"]["seed"], fit["level"]) == (100, 10, 0.95)
    run = tmp_path / "runs" / "one"
    assert json.loads((run / "summary.json").read_text())["fit"] == fit
    source = (run / "source.yaml").read_text()
    assert source.startswith(f"# lmrun fit a.csv '{FORMULA}' --start b1=250 b2=0.0005\n")
    assert load_config(str(run / "source.yaml")).config == load_config(str(run / "config.yaml")).config
    shown = invoke("one", command="show").stdout
    assert "standard error" in shown
    assert "by profile" in shown
    assert "by bootstrap" in shown
    curve = fitted(RunDirectory(run)).curve()
    b1, b2 = document["params"].values()
    np.testing.assert_allclose(curve.y, b1 * (1 - np.exp(-b2 * curve.x)), rtol=1e-12)
    assert (curve.x[0], curve.x[-1], len(curve.x)) == (min(MISRA["x"][0]), max(MISRA["x"][0]), 500)
    assert np.all((curve.confidence > 0) & (curve.confidence < curve.prediction))
    assert "plot" in result.stderr
    assert "standard error" not in result.stderr


def test_the_table_is_the_output(table):
    changes = ["training.max_steps=200", "precision=float64", "model.parameters.b1.start=250"]
    more = ("--level", "0.9", "--seed", "3")
    result = invoke(table, FORMULA, "--start", "b2=0.0005", "b1=1", *changes, *more)
    assert result.exit_code == 0
    assert "90 % interval" in result.stdout
    assert "238.942" in result.stdout
    assert "lmrun plot" in result.stderr
    (run,) = Path("runs").iterdir()
    assert (run / "overrides.txt").read_text().split() == [*changes, "seed=3"]


def test_sigma(table):
    result = invoke(table, FORMULA, *STARTS, "--sigma", "s", "--absolute-sigma", "--name", "known")
    assert result.exit_code == 0
    assert "sigma is known: chi² " in result.stdout
    relative = json.loads(invoke(table, FORMULA, *STARTS, "--sigma", "s", "--json", "--quiet").stdout)["fit"]
    known = json.loads(Path("runs/known/summary.json").read_text())["fit"]
    for name, one in known["estimates"].items():
        ratio = relative["estimates"][name]["standard_error"] / one["standard_error"]
        assert ratio == pytest.approx(relative["residual_standard_deviation"], rel=1e-9)


@pytest.mark.parametrize(
    ("formula", "more"),
    [
        ("y ~ b1*x/0", ()),
        ("y ~ b1*x/c", ("c=0", "model.parameters.c.fixed=true")),
        ("y ~ b1*x/1e-200 + b2", ("b2=1",)),
    ],
)
def test_a_division_by_zero_is_told_in_words(formula, more, table):
    result = invoke(table, formula, "--start", "b1=1", *more)
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 4
    assert "The loss of the initial parameters is not finite" in result.stderr


def test_a_parameter_that_is_divided_by_next_to_nothing(table):
    """The square of 1e-200 is 0."""
    result = invoke(table, "y ~ b1*x/1e-200 + b2", "--start", "b1=1e-200", "b2=1", "--json", "--quiet")
    assert (result.exit_code, result.exception) == (0, None)
    slope, level = np.polyfit(MISRA["x"][0], MISRA["y"], 1)
    np.testing.assert_allclose(
        list(json.loads(result.stdout)["params"].values()), [1e-200 * slope, level], rtol=1e-10
    )


def test_a_parameter_that_follows_another(table):
    tie = "model.parameters.b2.expression=b1/c"
    result = invoke(table, FORMULA, "--start", "b1=250", "c=500000", "b2=1", tie, "--json", "--quiet")
    assert (result.exit_code, result.exception) == (0, None)
    params = json.loads(result.stdout)["params"]
    assert params["b2"] == params["b1"] / params["c"]
    assert params["b1"] == pytest.approx(MISRA["certified"]["b1"], rel=1e-9)


def test_an_implicit_formula(tmp_path, monkeypatch):
    """A circle, 0 = f(x, y): its target is a column of zeros, of which there is no R²."""
    monkeypatch.chdir(tmp_path)
    angle, noise = np.linspace(0, 5, 20), 0.01 * np.random.default_rng(1).normal(size=20)
    rows = zip(2 + (3 + noise) * np.cos(angle), 1 + (3 + noise) * np.sin(angle), strict=True)
    Path("c.csv").write_text("zero,x,y\n" + "".join(f"0,{x},{y}\n" for x, y in rows))
    formula = "zero ~ sqrt((x - a)**2 + (y - b)**2) - r"
    result = invoke("c.csv", formula, "--start", "a=1", "b=0", "r=2", "--bootstrap", "100", "--json")
    assert (result.exit_code, result.stderr[-200:]) == (0, result.stderr[-200:])
    document = json.loads(result.stdout)
    np.testing.assert_allclose(list(document["params"].values()), [2, 1, 3], atol=0.02)
    fit = document["fit"]
    assert all(one["standard_error"] > 0 for one in fit["estimates"].values())
    assert fit["r_squared"] is None
    assert "constant" in fit["reasons"]["r_squared"]


@pytest.mark.parametrize("loss", ["huber", "cauchy"])
def test_a_robust_loss_whose_scale_is_beyond_every_residual(loss, table):
    """Nothing is robust then, and the user hears of it; with a scale among the residuals all is well."""
    key = {"huber": "delta", "cauchy": "scale"}[loss]
    result = invoke(table, FORMULA, *STARTS, "--loss", loss, f"loss.{key}=10", "--name", "one")
    assert result.exit_code == 0
    words = (
        f"The loss {loss} has treated no row as an outlier: loss.{key} is 10, and the largest residual 0.1"
    )
    assert words in result.stderr
    assert f"loss.{key}=0.1" in result.stderr
    assert words in " ".join(invoke("one", command="show").stdout.split())
    result = invoke(table, FORMULA, *STARTS, "--loss", loss, f"loss.{key}=0.05", "--json")
    assert "outlier" not in result.stderr
    assert json.loads(result.stdout)["remarks"] == []


def test_the_scale_of_a_robust_loss_is_in_standard_deviations_of_sigma(table):
    result = invoke(table, FORMULA, *STARTS, "--sigma", "s", "--loss", "huber")
    assert result.exit_code == 0
    assert "standard deviations" in result.stderr
    result = invoke(table, FORMULA, *STARTS, "--sigma", "s", "--loss", "huber", "loss.delta=0.01")
    assert "outlier" not in result.stderr


ASKED = ("--sigma", "s", "--absolute-sigma", "--level", "0.9", "--profile", "--bootstrap", "100")


def test_answers_are_part_of_the_config(table):
    """Trained again, or resumed, a run says the same."""
    first = json.loads(invoke(table, FORMULA, *STARTS, *ASKED, "--name", "one", "--json").stdout)["fit"]
    assert (first["level"], first["known_sigma"], first["bootstrap"]["kind"]) == (0.9, True, "normal")
    again = invoke("runs/one/source.yaml", "--json", "--quiet", command="train")
    assert json.loads(again.stdout)["fit"] == first
    resolved = invoke("runs/one/config.yaml", "--json", "--quiet", command="train")
    assert json.loads(resolved.stdout)["fit"] == first


def test_answers_after_a_resumption(table, monkeypatch):
    """What ends the process while draws are fitted leaves a run that goes on from there."""
    whole = json.loads(invoke(table, FORMULA, *STARTS, *ASKED, "--json").stdout)["fit"]
    with monkeypatch.context() as patch:
        patch.setattr(session, "answers_of", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        invoke(table, FORMULA, *STARTS, *ASKED, "--name", "stopped", "--quiet")
    assert not Path("runs/stopped/summary.json").exists()
    resumed = invoke("--resume", "stopped", "--json", "--quiet", command="train")
    assert json.loads(resumed.stdout)["fit"] == whole


def test_answers_of_several_responses_by_a_file(table):
    Path("two.yaml").write_text(
        "dataset: {name: table, path: a.csv, inputs: [x], targets: [y, s]}\n"
        "model: {name: formula, expression: {y: b1*(1 - exp(-b2*x)), s: c + d*x},\n"
        "        parameters: {b1: 250, b2: 5e-4, c: 0, d: 0}}\n"
        "answers: {level: 0.9, profile: true}\n"
    )
    done = invoke("two.yaml", "answers.bootstrap=100", "answers.draw=case", command="train")
    assert done.exit_code == 0
    assert "90 % interval" in done.stderr
    assert "by profile" in done.stderr
    assert "100 draws by case" in done.stderr


def test_robust_losses_have_standard_errors(table):
    result = invoke(table, FORMULA, *STARTS, "--loss", "soft_l1", "--level", "0.9", "--name", "robust")
    assert result.exit_code == 0
    assert "90 % interval" in result.stdout
    assert "AIC, AICc, BIC: only least squares, loss: mse, have that, and the loss is soft_l1." in " ".join(
        result.stdout.replace("log-likelihood, ", "").split()
    )
    fit = json.loads(Path("runs/robust/summary.json").read_text())["fit"]
    plain = json.loads(invoke(table, FORMULA, *STARTS, "--json", "--quiet").stdout)["fit"]
    for name, one in fit["estimates"].items():
        # The residuals are a tenth of the scale: but for what each says of its own variance, least squares.
        assert one["standard_error"] == pytest.approx(plain["estimates"][name]["standard_error"], rel=0.4)
    curve = fitted(RunDirectory(Path("runs/robust"))).curve()
    assert (curve.level, curve.prediction) == (0.9, None)
    assert np.all(curve.confidence > 0)


def test_mae_has_no_standard_errors(table):
    result = invoke(table, FORMULA, *STARTS, "--loss", "mae", "--level", "0.9")
    assert result.exit_code == 0
    assert "90 % interval" in result.stdout
    assert "b1, b2: the loss mae bends nowhere" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("a.csv", FORMULA), 2, "'b1', 'b2' are no columns and have no starts."),
        (("a.csv", "y ~ b1*xx", "--start", "b1=1"), 2, "--start xx=1"),
        (("a.csv", FORMULA, *STARTS, "--level", "95"), 2, "--level: should lie between 0 and 1"),
        (("a.csv", FORMULA, *STARTS, "--level", "0.9999999999999999"), 2, "is so near to 1"),
        (("a.csv", FORMULA, *STARTS, "answers.known_sigma=true"), 2, "says what dataset.sigma means"),
        (("a.csv", FORMULA, *STARTS, "answers.draw=normal"), 2, "set known_sigma: true"),
        (("a.csv", FORMULA, *STARTS, "--absolute-sigma"), 2, "name the column too"),
        (("a.csv", FORMULA, *STARTS, "--cases"), 2, "--cases says what --bootstrap N draws"),
        (("a.csv", FORMULA, *STARTS, "--bootstrap", "5"), 2, "--bootstrap"),
        (("a.csv", FORMULA, *STARTS, "--sigma", "t"), 2, "there is no column 't'"),
        (
            ("a.csv", FORMULA, *STARTS, "--sigma", "s", "--loss", "huber", "optimizer=adam"),
            2,
            "with loss: huber is for optimizer: lm or gauss-newton",
        ),
        (("a.csv", FORMULA, "--start", "exp=1"), 2, "--start: at character 1: the name 'exp' is that of"),
        (("a.csv", FORMULA, *STARTS, "--sigma", "x"), 2, "the column 'x' is named twice"),
        (("a.csv", FORMULA, *STARTS, "--loss", "hubert"), 2, "Did you mean 'huber'?"),
        (
            ("a.csv", FORMULA, *STARTS, "--loss", "huber", "--profile"),
            2,
            "answers.profile: is for least squares",
        ),
        (("a.csv", FORMULA, *STARTS, "--loss", "mae", "--bootstrap", "100"), 2, "not for mae"),
        (("a.csv", FORMULA, *STARTS, "b3"), 2, "'b3' is not NAME=VALUE"),
        (("a.csv", FORMULA, *STARTS, "trainig.max_steps=3"), 2, "Did you mean 'training'?"),
        ((*STARTS, "a.csv", FORMULA), 2, "'b2=0.0005' stands where the table should"),
        (("b.csv", FORMULA, *STARTS), 3, "b.csv"),
        (("a.txt", FORMULA, *STARTS), 3, "the suffix '.txt' is not one of"),
    ],
)
def test_refusals(table, arguments, code, words):
    result = invoke(*arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not Path("runs").exists()
