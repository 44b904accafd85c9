"""The bootstrap against the closed forms of linear models and against SciPy's."""

from dataclasses import replace

import numpy as np
import pytest
from problems import Fit, certified, line
from scipy import stats

from lmrun.inference.answers import answer
from lmrun.inference.bootstrap import KINDS, Influence, Rows, bootstrap, scatter
from lmrun.inference.refit import Refit, Refitted
from lmrun.inference.undefined import Undefined
from lmrun.seeding import Stream, generator


def rows_of(fit, params):
    return Rows(fit.values(params), fit.y, fit.weights, fit.jacobian(params))


def linear(fit):
    """The fit of a line in closed form: thousands of them take no time."""
    X = np.stack([np.ones(len(fit.x)), fit.x], axis=1)
    solver = np.linalg.pinv(X)

    def refit(start, targets=None, weights=None):
        y = fit.y if targets is None else targets
        if weights is None:
            return Refitted(solver @ y, 0.0, 2)
        W = X.T * weights
        return Refitted(np.linalg.solve(W @ X, W @ y), 0.0, 2)

    return refit


@pytest.mark.parametrize("kind", ["residual", "case"])
def test_standard_errors_of_a_line(rng, kind):
    fit, params = line(rng, rows=100)
    answers = answer(fit.solution(params))
    found = bootstrap(answers, rows_of(fit, params), linear(fit), kind=kind, draws=3000, seed=1)
    for estimate in answers.estimates:
        scattered = found.scatters[estimate.name]
        # The draws scatter by 1 / sqrt(6000); the residuals' own kurtosis moves rows drawn as cases.
        tolerance = 0.05 if kind == "residual" else 0.2
        assert scattered.standard_error == pytest.approx(estimate.standard_error, rel=tolerance)
        half = np.diff(estimate.interval)[0] / 2
        for interval in (scattered.percentile, scattered.bca):
            assert interval == pytest.approx(estimate.interval, abs=(2 * tolerance) * half)


def test_coverage(rng):
    """Of 200 lines: 95 % intervals hold the truth as often as the binomial distribution lets them.

    Percentiles of twenty rows are a little short: they have no t quantile (2.10 against 1.96: 93.4 %).
    """
    hits = np.zeros(2)
    for number in range(200):
        fit, params = line(rng, rows=20)
        answers = answer(fit.solution(params))
        found = bootstrap(answers, rows_of(fit, params), linear(fit), draws=200, seed=number)
        slope = found.scatters["b2"]
        for place, (low, high) in enumerate((slope.percentile, slope.bca)):
            hits[place] += low <= -1.3 <= high
    low, high = stats.binom.ppf([0.0005, 0.9995], 200, [0.934, 0.95])
    assert np.all((hits >= low) & (hits <= high)), hits


def test_draws_depend_on_the_seed_alone(rng):
    fit, params = line(rng)
    answers, rows, refit = answer(fit.solution(params)), rows_of(fit, params), linear(fit)
    long = bootstrap(answers, rows, refit, draws=60, seed=3)
    assert np.array_equal(long.draws[:20], bootstrap(answers, rows, refit, draws=20, seed=3).draws)
    assert not np.array_equal(long.draws[:20], bootstrap(answers, rows, refit, draws=20, seed=4).draws)


def test_bca_is_scipys(rng):
    """The mean of skewed numbers, whose jackknife is known; SciPy draws, both correct."""
    sample = rng.exponential(size=40)
    theirs = stats.bootstrap((sample,), np.mean, n_resamples=4000, method="BCa", rng=rng)
    changes = (sample.sum() - sample) / 39 - sample.mean()
    ours = scatter(theirs.bootstrap_distribution, sample.mean(), changes, 0.95)
    interval = theirs.confidence_interval
    width = interval.high - interval.low
    assert ours.bca == pytest.approx((interval.low, interval.high), abs=0.002 * width)
    assert ours.bca[0] > ours.percentile[0], "skewed to the right"
    assert ours.standard_error == pytest.approx(theirs.standard_error)


def test_leaving_a_row_out(rng):
    fit, params = line(rng, weights=rng.uniform(0.5, 2, 12))
    influence = Influence(answer(fit.solution(params)), rows_of(fit, params))
    refit = linear(fit)
    for row in (0, 5, 11):
        weights = fit.weights.copy()
        weights[row] = 0
        expected = refit(params, weights=weights).params - params
        np.testing.assert_allclose(influence.changes[row], expected, rtol=1e-9)
    assert influence.leverage.sum() == pytest.approx(2)


def test_leaving_a_row_of_two_responses_out(rng):
    """It takes both observations with it."""
    fit, _ = line(rng, rows=9)
    y = np.concatenate([fit.y, fit.y + rng.normal(size=9)])
    twice = Fit(fit.formula, np.tile(fit.x, 2), y, rng.uniform(0.5, 2, 18))
    params = twice.polished([0.0, 0.0], 2)
    influence = Influence(answer(twice.solution(params)), replace(rows_of(twice, params), responses=2))
    assert influence.changes.shape == (9, 2)
    for row in (0, 4):
        weights = twice.weights.copy()
        weights[[row, row + 9]] = 0
        expected = linear(twice)(params, weights=weights).params - params
        np.testing.assert_allclose(influence.changes[row], expected, rtol=1e-9)


def test_errors_of_known_size_are_drawn(rng):
    """Whatever the residuals are: a tenth of sigma, or none, with as many rows as parameters."""
    for rows in (40, 2):
        sigma = rng.uniform(1, 5, rows)
        fit, params = line(rng, rows=rows, weights=1 / sigma**2)
        answers = answer(fit.solution(params, known_sigma=True))
        refit = Refit(fit, fit.y, fit.weights, (0, 1))
        found = bootstrap(answers, rows_of(fit, params), refit, kind="normal", draws=800, seed=2)
        for estimate in answers.estimates:
            scattered = found.scatters[estimate.name]
            assert scattered.standard_error == pytest.approx(estimate.standard_error, rel=0.1)
            half = np.diff(estimate.interval)[0] / 2
            assert scattered.bca == pytest.approx(estimate.interval, abs=0.25 * half)


def test_draws_that_determine_nothing_are_no_fits(rng):
    """Of five rows, as many draws as have fewer than three different ones."""
    x = np.arange(5.0)
    fit = Fit(lambda b, x: b[0] * np.exp(-b[1] * x) + b[2], x, 3 * np.exp(-0.7 * x) + [0.1, -0.1, 0.1, 0, 0])
    params = fit.polished([3.0, 0.7, 0.0], 30)
    rows, answers = rows_of(fit, params), answer(fit.solution(params))
    refit = Refit(fit, fit.y, fit.weights, (0, 1, 2))
    few = np.array([2.0, 3.0, 0.0, 0.0, 0.0])
    assert refit(params, weights=few).rank == 2
    found = bootstrap(answers, rows, refit, kind="case", draws=100, seed=1)
    draw = KINDS["case"](rows, Influence(answers, rows))
    weights = [draw(generator(1, Stream.BOOTSTRAP, number))["weights"] for number in range(100)]
    lost = sum(np.count_nonzero(one) < 3 for one in weights)
    assert found.failed >= lost > 5
    reason = f"{found.failed} of 100 fits to drawn data did not converge, or were not determined by them"
    assert found.scatters["b1"].bca == Undefined(reason)


@pytest.mark.filterwarnings("error")
def test_bca_without_a_number(rng):
    draws = rng.normal(size=200)
    still = scatter(draws, float(np.median(draws)), np.zeros(5), 0.9)
    assert still.bca == pytest.approx(still.percentile, rel=1e-12)
    skew = scatter(draws, 0.0, np.array([-100.0, 1, 1, 1, 1, 1, 1]), 1 - 1e-15)
    assert skew.bca.reason.startswith("so skew a scatter")


def test_a_nonlinear_fit():
    fit, params, _ = certified("Misra1a")
    answers = answer(fit.solution(params))
    refit = Refit(fit, fit.y, fit.weights, (0, 1))
    found = bootstrap(answers, rows_of(fit, params), refit, draws=200, seed=1)
    assert found.failed == 0
    for estimate in answers.estimates:
        # 1 / sqrt(400) and the few rows.
        scattered = found.scatters[estimate.name]
        assert scattered.standard_error == pytest.approx(estimate.standard_error, rel=0.25)


@pytest.mark.parametrize(("kind", "changed"), [("residual", "targets"), ("case", "weights")])
def test_what_belongs_together_is_drawn_together(rng, kind, changed):
    """Two responses of equal residuals keep them equal; a row without weight stays out."""
    fit, params = line(rng, rows=9)
    twice = Fit(fit.formula, np.tile(fit.x, 2), np.tile(fit.y, 2), np.tile([1.0] * 8 + [0.0], 2))
    params = twice.polished(params, 2)
    rows = replace(rows_of(twice, params), responses=2)
    draw = KINDS[kind](rows, Influence(answer(twice.solution(params)), rows))
    (drawn,) = draw(rng).values()
    assert list(draw(rng)) == [changed]
    first, second = drawn.reshape(2, 9)
    np.testing.assert_allclose(first, second, rtol=1e-12)
    assert len(np.unique(first)) > 2
    if kind == "case":
        assert first[-1] == 0
        assert first.sum() == 8


def test_in_words(rng):
    fit, params = line(rng)
    rows = rows_of(fit, params)
    held = answer(fit.solution(params, held={"b2": "it is fixed"}))
    alone = Rows(rows.values, rows.targets, rows.weights, rows.jacobian[:, :1])
    found = bootstrap(held, alone, linear(fit), draws=20)
    assert found.scatters["b2"].bca == Undefined("it is fixed")
    answers = answer(fit.solution(params))
    lost = bootstrap(answers, rows, lambda start, **data: None, draws=20)
    assert lost.scatters["b1"].standard_error.reason == (
        "20 of 20 fits to drawn data did not converge, or were not determined by them"
    )
    aside = scatter(np.linspace(2, 3, 50), 1.0, np.arange(5.0), 0.95)
    assert aside.bca == Undefined("all draws lie on one side of the fit")
