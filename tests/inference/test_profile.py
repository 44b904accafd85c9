"""Profile-likelihood intervals: those of Wald where a model is linear, and where the sum of squares says."""

from dataclasses import replace

import numpy as np
import pytest
from problems import FORMULAS, NIST, Fit, certified, line
from scipy import stats

from lmrun.inference.answers import answer
from lmrun.inference.profile import profiles
from lmrun.inference.refit import Refit, Refitted
from lmrun.inference.undefined import Undefined


def refit(fit, free, **bounds):
    return Refit(fit, fit.y, fit.weights, free, **bounds)


@pytest.mark.parametrize("known", [False, True])
def test_a_linear_model_has_walds_intervals(rng, known):
    fit, params = line(rng, weights=rng.uniform(0.5, 2, 12))
    answers = answer(fit.solution(params, known_sigma=known), level=0.9)
    found = profiles(answers, refit(fit, (0, 1)))
    for estimate in answers.estimates:
        limits = found[estimate.name]
        assert (limits.lower, limits.upper) == pytest.approx(estimate.interval, rel=1e-7)


@pytest.mark.parametrize("name", ["Misra1a", "Chwirut2", "MGH17"])
def test_the_ends_are_where_the_sum_of_squares_says(name):
    """(S(theta) - S) / s^2 = F(0.95; 1, m - n), the others fitted by Gauss-Newton steps of the test's own."""
    fit, params, _ = certified(name)
    answers = answer(fit.solution(params))
    found = profiles(answers, refit(fit, tuple(range(len(params)))))
    m, n = len(fit.y), len(params)
    least = answers.solution.residual_sum_of_squares
    allowed = least + stats.f.ppf(0.95, 1, m - n) * least / (m - n)
    for place, estimate in enumerate(answers.estimates):
        limits = found[estimate.name]
        assert limits.lower < estimate.value < limits.upper
        for end in (limits.lower, limits.upper):
            start = params + answers.factored.covariance()[place] / answers.factored.covariance()[
                place, place
            ] * (end - params[place])
            held = np.delete(start, place)
            rest = Fit(lambda b, x, p=place, e=end: FORMULAS[name](np.insert(b, p, e), x), fit.x, fit.y)
            held = rest.polished(held, 12)
            assert np.sum((rest.values(held) - fit.y) ** 2) == pytest.approx(allowed, rel=1e-6)


def test_a_side_without_end():
    """Michaelis and Menten far below saturation: the largest rate has a lower limit only."""
    x = np.array([0.1, 0.2, 0.3, 0.5, 0.8])
    fit = Fit(lambda b, x: b[0] * x / (b[1] + x), x, np.array([0.097, 0.195, 0.285, 0.47, 0.69]))
    params = fit.polished([5.0, 5.0], 60)
    found = profiles(answer(fit.solution(params), level=0.999), refit(fit, (0, 1)))
    assert 0 < found["b1"].lower < params[0]
    assert found["b1"].upper.reason.startswith("there is none: the fit is hardly worse out to b1 = ")


def test_what_has_no_error_has_no_profile(rng):
    fit, params = line(rng)
    found = profiles(answer(fit.solution(params, held={"b2": "it is fixed"})), refit(fit, (0,)))
    assert found["b2"].lower == found["b2"].upper == Undefined("it is fixed")
    assert isinstance(found["b1"].lower, float)


def test_fits_that_fail_and_fits_that_are_no_minimum(rng):
    fit, params = line(rng)
    answers = answer(fit.solution(params))
    assert profiles(answers, lambda start, still=None: None)["b1"].upper.reason.endswith("does not converge")
    better = profiles(answers, lambda start, still=None: Refitted(start, 0.0, 2))["b1"].lower
    assert better.reason.endswith("fits better than the fit itself, which is no minimum")


def test_no_interval_goes_beyond_a_bound(rng):
    fit, params = line(rng)
    answers = answer(fit.solution(params))
    low, high = answers.estimates[1].interval
    bounds = np.array([-np.inf, (low + params[1]) / 2]), np.array([np.inf, 0.0])
    tried = []

    def noting(start, still=None):
        tried.append(start.copy())
        return refit(fit, (0, 1))(start, still=still)

    found = profiles(answers, noting, bounds)["b2"]
    assert found.lower.reason == f"there is none up to the bound b2 = {bounds[0][1]:.6g}"
    assert found.upper == pytest.approx(high, abs=1e-6)
    assert min(start[1] for start in tried) >= bounds[0][1]


def test_a_fit_that_ends_elsewhere_the_second_time(rng):
    """The sums of squares of later fits are larger, as of another minimum: an end is found all the same."""
    fit, params = line(rng)
    answers = answer(fit.solution(params))
    inner, calls = refit(fit, (0, 1)), []

    def wavering(start, still=None):
        calls.append(start[still])
        found = inner(start, still=still)
        return replace(found, squares=found.squares * (1 + 0.2 * calls.count(start[still])))

    limits = profiles(answers, wavering)["b2"]
    assert limits.lower < params[1] < limits.upper
    assert len(calls) == len(set(calls))


def test_refits_between_bounds(rng):
    fit, params = line(rng)
    bounds = {"lower": np.array([-np.inf, -1.0]), "upper": np.array([np.inf, 0.0])}
    found = refit(fit, (0, 1), **bounds)(np.array([0.0, -0.5]))
    assert found.params[1] == pytest.approx(max(params[1], -1.0), abs=1e-6)
    assert refit(fit, (0, 1))(np.array([np.nan, 1.0])) is None
    start = np.array([0.3, 0.4])
    assert refit(fit, ())(start).params.tolist() == start.tolist()


def test_refits_agree_with_nist():
    fit, params, problem = certified("Misra1a")
    found = refit(fit, (0, 1))(params * 1.1)
    np.testing.assert_allclose(found.params, list(NIST["Misra1a"]["certified"].values()), rtol=1e-7)
    assert found.squares == pytest.approx(problem["residual_sum_of_squares"], rel=1e-9)
