"""Standard deviations, robust losses and several responses against SciPy."""

import numpy as np
import pytest
from scipy.optimize import curve_fit, least_squares
from test_digits import PROBLEMS, fit

from lmrun.config.schema import Config, resolve
from lmrun.errors import ConfigError, DataError
from lmrun.status import Status
from lmrun.training.answers import answers_of

X = np.linspace(0.2, 4, 25)
RNG = np.random.default_rng(5)
CURVE = 3 * np.exp(-0.7 * X) + 0.5
SIGMA = RNG.uniform(0.01, 0.2, size=X.size)
NOISY = CURVE + SIGMA * RNG.normal(size=X.size)
SPOILT = np.where(np.arange(X.size) % 6 == 2, NOISY + 1.5, NOISY)
PARAMETERS = {"a": 2, "b": 1, "c": 0}
TIGHT = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 5000}


def curve(x, a, b, c):
    return a * np.exp(-b * x) + c


def config_of(folder, columns, dataset, model, **sections):
    path = folder / "data.csv"
    rows = [
        ",".join(columns),
        *(",".join(map(repr, map(float, row))) for row in zip(*columns.values(), strict=True)),
    ]
    path.write_text("\n".join(rows) + "\n")
    table = {"name": "table", "path": str(path), "inputs": ["x"], "targets": ["y"], **dataset}
    model = {"name": "formula", "expression": "a*exp(-b*x) + c", "parameters": PARAMETERS, **model}
    return resolve(Config.model_validate({"dataset": table, "model": model, **sections}))


def test_standard_deviations(tmp_path):
    config = config_of(tmp_path, {"x": X, "y": NOISY, "s": SIGMA}, {"sigma": "s"}, {})
    driver, params, _ = fit(config)
    expected, _ = curve_fit(curve, X, NOISY, (2, 1, 0), SIGMA, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    np.testing.assert_allclose(params, expected, rtol=1e-8)
    # The loss is the weighted mean; times the sum of the weights it is chi^2.
    square = np.sum(((curve(X, *params) - NOISY) / SIGMA) ** 2)
    assert driver.loss(params) * driver.full.batch.weight == pytest.approx(square, rel=1e-12)


@pytest.mark.parametrize(("sigma", "words"), [(0, "0"), (-1, "-1"), (1e-200, "1e-200")])
def test_standard_deviations_are_positive(sigma, words, tmp_path):
    from lmrun.build import build

    spoilt = np.where(np.arange(X.size) >= 23, sigma, SIGMA)
    with pytest.raises(DataError) as error:
        build(config_of(tmp_path, {"x": X, "y": NOISY, "s": spoilt}, {"sigma": "s"}, {}))
    place = f"the standard deviation {words} in the column 's' at row 24 (line 25), the first of 2 bad cells"
    assert place in str(error.value)


@pytest.mark.parametrize(
    ("loss", "name", "scale"),
    [
        ({"name": "soft_l1", "scale": 0.1}, "soft_l1", 0.1),
        ({"name": "cauchy", "scale": 0.2}, "cauchy", 0.2),
        ({"name": "arctan", "scale": 0.3}, "arctan", 0.3),
        ({"name": "huber", "delta": 0.15}, "huber", 0.15),
    ],
)
def test_robust_losses(loss, name, scale, tmp_path):
    _, params, _ = fit(config_of(tmp_path, {"x": X, "y": SPOILT}, {}, {}, loss=loss))
    # From farther off SciPy's arctan ends in another minimum.
    expected = 1.001 * params
    for _ in range(3):
        expected = least_squares(
            lambda b: curve(X, *b) - SPOILT, expected, jac="cs", loss=name, f_scale=scale, **TIGHT
        ).x
    np.testing.assert_allclose(params, expected, rtol=1e-8, atol=1e-8)
    assert abs(params[2] - 0.5) < 0.2


@pytest.mark.parametrize(
    ("loss", "name", "scale"),
    [
        ({"name": "soft_l1", "scale": 1.5}, "soft_l1", 1.5),
        ({"name": "cauchy", "scale": 2}, "cauchy", 2),
        ({"name": "arctan", "scale": 3}, "arctan", 3),
        ({"name": "huber", "delta": 1.345}, "huber", 1.345),
    ],
)
def test_robust_losses_of_errors_in_standard_deviations(loss, name, scale, tmp_path):
    """rho((e / sigma) / scale), as SciPy has it where the residuals are divided by sigma."""
    columns = {"x": X, "y": SPOILT, "s": SIGMA}
    driver, params, infos = fit(config_of(tmp_path, columns, {"sigma": "s"}, {}, loss=loss))

    def residual(b):
        return (curve(X, *b) - SPOILT) / SIGMA

    expected = 1.001 * params
    for _ in range(3):
        found = least_squares(residual, expected, jac="cs", loss=name, f_scale=scale, **TIGHT)
        expected = found.x
    np.testing.assert_allclose(params, expected, rtol=1e-8, atol=1e-8)
    assert infos[-1].status is Status.CONVERGED_DIGITS
    # Huber's loss is halved here, as in Keras.
    cost = 2 * found.cost / (2 if name == "huber" else 1)
    assert driver.loss(params) * driver.full.batch.weight == pytest.approx(cost, rel=1e-12)
    _, plain, _ = fit(config_of(tmp_path, columns, {"sample_weight": "s"}, {}, loss=loss))
    assert np.max(np.abs(plain / params - 1)) > 1e-3


def test_derivatives_of_losses_of_errors_in_standard_deviations():
    """Gradient and Hessian against central differences of the value, rows of weight 0 included."""
    from lmrun.curvature.batch import for_kernels, make_rows
    from lmrun.curvature.host.formula import FormulaKernels
    from lmrun.datasets.base import Split
    from lmrun.losses.robust import SoftL1
    from lmrun.models.formula import Formula
    from lmrun.models.network import Network, sequential

    layer = Formula(["a*exp(-b*x)", "a*x**b"], ["x"], {"a": 1.5, "b": 0.5}, dtype="float64")
    network = Network(sequential([layer], (1,), "float64"))
    kernels = FormulaKernels(network, SoftL1(0.5), layer.expressions, by_sigma=True)
    weights = np.array([4.0, 0.25, 0, 1, 9])
    split = Split(RNG.uniform(0.5, 1, (5, 1)), RNG.normal(size=(5, 2)), weights)
    rows, here = for_kernels(make_rows(split, "float64")), np.array([1.5, 0.5])
    gradient, hessian = kernels.gradient_and_hessian(here, *rows)
    for place, step in enumerate(1e-5 * np.eye(2)):
        ends = [kernels.value(here + sign * step, *rows) for sign in (1, -1)]
        assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-7)
        slopes = [kernels.gradient_and_hessian(here + sign * step, *rows)[0] for sign in (1, -1)]
        np.testing.assert_allclose(hessian[place], (slopes[0] - slopes[1]) / 2e-5, rtol=1e-7)
    _, slope = kernels.value_and_gradient(here, *rows)
    np.testing.assert_allclose(slope, gradient, rtol=1e-12)
    zero = np.sum(SoftL1(0.5).values(0 * split.targets, np.sqrt(weights)[:, None] * split.targets))
    assert float(kernels.zero_loss(*rows[1:])) == pytest.approx(zero / weights.sum(), rel=1e-12)


@pytest.mark.parametrize("loss", [{"name": "mse"}, {"name": "soft_l1", "scale": 1.5}])
def test_standard_deviations_of_each_target(loss, tmp_path):
    """Responses in different units, each with a column of its own."""
    other = 1e3 * (2 / (1 + 0.7 * X) + SIGMA[::-1] * RNG.normal(size=X.size))
    columns = {"x": X, "y": SPOILT, "z": other, "s": SIGMA, "t": 1e3 * SIGMA[::-1]}
    model = {"expression": {"z": "2000/(1 + b*x)", "y": "a*exp(-b*x) + c"}}
    dataset = {"targets": ["y", "z"], "sigma": ["s", "t"]}
    config = config_of(tmp_path, columns, dataset, model, loss=loss)
    driver, params, infos = fit(config)

    def residual(b):
        errors = curve(X, *b) - SPOILT, 2000 / (1 + b[1] * X) - other
        return np.concatenate([errors[0] / SIGMA, errors[1] / columns["t"]])

    how = {} if loss["name"] == "mse" else {"loss": "soft_l1", "f_scale": 1.5}
    found = least_squares(residual, params, jac="cs", **how, **TIGHT)
    np.testing.assert_allclose(params, found.x, rtol=1e-8)
    assert infos[-1].status is Status.CONVERGED_DIGITS
    assert driver.loss(params) * driver.full.batch.weight * 2 == pytest.approx(2 * found.cost, rel=1e-12)
    if loss["name"] == "mse":
        driver.experiment.network.assign(params)
        answers = answers_of(driver.experiment, params)
        assert answers["residual_sum_of_squares"] == pytest.approx(2 * found.cost, rel=1e-12)
        covariance = np.linalg.inv(found.jac.T @ found.jac) * 2 * found.cost / (2 * X.size - 3)
        errors = [line["standard_error"] for line in answers["estimates"].values()]
        np.testing.assert_allclose(errors, np.sqrt(np.diag(covariance)), rtol=1e-6)


def test_columns_of_sigma_in_another_number_than_targets(tmp_path):
    from lmrun.build import build

    columns = {"x": X, "y": SPOILT, "s": SIGMA, "t": SIGMA}
    with pytest.raises(DataError, match="2 columns of sigma for 1 target; name one, or one for each"):
        build(config_of(tmp_path, columns, {"sigma": ["s", "t"]}, {}))


def test_standard_deviations_with_a_robust_loss_need_kernels_that_divide(tmp_path):
    from lmrun.build import build

    optimizer = {"name": "lm", "solver": "cg"}
    config = config_of(
        tmp_path, {"x": X, "y": SPOILT, "s": SIGMA}, {"sigma": "s"}, {}, loss="huber", optimizer=optimizer
    )
    with pytest.raises(ConfigError, match="by a solver other than cg"):
        build(config)


def test_several_responses_share_parameters(tmp_path):
    other = 2 / (1 + 0.7 * X) + 0.05 * RNG.normal(size=X.size)
    model = {"expression": {"z": "2/(1 + b*x)", "y": "a*exp(-b*x) + c"}}
    config = config_of(tmp_path, {"x": X, "y": NOISY, "z": other}, {"targets": ["y", "z"]}, model)
    driver, params, _ = fit(config)

    def residual(b):
        return np.concatenate([curve(X, *b) - NOISY, 2 / (1 + b[1] * X) - other])

    expected = least_squares(residual, (2, 1, 0), jac="cs", **TIGHT).x
    np.testing.assert_allclose(params, expected, rtol=1e-8)
    assert driver.loss(params) * 2 * X.size == pytest.approx(np.sum(residual(params) ** 2), rel=1e-12)
    network = driver.experiment.network
    network.assign(params)
    made = np.asarray(network.outputs(params, X[:, None]))
    np.testing.assert_allclose(
        made, np.stack([curve(X, *params), 2 / (1 + params[1] * X)], axis=1), rtol=1e-12
    )


def test_all_derivatives_of_several_responses(make_formula):
    """Against TensorFlow, row by row and response by response."""
    import tensorflow as tf

    from lmrun.curvature.batch import for_kernels, make_rows
    from lmrun.curvature.host.formula import FormulaKernels
    from lmrun.curvature.kernels import Kernels
    from lmrun.datasets.base import Split
    from lmrun.losses.robust import Cauchy
    from lmrun.models.formula import Formula
    from lmrun.models.network import Network, sequential

    layer = Formula(
        ["a*x**2 + b", "a*exp(-d)"], ["x"], {"a": 1.5, "b": 0.5}, {"c": 2.0}, {"d": "b*c"}, dtype="float64"
    )
    network = Network(sequential([layer], (1,), "float64"))
    kernels, reference = (
        FormulaKernels(network, Cauchy(0.5), layer.expressions),
        Kernels(network, Cauchy(0.5)),
    )
    split = Split(RNG.uniform(size=(5, 1)), RNG.normal(size=(5, 2)), RNG.uniform(size=5))
    rows, params = for_kernels(make_rows(split, "float64")), tf.constant([1.5, 0.5], tf.float64)
    for name in ("jacobian_and_residual", "gradient_and_hessian", "value"):
        made, expected = (
            getattr(kernels, name)(params, *rows),
            getattr(reference, f"plain_{name}")(params, *rows),
        )
        for one, other in zip(tf.nest.flatten(made), tf.nest.flatten(expected), strict=True):
            if one is not None:
                np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_the_problems_are_those_of_nist():
    assert len(PROBLEMS) == 18


@pytest.mark.parametrize(
    ("dataset", "loss", "words"),
    [
        ({"sigma": "s", "sample_weight": "w"}, None, "does not go with 'sample_weight'"),
        ({"sigma": "y"}, None, "the column 'y' is named twice"),
        ({"sigma": "[s, x]"}, None, "the column 'x' is named twice"),
        ({"sigma": "[s, t]"}, None, "one column for each target is for formulas"),
        ({"sigma": "s"}, "cauchy", "with loss: cauchy is for formulas"),
        ({"sigma": "s"}, "binary_crossentropy", "divides errors, of which binary_crossentropy has none"),
    ],
)
def test_what_standard_deviations_do_not_go_with(dataset, loss, words, tmp_path):
    from lmrun.config.document import parse
    from lmrun.config.load import validate

    more = ", ".join(f"{key}: {value}" for key, value in dataset.items())
    text = f"dataset: {{name: table, path: d.csv, inputs: [x], targets: [y], {more}}}\nmodel: mlp\n"
    with pytest.raises(ConfigError) as error:
        validate(parse(text + (f"loss: {loss}\n" if loss else ""), "c"))
    assert words in str(error.value)
