"""The damping of a radius, against the eigenvalues of the scaled matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import cho_factor, cho_solve

from lmrun.linalg.trust_region import MOST_ITERATIONS, TOLERANCE, step_within


class Dense:
    """A matrix with its factorizations counted; `least` is the smallest eigenvalue that it can factor."""

    def __init__(self, matrix, scaling, least=0.0):
        self.matrix, self.scaling, self.least = matrix, scaling, least
        self.dampings = []

    def factorize(self, damping):
        self.dampings.append(damping)
        damped = self.matrix + damping * np.diag(self.scaling)
        if np.linalg.eigvalsh(damped)[0] <= self.least:
            return None
        return cho_factor(damped)

    def solve(self, factor, right):
        solution = cho_solve(factor, right)
        return solution if np.all(np.isfinite(solution)) else None

    def step_within(self, gradient, radius, damping=0.0):
        return step_within(self.factorize, self.solve, gradient, self.scaling, radius, damping)


def scaled_norm(matrix, gradient, scaling, damping):
    """|D^(1/2) step| by the eigenvalues of D^(-1/2) A D^(-1/2); no factorization, no iteration."""
    root = np.sqrt(scaling)
    values, vectors = np.linalg.eigh(matrix / np.outer(root, root))
    along = vectors.T @ (gradient / root)
    used = values + damping > 1e-13 * values[-1]
    return float(np.linalg.norm(along[used] / (values[used] + damping)))


def make(seed, size=6, rows=9, spread=1.0):
    rng = np.random.default_rng(seed)
    J = rng.normal(size=(rows, size)) * np.logspace(0, -spread, size)
    scaling = 10.0 ** rng.uniform(-1, 1, size)
    return J.T @ J, J.T @ rng.normal(size=rows), scaling


@given(
    seed=st.integers(0, 200),
    share=st.floats(1e-6, 0.99),
    guess=st.sampled_from([0.0, 1e-12, 1e-3, 1.0, 1e3, 1e12]),
    spread=st.floats(0, 5),
)
def test_the_step_is_as_long_as_the_radius(seed, share, guess, spread):
    matrix, gradient, scaling = make(seed, spread=spread)
    problem = Dense(matrix, scaling)
    radius = share * scaled_norm(matrix, gradient, scaling, 0.0)
    found = problem.step_within(gradient, radius, guess)
    assert abs(found.scaled_norm - radius) <= TOLERANCE * radius
    # The step is that of its damping, as is what is said of it.
    np.testing.assert_allclose(
        found.step, np.linalg.solve(matrix + found.damping * np.diag(scaling), -gradient), rtol=1e-5
    )
    assert found.scaled_norm == pytest.approx(scaled_norm(matrix, gradient, scaling, found.damping), rel=1e-5)
    np.testing.assert_array_equal(cho_solve(found.factor, -gradient), found.step)
    assert len(problem.dampings) <= MOST_ITERATIONS


def test_a_few_factorizations_are_enough():
    counts = []
    for seed in range(100):
        matrix, gradient, scaling = make(seed, spread=2.0)
        problem = Dense(matrix, scaling)
        radius = 0.1 * scaled_norm(matrix, gradient, scaling, 0.0)
        problem.step_within(gradient, radius)
        counts.append(len(problem.dampings))
    assert np.mean(counts) < 4


@pytest.mark.parametrize("guess", [0.0, 1e-9, 1.0, 1e9])
def test_an_undamped_step_inside_the_radius(guess):
    matrix, gradient, scaling = make(1)
    problem = Dense(matrix, scaling)
    radius = 1.5 * scaled_norm(matrix, gradient, scaling, 0.0)
    found = problem.step_within(gradient, radius, guess)
    assert found.damping == 0.0
    np.testing.assert_allclose(found.step, np.linalg.solve(matrix, -gradient), rtol=1e-10)


def test_the_undamped_step_is_not_tried_where_the_guess_is_good():
    matrix, gradient, scaling = make(2)
    problem = Dense(matrix, scaling)
    found = problem.step_within(gradient, scaled_norm(matrix, gradient, scaling, 0.3), 0.3)
    assert problem.dampings == [0.3]
    assert found.damping == 0.3


def singular(seed=3):
    rng = np.random.default_rng(seed)
    J = rng.normal(size=(4, 6))
    return J.T @ J, J.T @ rng.normal(size=4), np.ones(6)


@pytest.mark.parametrize("guess", [0.0, 1e-3, 10.0])
def test_a_singular_matrix(guess):
    matrix, gradient, scaling = singular()
    shortest = scaled_norm(matrix, gradient, scaling, 0.0)
    problem = Dense(matrix, scaling, least=1e-10)
    found = problem.step_within(gradient, 0.2 * shortest, guess)
    assert abs(found.scaled_norm - 0.2 * shortest) <= TOLERANCE * 0.2 * shortest
    # The step of no damping, of finite length since the gradient is in the range, lies inside this one.
    problem = Dense(matrix, scaling, least=1e-10)
    found = problem.step_within(gradient, 3 * shortest, guess)
    assert found.scaled_norm == pytest.approx(shortest, rel=0.2)
    assert 0 < found.damping < 0.1
    assert len(problem.dampings) <= 5


def test_a_matrix_that_needs_a_damping_to_be_factored():
    """As one that rounding has made indefinite: the shortest damping that works is not 0."""
    matrix, gradient, scaling = make(4)
    matrix -= 1.001 * np.linalg.eigvalsh(matrix)[0] * np.eye(6)
    problem = Dense(matrix, scaling)
    found = problem.step_within(gradient, 1e9, 1e-9)
    assert found.damping > 0
    assert np.all(np.isfinite(found.step))


def test_nothing_can_be_factored():
    matrix, gradient, scaling = make(5)
    problem = Dense(matrix, scaling, least=np.inf)
    assert problem.step_within(gradient, 1.0) is None
    assert len(problem.dampings) <= MOST_ITERATIONS


@pytest.mark.parametrize("guess", [0.0, 1e-3, 10.0])
@pytest.mark.parametrize("least", [0.0, 1e-10])
def test_no_gradient_no_step(guess, least):
    matrix, _, scaling = singular() if least else make(6)
    problem = Dense(matrix, scaling, least)
    found = problem.step_within(np.zeros(6), 1.0, guess)
    assert len(problem.dampings) <= 2
    np.testing.assert_array_equal(found.step, np.zeros(6))
    assert found.scaled_norm == 0


def test_a_solution_that_is_not_finite_is_passed_over():
    matrix, gradient, scaling = make(7)
    problem = Dense(matrix, scaling)
    radius = 0.5 * scaled_norm(matrix, gradient, scaling, 0.0)

    def solve(factor, right):
        return None if problem.dampings[-1] == 0 else problem.solve(factor, right)

    found = step_within(problem.factorize, solve, gradient, scaling, radius, 0.0)
    assert abs(found.scaled_norm - radius) <= TOLERANCE * radius
