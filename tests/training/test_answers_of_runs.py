"""The answers of a run by its own kernels, against the closed forms and NIST's certified values."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.stats import norm
from scipy.stats import t as student

from lmrun.build import build
from lmrun.config.answers import AnswersConfig
from lmrun.config.load import load_text
from lmrun.inference.answers import answer
from lmrun.inference.undefined import Undefined
from lmrun.training.answers import answers_of, formula_answers
from lmrun.training.bands import bands_of
from lmrun.training.linearized import solution_of
from lmrun.training.refits import KernelModel, Refits

NIST = {
    problem["name"]: problem
    for problem in json.loads((Path(__file__).parents[1] / "data" / "nist_strd.json").read_text())
}
LINE = """
dataset: {name: table, path: line.csv, inputs: [x], targets: [y]}
model: {name: formula, expression: a + b*x, parameters: {a: 0, b: 0}}
"""
ROWS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("answers")
    rng = np.random.default_rng(3)
    x = np.linspace(-1, 2, ROWS)
    y = 0.7 - 1.3 * x + 0.3 * rng.normal(size=ROWS)
    w = rng.uniform(0.5, 2, ROWS)
    np.savetxt(made / "line.csv", np.stack([x, y, w], axis=1), delimiter=",", header="x,y,w", comments="")
    misra = NIST["Misra1a"]
    table = np.stack([misra["x"][0], misra["y"]], axis=1)
    np.savetxt(made / "misra.csv", table, fmt="%.17g", delimiter=",", header="x,y", comments="")
    return made


def made(folder, text, *overrides):
    return build(load_text(text, folder / "a.yaml", overrides).config)


@pytest.fixture(scope="module")
def line(folder):
    return made(folder, LINE)


def least_squares(folder, weighted=False):
    """Parameters, standard errors and deviation of the line in closed form."""
    x, y, w = np.loadtxt(folder / "line.csv", delimiter=",", skiprows=1).T
    root = np.sqrt(w) if weighted else np.ones(ROWS)
    X = root[:, None] * np.stack([np.ones(ROWS), x], axis=1)
    params, (squares,), _, _ = np.linalg.lstsq(X, root * y)
    deviation = np.sqrt(squares / (ROWS - 2))
    return params, deviation * np.sqrt(np.diag(np.linalg.inv(X.T @ X))), deviation


def test_nist(folder):
    text = LINE.replace("line.csv", "misra.csv").replace("a + b*x", "b1*(1 - exp(-b2*x))")
    experiment = made(folder, text.replace("{a: 0, b: 0}", "{b1: 250, b2: 0.0005}"))
    misra = NIST["Misra1a"]
    params = np.array(list(misra["certified"].values()))
    found = answer(solution_of(experiment, params))
    for estimate in found.estimates:
        expected = misra["standard_deviation"][estimate.name]
        assert estimate.standard_error == pytest.approx(expected, rel=1e-9)
    model = KernelModel(experiment)
    x = np.array(misra["x"][0])
    slopes = np.stack([1 - np.exp(-params[1] * x), params[0] * x * np.exp(-params[1] * x)], axis=1)
    np.testing.assert_allclose(model.values(params), params[0] * slopes[:, 0], rtol=1e-12)
    np.testing.assert_allclose(model.jacobian(params), slopes, rtol=1e-12)
    assert Refits(experiment, found).bootstrap(20) == Refits(experiment, found).bootstrap(20)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_line(folder, line, weighted):
    experiment = made(folder, LINE, "dataset.sample_weight=w") if weighted else line
    params, errors, deviation = least_squares(folder, weighted)
    experiment.network.assign(params)
    asked = AnswersConfig(level=0.9, profile=True, bootstrap=200, draw="residual" if weighted else "case")
    found = formula_answers(experiment, params, asked)
    assert found["residual_standard_deviation"] == pytest.approx(deviation, rel=1e-10)
    for place, (name, one) in enumerate(found["estimates"].items()):
        assert one["value"] == params[place]
        assert one["standard_error"] == pytest.approx(errors[place], rel=1e-10)
        assert found["profile"]["intervals"][name]["interval"] == pytest.approx(one["interval"], rel=1e-7)
        drawn = found["bootstrap"]["estimates"][name]["standard_error"]
        assert drawn == pytest.approx(one["standard_error"], rel=0.4)


@pytest.mark.parametrize("known", [False, True])
def test_sigma(folder, known):
    """As SciPy's curve_fit, absolute_sigma or not."""
    experiment = made(folder, LINE, "dataset.sigma=w")
    x, y, w = np.loadtxt(folder / "line.csv", delimiter=",", skiprows=1).T
    params, covariance = curve_fit(lambda x, a, b: a + b * x, x, y, sigma=w, absolute_sigma=known)
    inner = np.linalg.lstsq(np.stack([1 / w, x / w], axis=1), y / w)[0]
    found = formula_answers(experiment, inner, AnswersConfig(known_sigma=known, profile=True))
    assert found["known_sigma"] == known
    for name, value, error in zip("ab", params, np.sqrt(np.diag(covariance)), strict=True):
        one = found["estimates"][name]
        assert one["value"] == pytest.approx(value, rel=1e-6)
        assert one["standard_error"] == pytest.approx(error, rel=1e-6)
        assert found["profile"]["intervals"][name]["interval"] == pytest.approx(one["interval"], rel=1e-7)
    experiment.network.assign(inner)
    train = experiment.dataset.train
    confidence, prediction = bands_of(experiment, {"all": train}, known_sigma=known).parts["all"]
    noise = 1.0 if known else found["residual_standard_deviation"]
    t = norm.ppf(0.975) if known else student.ppf(0.975, ROWS - 2)
    np.testing.assert_allclose(np.sqrt(prediction**2 - confidence**2), t * noise * w, rtol=1e-9)


def test_normalized_targets_are_told_in_the_users_units(folder):
    experiment = made(folder, LINE, "dataset.normalization=standard")
    x, y, _ = np.loadtxt(folder / "line.csv", delimiter=",", skiprows=1).T
    slope = np.corrcoef(x, y)[0, 1]
    found = formula_answers(experiment, np.array([0.0, slope]))
    _, errors, deviation = least_squares(folder)
    assert found["residual_standard_deviation"] == pytest.approx(deviation, rel=1e-10)
    assert found["estimates"]["b"]["standard_error"] == pytest.approx(
        errors[1] * x.std() / y.std(), rel=1e-10
    )


def test_words_where_there_are_no_numbers(folder, line):
    mae = formula_answers(made(folder, LINE, "loss=mae"), np.zeros(2))
    assert mae["estimates"]["a"]["reason"].startswith("the loss mae bends nowhere")
    huber = formula_answers(made(folder, LINE, "loss=huber"), np.zeros(2))
    assert huber["estimates"]["a"]["reason"].startswith("the fit is not at a minimum")
    lost = formula_answers(line, np.array([np.nan, 1.0]))
    assert lost["estimates"]["b"]["reason"] == "residuals or derivatives are not finite there"
    away = formula_answers(line, np.zeros(2))
    assert away["estimates"]["a"]["reason"].startswith("the fit is not at a minimum")
    assert away["residual_standard_deviation"] > 0


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_what_overflows_is_told_in_words(line):
    found = formula_answers(line, np.array([1e200, 1e200]))
    assert all(one["standard_error"] is None and one["reason"] for one in found["estimates"].values())


def test_bands_of_a_line(folder, line):
    params, _, deviation = least_squares(folder)
    line.network.assign(params)
    found = bands_of(line, {"training": line.dataset.train}, level=0.95)
    x = line.dataset.train.inputs[:, 0]
    variance = 1 / ROWS + (x - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    t = 2.0738730679040147  # of 22 degrees of freedom
    np.testing.assert_allclose(
        found.parts["training"].confidence, t * deviation * np.sqrt(variance), rtol=1e-9
    )
    line.network.assign(np.zeros(2))
    assert "not at a minimum" in bands_of(line, {"training": line.dataset.train}).reason


def test_bands_of_a_network(folder):
    text = LINE.splitlines()[1] + "\nmodel: {name: mlp, hidden: [3]}\n"
    experiment = made(folder, text)
    train = experiment.dataset.train
    found = bands_of(experiment, {"training": train, "test": replace(train, weights=np.full(ROWS, 4.0))})
    number = float(found.note.split()[0])
    assert 0 < number < 10
    document = answers_of(experiment, experiment.network.params())
    assert document["effective_parameters"] == pytest.approx(number, abs=0.06)
    confidence, prediction = found.parts["training"]
    assert np.all((confidence > 0) & (confidence < prediction))
    scale = float(experiment.dataset.target_map.scale[0])
    errors = scale * (experiment.kernels.outputs(experiment.network.params(), train.inputs.T) - train.targets)
    deviation = np.sqrt(np.sum(errors**2) / (ROWS - number))
    rest = np.sqrt(prediction**2 - confidence**2)
    np.testing.assert_allclose(rest / rest[0], 1, rtol=1e-9)
    assert rest[0] == pytest.approx(2.1 * deviation, rel=0.1)
    np.testing.assert_allclose(found.parts["test"].prediction ** 2 - confidence**2, rest**2 / 4, rtol=1e-9)
    other = made(folder, text, "loss=mae")
    assert isinstance(bands_of(other, {"training": train}), Undefined)
    said = answers_of(other, other.network.params())["reasons"]["effective_parameters"]
    assert said == "only least squares, loss: mse, have that, and the loss is mae"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("model.hidden=[3, 10000]",), "its factorization would take too long"),
        (("optimizer=adam",), "would have to be compiled"),
    ],
)
def test_networks_whose_parameters_are_not_counted(folder, overrides, words):
    text = LINE.splitlines()[1] + "\nmodel: {name: mlp, hidden: [3]}\n"
    experiment = made(folder, text, *overrides)
    found = answers_of(experiment, experiment.network.params())
    assert found["effective_parameters"] is None
    assert words in found["reasons"]["effective_parameters"]


@pytest.mark.parametrize("loss", ["huber", "soft_l1", "cauchy", "arctan"])
@pytest.mark.parametrize("normalization", ["none", "standard"])
def test_robust_losses(folder, loss, normalization):
    """Against differences of the loss of every row as SciPy defines it, in the unit of the training."""
    kind = "delta" if loss == "huber" else "scale"
    scale = f"loss={{name: {loss}, {kind}: 0.3}}"
    experiment = made(
        folder, LINE, scale, f"dataset.normalization={normalization}", "dataset.sample_weight=w"
    )
    train = experiment.dataset.train
    x, y, w = train.inputs[:, 0], train.targets[:, 0], train.weights
    X = np.stack([np.ones(ROWS), x], axis=1)
    half = 0.5 if loss == "huber" else 1.0

    def slope(errors):
        z = (errors / 0.3) ** 2
        if loss == "huber":
            return half * np.clip(errors, -0.3, 0.3)
        return errors * {"soft_l1": (1 + z) ** -0.5, "cauchy": 1 / (1 + z), "arctan": 1 / (1 + z**2)}[loss]

    params = np.linalg.lstsq(X, y)[0]
    for _ in range(300):
        errors = X @ params - y
        weight = w * slope(errors) / errors
        params = params - np.linalg.solve((X.T * weight) @ X, X.T @ (weight * errors))
    errors = X @ params - y
    bend = (slope(errors + 1e-6) - slope(errors - 1e-6)) / 2e-6
    bread = np.linalg.inv((X.T * (w * bend)) @ X)
    slopes = (w * slope(errors))[:, None] * X
    expected = np.sqrt(np.diag(ROWS / (ROWS - 2) * bread @ slopes.T @ slopes @ bread))
    found = formula_answers(experiment, params)
    assert [one["standard_error"] for one in found["estimates"].values()] == pytest.approx(expected, rel=1e-6)
    half_width = np.diff(found["estimates"]["a"]["interval"])[0] / 2
    assert half_width == pytest.approx(student.ppf(0.975, ROWS - 2) * expected[0], rel=1e-6)
    assert found["residual_sum_of_squares"] is None
    assert found["reasons"]["aic"].startswith("only least squares")
    experiment.network.assign(params)
    bands = bands_of(experiment, {"training": train})
    assert np.isnan(bands.parts["training"].prediction).all()
    assert np.isfinite(bands.parts["training"].confidence).all()
    assert bands.note.startswith("no prediction band: only least squares")


def test_several_responses(folder):
    """Two lines with a common slope: one least squares problem of all residuals."""
    x, y, w = np.loadtxt(folder / "line.csv", delimiter=",", skiprows=1).T
    text = LINE.replace("[y]", "[y, w]").replace("a + b*x", "{w: c + b*x, y: a + b*x}")
    experiment = made(folder, text.replace("{a: 0, b: 0}", "{a: 0, b: 0, c: 0}"))
    zero, one = np.zeros(ROWS), np.ones(ROWS)
    X = np.concatenate([np.stack([one, x, zero], axis=1), np.stack([zero, x, one], axis=1)])
    both = np.concatenate([y, w])
    params, (squares,), _, _ = np.linalg.lstsq(X, both)
    found = formula_answers(experiment, params, AnswersConfig(profile=True, bootstrap=200))
    assert found["observations"] == 2 * ROWS
    assert found["remarks"]["bands"] == "the figure has none: they are drawn of one target, and there are 2"
    spread = ROWS * (np.var(y) + np.var(w))
    adjusted = 1 - squares / (2 * ROWS - 3) * (2 * ROWS - 2) / spread
    assert found["adjusted_r_squared"] == pytest.approx(adjusted, rel=1e-10)
    inverse = np.linalg.inv(X.T @ X)
    errors = np.sqrt(squares / (2 * ROWS - 3) * np.diag(inverse))
    # The bootstrap leaves each response its own scatter, with that of the other in the same row.
    scatter = np.kron(np.cov((both - X @ params).reshape(2, -1)), np.eye(ROWS))
    own = np.sqrt(np.diag(inverse @ X.T @ scatter @ X @ inverse))
    for name, error, alone in zip("abc", errors, own, strict=True):
        line = found["estimates"][name]
        assert line["standard_error"] == pytest.approx(error, rel=1e-10)
        assert found["profile"]["intervals"][name]["interval"] == pytest.approx(line["interval"], rel=1e-7)
        drawn = found["bootstrap"]["estimates"][name]["standard_error"]
        assert drawn == pytest.approx(alone, rel=0.25)


@pytest.mark.parametrize("sigma", ["w", "[w]"])
def test_robust_losses_of_errors_in_standard_deviations(folder, sigma):
    """Cauchy's loss of e / sigma, one column for all targets or one for each."""
    experiment = made(folder, LINE, "loss={name: cauchy, scale: 0.3}", f"dataset.sigma={sigma}")
    x, y, w = np.loadtxt(folder / "line.csv", delimiter=",", skiprows=1).T
    X, scaled = np.stack([1 / w, x / w], axis=1), y / w
    params = np.linalg.lstsq(X, scaled)[0]
    for _ in range(300):
        z = ((X @ params - scaled) / 0.3) ** 2
        params = np.linalg.solve((X.T / (1 + z)) @ X, X.T @ (scaled / (1 + z)))
    errors = X @ params - scaled
    z = (errors / 0.3) ** 2
    bread = np.linalg.inv((X.T * ((1 - z) / (1 + z) ** 2)) @ X)
    slopes = (errors / (1 + z))[:, None] * X
    expected = np.sqrt(np.diag(ROWS / (ROWS - 2) * bread @ slopes.T @ slopes @ bread))
    found = formula_answers(experiment, params)["estimates"]
    assert [one["standard_error"] for one in found.values()] == pytest.approx(expected, rel=1e-6)
    experiment.network.assign(params)
    confidence = bands_of(experiment, {"all": experiment.dataset.train}).parts["all"].confidence
    assert confidence.shape == (ROWS,)
