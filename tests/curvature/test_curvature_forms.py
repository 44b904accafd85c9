"""Every form of J^T J of real models and losses against the rows of the Jacobian; and which is chosen."""

from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from lmrun.config.solvers import SolverConfig
from lmrun.curvature.batch import chunk_rows, make_batch, make_rows, split_batch
from lmrun.curvature.content import _named_by_content as named_by_content
from lmrun.curvature.forms import DIRECT_BYTES, FORMS, HELD, SOLVERS, Sizes, held_bytes
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.problem import Problem
from lmrun.datasets.base import Split
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra
from lmrun.linalg.truncation import Truncation
from lmrun.losses.crossentropy import SparseCategoricalCrossentropy
from lmrun.losses.elementwise import MeanSquaredError
from lmrun.losses.projected import Projected
from lmrun.losses.square_root import SquareRoot

EXACT = Truncation(tolerance=1e-13, progress=0)
ALGEBRAS = {"host": HostAlgebra("float64", EXACT), "device": DeviceAlgebra("float64", EXACT)}
LOSSES = {
    "mse": MeanSquaredError(),
    "sparse": SparseCategoricalCrossentropy(),
    "square root": SquareRoot(SparseCategoricalCrossentropy()),
    "projected": Projected(SparseCategoricalCrossentropy(), 2),
}
ROWS, CHUNK, STEP = 11, 4, 3


# What a loss changes is the kernels, which both places share.
all_losses_somewhere = pytest.mark.parametrize(
    ("case", "place"), [*((loss, "host") for loss in LOSSES), ("projected", "device")], indirect=["case"]
)


@pytest.fixture(scope="module")
def case(request, make_mlp):
    """A network of three outputs with more rows than parameters, or fewer; compiled once."""
    rng = np.random.default_rng(4)
    loss = LOSSES[request.param]
    targets = rng.normal(size=(ROWS, 3)) if request.param == "mse" else rng.integers(0, 3, ROWS)
    network = make_mlp(2, [2], 3)
    kernels = Kernels(network, loss)
    return SimpleNamespace(
        kernels=kernels,
        loss=loss,
        rows=make_rows(Split(rng.normal(size=(ROWS, 2)), targets, rng.uniform(0.5, 2, ROWS)), "float64"),
        params=tf.constant(network.params()),
        direction=tf.constant(rng.normal(size=network.size)),
        forms={(place, form): FORMS[form](kernels, ALGEBRAS[place]) for place in ALGEBRAS for form in FORMS},
    )


def make(case, place, form, count=ROWS):
    batch = make_batch(case.rows, np.arange(count), CHUNK)
    problem = Problem(case.kernels, batch, ALGEBRAS[place], 7, case.forms[place, form])
    problem.step = STEP
    return problem


def dense(case, problem):
    """J [m, n], r_vv [m] and the gradient [n] from the tables of the chunks."""
    tables, gradients, bent = [], [], []
    for arguments in problem.chunks.keyed:
        linear = case.kernels.jacobian_and_residual(case.params, *arguments)
        tables.append(linear.rows.numpy())
        gradients.append(linear.gradient)
        bent.append(case.kernels.bent_residual(case.params, case.direction, *arguments).numpy())
    table = np.concatenate(tables, axis=1)
    J = table[:-1].T
    gradient = J.T @ table[-1] if gradients[0] is None else sum(each.numpy() for each in gradients)
    return J, np.concatenate(bent), gradient


@pytest.mark.parametrize("form", FORMS)
@all_losses_somewhere
def test_every_form_is_that_of_the_rows(case, place, form):
    if (place, form) == ("device", "blocks"):
        pytest.skip("reproducible sums are the host's, and others are refused")
    problem = make(case, place, form)
    J, bent, gradient = dense(case, problem)
    model = problem.linearize(case.params)
    np.testing.assert_allclose(model.gradient, gradient, rtol=1e-10, atol=1e-12)
    assert model.gradient_norm == np.max(np.abs(np.asarray(model.gradient)))
    np.testing.assert_allclose(model.curvature.diagonal, np.sum(J * J, axis=0), rtol=1e-10, atol=1e-13)
    D = np.linspace(0.5, 2, len(gradient))
    damped = J.T @ J + 0.1 * np.diag(D)
    straight, turn = np.linalg.solve(damped, -gradient), np.linalg.solve(damped, -J.T @ bent)
    scaling = problem.algebra.adopt(tf.constant(D))
    trial = problem.damped_trial(case.params, model, 0.1, scaling)
    np.testing.assert_allclose(trial.params, case.params + straight, rtol=1e-9, atol=1e-11)
    assert trial.loss == pytest.approx(problem.loss(trial.params), rel=1e-12)
    system = model.curvature.damped(SimpleNamespace(value=0.1, scaling=scaling, radius=None)).system
    found = system.turn(problem.algebra.adopt(problem.form.bend(problem.chunks, case.params, case.direction)))
    np.testing.assert_allclose(found, turn, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("form", ["dual", "qr", "cg"])
@all_losses_somewhere
def test_fewer_rows_than_parameters(case, place, form):
    problem = make(case, place, form, count=3)
    J, _, gradient = dense(case, problem)
    assert J.shape[0] < J.shape[1]
    model = problem.linearize(case.params)
    scaling = problem.algebra.ones_like(model.gradient)
    trial = problem.damped_trial(case.params, model, 0.1, scaling, accelerate=True)
    plain = problem.damped_trial(case.params, model, 0.1, scaling)
    expected = np.linalg.solve(J.T @ J + 0.1 * np.eye(len(gradient)), -gradient)
    np.testing.assert_allclose(plain.params, case.params + expected, rtol=1e-9, atol=1e-11)
    gram = make(case, "host", "gram", count=3)
    whole = gram.linearize(case.params)
    other = gram.damped_trial(case.params, whole, 0.1, np.ones(len(gradient)), accelerate=True)
    np.testing.assert_allclose(trial.params, other.params, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", ["mse", "projected"], indirect=True)
def test_threads_do_not_change_the_bits(case, form):
    problem = make(case, "host", form)
    first = problem.linearize(case.params)
    scaling = np.ones(len(first.gradient))
    moved = problem.damped_trial(case.params, first, 0.1, scaling, accelerate=True)
    for _ in range(3):
        again = problem.linearize(case.params)
        np.testing.assert_array_equal(again.gradient, first.gradient)
        np.testing.assert_array_equal(again.curvature.diagonal, first.curvature.diagonal)
        trial = problem.damped_trial(case.params, again, 0.1, scaling, accelerate=True)
        np.testing.assert_array_equal(trial.params, moved.params)


@pytest.mark.parametrize("case", ["mse", "sparse"], indirect=True)
def test_a_diagonal_of_many_pieces(case, monkeypatch):
    """The Jacobian passes by a few rows at a time; the last piece is filled up."""
    problem = make(case, "host", "gram")
    expected = problem.linearize(case.params).curvature
    monkeypatch.setattr("lmrun.curvature.diagonal.CHUNK_BYTES", 3 * case.kernels.network.size * 3 * 8)
    problem.form = FORMS["cg"](case.kernels, problem.algebra)
    found = problem.linearize(case.params).curvature
    np.testing.assert_allclose(found.diagonal, expected.diagonal, rtol=1e-12)
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("place", ALGEBRAS)
@pytest.mark.parametrize("case", ["projected"], indirect=True)
def test_values_that_are_too_many_are_not_kept(case, place, monkeypatch):
    """Each product then makes the forward pass itself."""
    problem = make(case, place, "cg")
    scaling = problem.algebra.ones_like(tf.ones_like(case.params).numpy() if place == "host" else case.params)
    steps = []
    for most in (2**30, 0):
        monkeypatch.setattr("lmrun.curvature.products.VALUE_BYTES", most)
        assert problem.form.keeps(problem.chunks, case.params) == bool(most)
        model = problem.linearize(case.params)
        steps.append(problem.damped_trial(case.params, model, 0.1, scaling).params)
    np.testing.assert_allclose(*steps, rtol=1e-11)


def test_equal_networks_share_their_compiled_loops(make_mlp, monkeypatch):
    """A process that fits again and again on a device would keep a loop of each fit otherwise."""
    names = []

    def recorded(*arguments):
        found = named_by_content(*arguments)
        names[-1].add(found[0].signature.name)
        return found

    monkeypatch.setattr("lmrun.curvature.content._named_by_content", recorded)
    split = Split(np.ones((3, 2)), np.ones((3, 3)), np.ones(3))
    for _ in range(2):
        names.append(set())
        network, algebra = make_mlp(2, [2], 3), DeviceAlgebra("float64", EXACT)
        kernels, params = Kernels(network, MeanSquaredError()), tf.constant(network.params())
        problem = Problem(
            kernels, split_batch(split, "float64", 3), algebra, form=FORMS["cg"](kernels, algebra)
        )
        problem.damped_trial(params, problem.linearize(params), 0.1, tf.ones_like(params))
    assert names[0] == names[1]
    assert sum("nested" in name for name in names[0]) == 2


def test_pieces_are_filled_up_with_rows_that_have_a_value(make_formula, monkeypatch):
    monkeypatch.setattr("lmrun.curvature.diagonal.CHUNK_BYTES", 3 * 2 * 8)
    network = make_formula("a*log(x) + b*y", a=1, b=2)
    rng = np.random.default_rng(1)
    split = Split(rng.uniform(1, 2, (7, 2)), rng.normal(size=(7, 1)))
    kernels = Kernels(network, MeanSquaredError())
    for form in ("gram", "cg"):
        problem = Problem(
            kernels,
            split_batch(split, "float64", 7),
            ALGEBRAS["host"],
            form=FORMS[form](kernels, ALGEBRAS["host"]),
        )
        model = problem.linearize(tf.constant(network.params()))
        if form == "gram":
            expected = model
    np.testing.assert_allclose(model.curvature.diagonal, expected.curvature.diagonal, rtol=1e-13)
    np.testing.assert_allclose(model.gradient, expected.gradient, rtol=1e-13)


@pytest.mark.parametrize("form", ["gram", "cg"])
def test_convolutions(form, make_cnn):
    rng = np.random.default_rng(2)
    layers = [
        {"name": "conv", "filters": 2, "kernel_size": 3},
        {"name": "pool", "kind": "max"},
        {"name": "dense", "units": 3},
    ]
    network = make_cnn(layers, 2)
    kernels = Kernels(network, SparseCategoricalCrossentropy())
    split = Split(rng.normal(size=(9, 6, 5, 2)), rng.integers(0, 2, 9))
    params = tf.constant(network.params())
    problem = Problem(
        kernels,
        split_batch(split, "float64", 5),
        ALGEBRAS["host"],
        form=FORMS[form](kernels, ALGEBRAS["host"]),
    )
    model = problem.linearize(params)
    trial = problem.damped_trial(params, model, 0.1, np.ones(network.size), accelerate=True)
    reference = Problem(kernels, split_batch(split, "float64", 9), ALGEBRAS["host"])
    expected = reference.damped_trial(
        params, reference.linearize(params), 0.1, np.ones(network.size), accelerate=True
    )
    np.testing.assert_allclose(trial.params, expected.params, rtol=1e-9, atol=1e-11)


sizes = st.builds(
    Sizes,
    parameters=st.integers(1, 10**6),
    rows=st.integers(1, 10**7),
    itemsize=st.sampled_from([4, 8]),
    workers=st.integers(1, 8),
)


@given(sizes=sizes)
def test_auto_takes_the_smaller_matrix_if_it_is_small_enough(sizes):
    form = SOLVERS["cholesky"](sizes)
    assert form == ("dual" if sizes.rows < sizes.parameters else "gram")
    chosen = SOLVERS["auto"](sizes)
    assert chosen == (form if held_bytes(form, sizes) <= DIRECT_BYTES else "cg")
    assert {SOLVERS[name](sizes) for name in ("qr", "cg")} == {"qr", "cg"}


def test_every_form_says_what_it_holds():
    assert set(HELD) == set(FORMS)


def test_registry_and_schema_name_the_same_solvers():
    """Besides `matrix`, which an optimizer asks for that keeps J^T J, and `blocks`, for reproducible sums."""
    assert set(SOLVERS) - {"matrix", "blocks"} == {
        kind.model_fields["name"].annotation.__args__[0] for kind in get_args(get_args(SolverConfig)[0])
    }


def test_the_usual_sizes():
    assert SOLVERS["auto"](Sizes(61, 20_000, 8, 2)) == "gram"
    assert SOLVERS["auto"](Sizes(10_000, 100_000, 8, 2)) == "gram"
    assert SOLVERS["auto"](Sizes(1_000_000, 1_000_000, 4, 2)) == "cg"
    assert SOLVERS["auto"](Sizes(100_000, 500, 4, 2)) == "dual"


def test_chunks_of_products_do_not_grow_with_the_parameters(make_mlp):
    narrow, wide = (Kernels(make_mlp(2, [width]), MeanSquaredError()) for width in (10, 40))
    for form, factor in (("gram", 4), ("cg", 4)):
        rows = [FORMS[form](kernels, ALGEBRAS["host"]).row_bytes(kernels, 8) for kernels in (narrow, wide)]
        assert rows[1] / rows[0] == pytest.approx(factor, rel=0.2)
    kernels = Kernels(make_mlp(50, [50]), MeanSquaredError())
    tables, products = (FORMS[form](kernels, ALGEBRAS["host"]).row_bytes(kernels, 8) for form in ("qr", "cg"))
    assert tables > 20 * products
    assert chunk_rows(10**6, tables) < chunk_rows(10**6, products)
