from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der, rosen_hess

from lmrun.config.datasets import RosenbrockConfig
from lmrun.datasets import Dataset, load_dataset
from lmrun.datasets.rosenbrock_minima import gradient, hessian, known_minima, rosenbrock
from lmrun.errors import DataError


def load(precision: Any = "float64", **options: Any) -> Dataset:
    config = RosenbrockConfig(name="rosenbrock", **options)
    return load_dataset(config, seed=10, precision=precision)


@pytest.mark.parametrize("dimension", [2, 3, 6])
def test_values_are_scipys(dimension: int) -> None:
    dataset = load(dimension=dimension, points=50, normalize=False)
    assert dataset.train.inputs.shape == (50, dimension)
    np.testing.assert_allclose(dataset.train.targets[:, 0], rosen(dataset.train.inputs.T), rtol=1e-13)
    assert dataset.input_names == tuple(f"x{i}" for i in range(1, dimension + 1))
    assert dataset.target_names == ("y",)
    assert dataset.input_map is None
    assert dataset.target_map is None
    assert dataset.validation is None


def test_derivatives_are_scipys() -> None:
    x = np.random.default_rng(0).uniform(-2, 2, 7)
    np.testing.assert_allclose(gradient(x, 1.0, 100.0), rosen_der(x), rtol=1e-12)
    np.testing.assert_allclose(hessian(x, 100.0), rosen_hess(x), rtol=1e-12)


def test_coefficients() -> None:
    dataset = load(points=20, a=0.5, b=3.0, normalize=False)
    x1, x2 = dataset.train.inputs.T
    expected = 3 * (x2 - x1**2) ** 2 + (0.5 - x1) ** 2
    np.testing.assert_allclose(dataset.train.targets[:, 0], expected, rtol=1e-14)


def test_points_are_uniform_in_the_box() -> None:
    inputs = load(points=20_000, normalize=False).train.inputs
    assert 1.99 < np.abs(inputs).max() <= 2
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=0.04)
    np.testing.assert_allclose(inputs.std(axis=0), 4 / np.sqrt(12), atol=0.02)


def test_normalization_is_by_the_training_maximum() -> None:
    options = {"dimension": 3, "points": 5, "validation_points": 200}
    raw, scaled = load(normalize=False, **options), load(**options)
    largest = raw.train.targets.max()
    assert raw.validation is not None
    assert scaled.validation is not None
    assert raw.validation.targets.max() > largest, "the case has to tell the two maxima apart"
    for before, after in ((raw.train, scaled.train), (raw.validation, scaled.validation)):
        np.testing.assert_array_equal(after.inputs, before.inputs / 2)
        np.testing.assert_allclose(after.targets, before.targets / largest - 0.5, rtol=0, atol=1e-15)
    assert scaled.train.targets.max() == 0.5
    assert scaled.input_map is not None
    assert scaled.target_map is not None
    np.testing.assert_array_equal(scaled.input_map.inverse(scaled.train.inputs), raw.train.inputs)
    restored = scaled.target_map.inverse(scaled.train.targets)
    np.testing.assert_allclose(restored, raw.train.targets, rtol=0, atol=1e-15 * largest)


def test_validation_points_leave_the_training_points_alone() -> None:
    without, few, many = (load(points=30, validation_points=n) for n in (0, 4, 9))
    np.testing.assert_array_equal(without.train.inputs, many.train.inputs)
    assert few.validation is not None
    assert many.validation is not None
    np.testing.assert_array_equal(few.validation.inputs, many.validation.inputs[:4])
    assert not np.intersect1d(many.train.inputs, many.validation.inputs).size


def test_more_points_continue_the_same_points() -> None:
    few, many = (load(points=n, dimension=3, normalize=False).train.inputs for n in (10, 20))
    np.testing.assert_array_equal(few, many[:10])


@pytest.mark.parametrize(("dimension", "minima"), [(2, 1), (3, 1), (4, 2), (6, 2)])
def test_minima_replace_the_first_points(dimension: int, minima: int) -> None:
    options = {"dimension": dimension, "points": 12, "normalize": False}
    plain, dataset = load(**options), load(include_minima=True, **options)
    np.testing.assert_array_equal(dataset.train.inputs[minima:], plain.train.inputs[minima:])
    np.testing.assert_array_equal(dataset.train.inputs[0], np.ones(dimension))
    assert dataset.train.targets[0] == 0
    assert dataset.train.rows == 12


@pytest.mark.parametrize("dimension", [4, 5, 6, 7, 15, 30])
def test_the_local_minimum_is_one(dimension: int) -> None:
    local = known_minima(dimension, 1.0, 100.0)[1]
    assert local[0] < 0
    assert np.abs(local).max() <= 2
    curvature = np.linalg.eigvalsh(rosen_hess(local))
    assert curvature[0] > 0
    # the Newton step left over is a rounding error of the position
    assert np.abs(np.linalg.solve(rosen_hess(local), rosen_der(local))).max() < 1e-14


@pytest.mark.parametrize("dimension", [4, 6])
def test_another_method_finds_the_same_local_minimum(dimension: int) -> None:
    start = np.r_[-0.9, np.linspace(0.9, 0.4, dimension - 1)]
    found = minimize(rosen, start, jac=rosen_der, method="BFGS", options={"gtol": 1e-9})
    local = known_minima(dimension, 1.0, 100.0)[1]
    np.testing.assert_allclose(local, found.x, rtol=0, atol=1e-8)
    assert 3.7 < rosen(local) < 4  # far from the global 0


def test_two_dimensions_have_their_minimum_for_any_a() -> None:
    np.testing.assert_array_equal(known_minima(2, 1.25, 7.0), [[1.25, 1.5625]])
    assert rosenbrock(np.array([1.25, 1.5625]), 1.25, 7.0) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"dimension": 3, "a": 1.2},
            "the dataset 'rosenbrock' has no known minima for dimension = 3 and a = 1.2; set a: 1 or leave"
            " include_minima out.",
        ),
        (
            {"dimension": 4, "b": 1.0},
            "the dataset 'rosenbrock' has no local minimum near (-1, 1, ..., 1) for b = 1; leave"
            " include_minima out.",
        ),
        (
            {"dimension": 4, "points": 1},
            "the dataset 'rosenbrock' cannot include 2 minima among 1 points; raise points or leave"
            " include_minima out.",
        ),
        (
            {"a": 1.5},
            "the dataset 'rosenbrock' has a minimum outside [-2, 2] for a = 1.5; leave include_minima out.",
        ),
        (
            {"points": 1},
            "the dataset 'rosenbrock' cannot divide by max(y) = 0; raise points or set normalize: false.",
        ),
    ],
)
def test_minima_that_cannot_be_included(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        load(include_minima=True, **options)
    assert str(caught.value) == message


def test_float32_is_the_rounded_float64() -> None:
    options = {"dimension": 4, "points": 20, "validation_points": 3}
    single, double = load("float32", **options), load("float64", **options)
    for part in ("train", "validation"):
        for name in ("inputs", "targets"):
            low, high = getattr(getattr(single, part), name), getattr(getattr(double, part), name)
            assert low.dtype == np.float32
            assert high.dtype == np.float64
            np.testing.assert_array_equal(low, high.astype(np.float32))


def test_the_numbers_are_the_same_in_another_process() -> None:
    code = (
        "from lmrun.config.datasets import RosenbrockConfig as C;"
        "from lmrun.datasets import load_dataset as l;"
        "print(l(C(name='rosenbrock', dimension=4, points=9, include_minima=True, validation_points=2),"
        " seed=10, precision='float64').checksum)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == load(dimension=4, points=9, include_minima=True, validation_points=2).checksum


def test_values_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load(dimension=5, points=20, validation_points=3).checksum
    monkeypatch.setattr("lmrun.datasets.rosenbrock.BLOCK_ROWS", 3)
    assert load(dimension=5, points=20, validation_points=3).checksum == whole
