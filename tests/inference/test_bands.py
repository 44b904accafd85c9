"""Bands against the closed form of a line, the effective number of parameters against ridge regression."""

import numpy as np
import pytest
from problems import Fit, line
from scipy import stats

from lmrun.inference.answers import answer
from lmrun.inference.bands import band, band_of, derived, lengths_of
from lmrun.inference.effective import effective, effective_number
from lmrun.inference.solution import Solution, observe, triangle_of
from lmrun.inference.undefined import Undefined


def banded(answers, gradients):
    return band_of(answers, lengths_of(answers, gradients))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_line_in_closed_form(rng, weighted):
    w = rng.uniform(0.3, 2, 12) if weighted else np.ones(12)
    fit, params = line(rng, weights=w)
    answers = answer(fit.solution(params), level=0.9)
    at = np.linspace(-3, 4, 9)
    gradients = np.stack([np.ones(9), at], axis=1)
    found = band_of(answers, lengths_of(answers, gradients))
    mean = np.average(fit.x, weights=w)
    variance = 1 / w.sum() + (at - mean) ** 2 / np.sum(w * (fit.x - mean) ** 2)
    s, t = answers.statistics.residual_standard_deviation, stats.t.ppf(0.95, 10)
    np.testing.assert_allclose(found.confidence, t * s * np.sqrt(variance), rtol=1e-12)
    np.testing.assert_allclose(found.prediction, t * s * np.sqrt(1 + variance), rtol=1e-12)
    heavier = band_of(answers, lengths_of(answers, gradients), np.full(9, 4.0))
    np.testing.assert_allclose(heavier.prediction, t * s * np.sqrt(0.25 + variance), rtol=1e-12)


def test_predictions_hold_new_observations(rng):
    """As often as the level says, over data sets and new observations: a standard error of 0.7 %."""
    inside = []
    for _ in range(50):
        fit, params = line(rng, rows=15)
        answers = answer(fit.solution(params))
        at = rng.uniform(-1, 2, 20)
        new = 0.7 - 1.3 * at + 0.3 * rng.normal(size=20)
        found = banded(answers, np.stack([np.ones(20), at], axis=1))
        inside.append(np.mean(np.abs(params[0] + params[1] * at - new) <= found.prediction))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)


def test_what_the_data_determine_has_a_band(rng):
    """y = a b x: neither a nor b is known, but y is; and not along a direction that no row has."""
    x = np.linspace(0.1, 1, 9)
    fit = Fit(lambda p, x: p[0] * p[1] * x, x, 6 * x + 0.1 * rng.normal(size=9))
    slope = np.sum(x * fit.y) / np.sum(x**2)
    answers = answer(fit.solution([2.0, slope / 2]))
    plain = answer(Fit(lambda p, x: p[0] * x, x, fit.y).solution([slope]))
    found = banded(answers, np.stack([slope / 2 * x, 2.0 * x], axis=1))
    np.testing.assert_allclose(found.confidence, banded(plain, x[:, None]).confidence, rtol=1e-9)
    assert np.isnan(banded(answers, np.array([[1.0, 0.0]])).confidence[0])
    # In units in which a is a millionth, too.
    tiny = answer(Fit(lambda p, x: 1e6 * p[0] * p[1] * x, x, fit.y).solution([2e-6, slope / 2]))
    assert np.isnan(banded(tiny, np.array([[1e6, 0.0], [0.0, 1.0]])).confidence).all()
    same = banded(tiny, np.stack([1e6 * slope / 2 * x, 2.0 * x], axis=1)).confidence
    np.testing.assert_allclose(same, found.confidence, rtol=1e-9)
    assert derived(answers, "a b", slope, np.array([slope / 2, 2.0])).standard_error == pytest.approx(
        plain.estimates[0].standard_error, rel=1e-9
    )
    words = "the data do not determine what it depends on"
    assert derived(answers, "a", 2.0, np.array([1.0, 0.0])).standard_error == Undefined(words)


def test_no_bands_in_words():
    x = np.linspace(0, 1, 5)
    perfect = Fit(lambda p, x: p[0] * x, x, 2 * x)
    assert "perfect" in banded(answer(perfect.solution([2.0])), x[:, None]).reason
    assert np.isnan(band(np.ones(2), 1.0, 2.0, np.array([1.0, 0.0])).prediction[1])


def test_not_at_a_minimum(rng):
    fit, params = line(rng)
    answers = answer(fit.solution(params + np.array([0.1, 0.0])))
    assert answers.statistics.relative_offset > 0.1
    words = answers.estimates[0].standard_error.reason
    assert words.startswith("the fit is not at a minimum: its relative offset is ")
    assert answer(fit.solution(params)).statistics.relative_offset < 1e-10
    # By hand: 0.1 along the column of ones.
    e = fit.y - fit.values(params)
    expected = (0.1 * np.sqrt(12) / np.sqrt(2)) / np.sqrt(e @ e / 10)
    assert answers.statistics.relative_offset == pytest.approx(expected, rel=1e-9)


def ridge(rng, m, n, noise=0.5):
    """A linear model in n weights of the prior N(0, 1)."""
    X = rng.normal(size=(m, n)) * np.logspace(0, -3, n)
    theta = rng.normal(size=n)
    y = X @ theta + noise * rng.normal(size=m)
    return X, y


def test_the_effective_number_of_parameters(rng):
    X, y = ridge(rng, 200, 12)
    s = np.linalg.svd(X, compute_uv=False)
    for damping in (1e-6, 0.3, 50.0):
        hat = X @ np.linalg.inv(X.T @ X + damping * np.eye(12)) @ X.T
        assert effective_number(s, damping) == pytest.approx(np.trace(hat), rel=1e-9)
    theta = np.linalg.solve(X.T @ X + 0.25 * np.eye(12), X.T @ y)
    r = X @ theta - y
    found = effective(Solution(tuple("abcdefghijkl"), theta, triangle_of([(X, r)]), observe(y)))
    gamma = found.parameters
    assert 4 < gamma < 11
    expected = gamma / (theta @ theta) * (r @ r) / (200 - gamma)
    assert found.damping == pytest.approx(expected, rel=1e-4)
    assert gamma == pytest.approx(effective_number(s, found.damping), rel=1e-6)
    assert found.residual_standard_deviation == pytest.approx(0.5, rel=0.15)
    assert found.damping == pytest.approx(0.25, rel=0.6), "noise 0.5, weights of width 1"
    inverse = np.linalg.inv(X.T @ X + found.damping * np.eye(12))
    np.testing.assert_allclose(found.root @ found.root.T, inverse, rtol=1e-8)
    np.testing.assert_allclose(found.lengths(X[:3]), np.sqrt(np.diag(X[:3] @ inverse @ X[:3].T)), rtol=1e-8)


def test_more_parameters_than_rows(rng):
    X, y = ridge(rng, 20, 40, noise=0.2)
    theta = X.T @ np.linalg.solve(X @ X.T + 0.5 * np.eye(20), y)
    solution = Solution(tuple(map(str, range(40))), theta, triangle_of([(X, X @ theta - y)]), observe(y))
    assert 0 < effective(solution).parameters < 20
    nothing = Solution(("a",), np.zeros(1), triangle_of([(np.ones((5, 1)), np.ones(5))]), observe(np.ones(5)))
    assert effective(nothing) == Undefined("no parameter has an effect")
    exact = Solution(("a",), np.ones(1), triangle_of([(np.ones((5, 1)), np.zeros(5))]), observe(np.ones(5)))
    assert "perfect" in effective(exact).reason
