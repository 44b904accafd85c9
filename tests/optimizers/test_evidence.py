"""Alpha, beta and gamma against the marginal likelihood of a linear model, which is a normal density."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from lmrun.optimizers.evidence import (
    GROWTH,
    Measured,
    evidence_of,
    first_strength,
    next_strength,
)

EPSILON = float(np.finfo(float).eps)


def linear(rows=40, size=6, noise=0.3, seed=5):
    rng = np.random.default_rng(seed)
    J = rng.normal(size=(rows, size)) * np.logspace(0, -2, size)
    return J, J @ rng.normal(size=size) + noise * rng.normal(size=rows)


def measured_at(J, y, strength):
    """What is known where the cost of this strength has its minimum."""
    params = np.linalg.solve(J.T @ J + strength * np.eye(J.shape[1]), J.T @ y)
    errors = float(np.sum((J @ params - y) ** 2))
    return Measured(np.linalg.eigvalsh(J.T @ J), errors, float(params @ params), len(J), EPSILON)


def settled(J, y):
    strength = 1e-3
    for _ in range(500):
        evidence = evidence_of(measured_at(J, y, strength), strength)
        strength = evidence.strength
    return evidence


def log_marginal(J, y, alpha, beta):
    """log p(y) for y = J params + error, params ~ N(0, 1/(2 alpha)), error ~ N(0, 1/(2 beta))."""
    covariance = J @ J.T / (2 * alpha) + np.eye(len(J)) / (2 * beta)
    return multivariate_normal(np.zeros(len(J)), covariance).logpdf(y)


@pytest.mark.parametrize(("rows", "size"), [(40, 6), (12, 20)])
def test_the_evidence_is_the_marginal_likelihood_and_has_its_maximum_there(rows, size):
    J, y = linear(rows, size)
    found = settled(J, y)
    alpha, beta = found.alpha, found.beta
    assert found.strength == pytest.approx(alpha / beta, rel=1e-12)
    assert found.log_evidence == pytest.approx(log_marginal(J, y, alpha, beta), rel=1e-8)
    for factor in (0.9, 1.1):
        assert log_marginal(J, y, factor * alpha, beta) < found.log_evidence
        assert log_marginal(J, y, alpha, factor * beta) < found.log_evidence


@pytest.mark.parametrize(("rows", "size"), [(40, 6), (12, 20)])
def test_gamma_is_that_of_foresee_and_hagan(rows, size):
    J, y = linear(rows, size)
    strength = 0.05
    measured = measured_at(J, y, strength)
    found = evidence_of(measured, strength)
    # gamma = n - 2 alpha tr(H^-1) with H = 2 beta J^T J + 2 alpha, for any beta.
    alpha, beta = 0.7 * strength, 0.7
    H = 2 * beta * J.T @ J + 2 * alpha * np.eye(size)
    assert found.effective_parameters == pytest.approx(size - 2 * alpha * np.trace(np.linalg.inv(H)))
    assert found.alpha == found.effective_parameters / (2 * measured.squared_params)
    assert found.beta == (rows - found.effective_parameters) / (2 * measured.squared_errors)


def test_the_noise_is_found():
    J, y = linear(rows=4000, noise=0.3)
    assert 1 / np.sqrt(2 * settled(J, y).beta) == pytest.approx(0.3, rel=0.05)


@given(
    rows=st.integers(1, 12),
    size=st.integers(1, 12),
    seed=st.integers(0, 1000),
    exponent=st.floats(-14, 14),
)
def test_gamma_is_less_than_either_number(rows, size, seed, exponent):
    J, y = linear(rows, size, seed=seed)
    found = evidence_of(replace(measured_at(J, y, 1.0), observations=rows), 10.0**exponent)
    if found is not None:
        assert 0 < found.effective_parameters <= min(rows, size)
        assert found.alpha > 0
        assert found.beta > 0
        assert np.isfinite(found.log_evidence)


GOOD = measured_at(*linear(), 0.1)


@pytest.mark.parametrize(
    "changes",
    [
        {"squared_errors": 0.0},
        {"squared_errors": np.nan},
        {"squared_params": 0.0},
        {"squared_params": np.inf},
        {"eigenvalues": np.array([0.0, 0.0])},
        {"eigenvalues": np.array([1.0, np.nan])},
    ],
)
def test_no_estimate_without_errors_or_parameters(changes):
    assert evidence_of(replace(GOOD, **changes), 0.1) is None


def test_the_strength_begins_with_little_and_grows_slowly():
    first = first_strength(GOOD)
    assert 0 < first <= 1e-5 * GOOD.squared_errors / GOOD.squared_params
    evidence = evidence_of(GOOD, first)
    assert next_strength(evidence, first) == GROWTH * first < evidence.strength
    assert next_strength(evidence, 10 * evidence.strength) == evidence.strength
    assert first_strength(replace(GOOD, squared_errors=0.0)) == 0
    assert first_strength(replace(GOOD, squared_params=0.0)) == 0
    assert next_strength(evidence, 0.0) == evidence.strength
