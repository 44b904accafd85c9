"""Levenberg-Marquardt and Gauss-Newton through every solver, on the host and on the device."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from lmrun.config.optimizers import OptimizerConfig
from lmrun.curvature.batch import split_batch
from lmrun.curvature.forms import FORMS, ON_DEVICES
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.problem import Problem
from lmrun.datasets.base import Split
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra
from lmrun.linalg.truncation import Truncation
from lmrun.losses.elementwise import MeanSquaredError
from lmrun.optimizers.lm import levenberg_marquardt
from lmrun.optimizers.newton import gauss_newton
from lmrun.status import Status

EXACT = Truncation(tolerance=1e-13, progress=0)
PLACES = {"host": HostAlgebra("float64", EXACT), "device": DeviceAlgebra("float64", EXACT)}
X = np.random.default_rng(6).uniform(-1, 1, size=(9, 2))
CURVE = np.exp(-X[:, :1]) + 0.3 * X[:, 1:]


@pytest.fixture
def make(make_problem):
    """Return a function that makes a problem in a form."""

    def make(network, inputs, targets, form, place="host"):
        # As `build` does: kernels in NumPy where tables of them are all that the host takes.
        own = place == "host" and form != "cg"
        problem = make_problem(network, inputs, targets, algebra=None if own else PLACES[place])
        problem.form = FORMS[form](problem.kernels, problem.algebra)
        return problem

    return make


def lm(**damping):
    config = {"name": "lm", "acceleration": "geodesic", "damping": damping}
    return levenberg_marquardt(TypeAdapter(OptimizerConfig).validate_python(config))


def params_of(problem):
    return tf.constant(problem.kernels.network.params())


@pytest.mark.parametrize("rows", [9, 5])
@pytest.mark.parametrize("damping", [{"scaling": "more"}, {"update": "trust-region", "initial_radius": 0.02}])
def test_all_solvers_make_the_same_steps(damping, rows, make, make_mlp):
    """Six parameters: with five rows the matrix J J^T is the smaller one.

    Conjugate gradients have neither matrix; on a device they are compiled for the first number of rows alone.
    """
    network, optimizer = make_mlp(2, [2], seed=5, bias=False), lm(**damping)
    assert network.size == 6
    ends = {}
    for place, forms in {"host": FORMS, "device": ON_DEVICES}.items():
        for form in forms:
            if (place, form, rows) == ("device", "cg", 5):
                continue
            problem = make(network, X[:rows], CURVE[:rows], form, place)
            params = params_of(problem)
            state, infos = optimizer.init(problem, params), []
            for _ in range(3):
                params, state, info = optimizer.step(problem, params, state)
                infos.append([info.losses[0], info.damping, info.gain_ratio, info.step_norm])
            ends[place, form] = params.numpy(), np.array(infos)
    assert len(ends) == len(FORMS) + len(ON_DEVICES) - (rows == 5)
    for form in ON_DEVICES:
        host, infos = ends["host", form]
        # Where J^T J is singular, the undamped step from which a radius starts is rounding.
        rtol = 1e-7 if rows == 5 and "update" in damping else 1e-9
        device, others = ends.get(("device", form), ends["host", form])
        np.testing.assert_allclose(others[0], infos[0], rtol=rtol, atol=1e-18)
        np.testing.assert_allclose(device, host, rtol=rtol)
        if "update" not in damping:
            # A radius leaves room for other dampings where a matrix is singular without one.
            np.testing.assert_allclose(host, ends["host", "gram"][0], rtol=1e-6)
    np.testing.assert_allclose(ends["host", "blocks"][0], ends["host", "gram"][0], rtol=1e-6)


@pytest.fixture(scope="module")
def compiled_kernels(make_mlp):
    return Kernels(make_mlp(2, [3]), MeanSquaredError())


@pytest.mark.parametrize("radius", [None, 0.1])
@pytest.mark.parametrize("form", ON_DEVICES)
def test_a_trial_of_a_network_travels_once(form, radius, compiled_kernels, round_trips):
    """Loss and acceleration included."""
    kernels, algebra = compiled_kernels, PLACES["device"]
    batch = split_batch(Split(X, CURVE), "float64", 5)
    problem = Problem(kernels, batch, algebra, form=FORMS[form](kernels, algebra))
    params = params_of(problem)
    model = problem.linearize(params)
    scaling = algebra.clip(model.curvature.diagonal, 1e-6, 1e32)
    for _ in range(2):
        # The first call compiles.
        round_trips.clear()
        trial = problem.damped_trial(params, model, 0.1, scaling, accelerate=True, radius=radius)
    assert round_trips == Counter(numpy=1)
    assert trial.valid


def wampler():
    """NIST StRD Wampler1: a polynomial of degree 5 whose coefficients are all 1, without noise."""
    x = np.arange(21.0)
    return np.column_stack([x, x]), np.sum(x[:, None] ** np.arange(6), axis=1, keepdims=True)


@pytest.mark.parametrize("place", PLACES)
def test_gauss_newton_by_qr_keeps_certified_digits(place, make, make_formula):
    terms = " + ".join(f"b{power}*x**{power}" for power in range(6))
    network = make_formula(terms, **{f"b{power}": 0.0 for power in range(6)})
    digits = {}
    for form in ("gram", "qr"):
        problem = make(network, *wampler(), form, place)
        params = params_of(problem)
        moved, _, info = gauss_newton().step(problem, params, {})
        assert info.accepted
        digits[form] = -np.log10(np.max(np.abs(moved.numpy() - 1)))
    assert digits["qr"] >= 8
    assert digits["gram"] < digits["qr"] - 1.5


@pytest.mark.parametrize("place", PLACES)
def test_gauss_newton_with_fewer_rows_than_parameters_takes_the_shortest_step(place, make, make_formula):
    network = make_formula("a*x + b*y + c*x*y + d*x**2", a=1, b=2, c=3, d=4)
    J = np.column_stack([X, X[:, 0] * X[:, 1], X[:, 0] ** 2])[:3]
    problem = make(network, X[:3], CURVE[:3], "dual", place)
    params = params_of(problem)
    moved, _, info = gauss_newton().step(problem, params, {})
    expected = params.numpy() + np.linalg.lstsq(J, CURVE[:3, 0] - J @ params.numpy())[0]
    np.testing.assert_allclose(moved.numpy(), expected, rtol=1e-10)
    assert info.losses[0] < 1e-25


@pytest.mark.parametrize("form", ["gram", "dual", "qr"])
@pytest.mark.parametrize("place", PLACES)
def test_a_singular_matrix_ends_gauss_newton(place, form, make, make_formula):
    problem = make(make_formula("(a + b)*x", a=1, b=2), X, X[:, 1:], form, place)
    params = params_of(problem)
    moved, _, info = gauss_newton().step(problem, params, {})
    assert moved is params
    assert info.status is Status.SINGULAR


@pytest.mark.parametrize(
    ("overrides", "form"),
    [
        ((), "qr"),
        (("optimizer.solver=auto",), "gram"),
        (("optimizer.solver=cholesky",), "gram"),
        (("optimizer.solver=qr",), "qr"),
        (("optimizer.solver=cg",), "cg"),
        (("optimizer.solver={name: cg, tolerance: 0.1, max_products: 3}",), "cg"),
        (("training.batch_size=1",), "dual"),
        (("optimizer={name: gauss-newton, solver: qr}",), "qr"),
    ],
)
def test_the_config_chooses(overrides, form, make_driver):
    driver, params = make_driver("rosenbrock-curve", *overrides)
    experiment, size = driver.experiment, driver.schedule.size
    assert experiment.forms.name(size) == form
    assert driver._problem(0).form is experiment.forms.take(size)
    state = driver.init(params)
    moved, _, info = driver.advance(params, state, 0, 1)
    assert np.all(np.isfinite(np.asarray(moved)))
    assert info.attempts >= 1


def test_the_keys_of_cg_reach_the_algebra(make_driver):
    driver, _ = make_driver("rosenbrock-curve", "optimizer.solver={name: cg, progress: 0, max_products: 3}")
    assert driver.experiment.algebra.truncation == Truncation(progress=0, max_products=3)


@pytest.mark.parametrize("form", ["gram", "dual"])
@pytest.mark.parametrize("place", PLACES)
def test_a_factorization_that_fails_raises_the_damping(place, form, make, make_formula):
    """J^T J of (a + b) x is singular, and stays so with a damping below its rounding."""
    problem = make(make_formula("(a + b)*x", a=1, b=2), X, X[:, 1:], form, place)
    params = params_of(problem)
    optimizer = lm(update="factor", initial=1e-20)
    moved, _, info = optimizer.step(problem, params, optimizer.init(problem, params))
    assert info.accepted
    assert info.status is None
    assert 1 <= info.invalid_attempts < info.attempts
    assert 1e-20 < info.damping < 1e-12
    assert info.losses[0] < info.loss_before
    assert np.all(np.isfinite(moved.numpy()))
