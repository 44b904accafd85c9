from __future__ import annotations

from typing import Any

import numpy as np

from lmrun.config.datasets import RosenbrockCurveConfig
from lmrun.datasets import Dataset, load_dataset


def load(seed: int = 10, **options: Any) -> Dataset:
    config = RosenbrockCurveConfig(name="rosenbrock-curve", **options)
    return load_dataset(config, seed=seed, precision="float64")


def test_nine_points_are_the_grid_x_major() -> None:
    dataset = load()
    grid = [[x, y] for x in (-2.0, 0.0, 2.0) for y in (-2.0, 0.0, 2.0)]
    np.testing.assert_array_equal(dataset.train.inputs, grid)
    expected = [(2.5 - x) ** 2 + 2.5 * (y - x * x) ** 2 for x, y in grid]
    np.testing.assert_array_equal(dataset.train.targets, np.array(expected)[:, np.newaxis])
    assert dataset.input_names == ("x", "y")
    assert dataset.target_names == ("z",)
    assert (dataset.validation, dataset.test, dataset.input_map, dataset.target_map) == (None,) * 4


def test_the_published_initial_loss() -> None:
    train = load().train
    x, y = train.inputs.T
    residual = (5 - x) ** 2 + 5 * (y - x**2) ** 2 - train.targets[:, 0]
    assert np.mean(residual**2) == 3868.2291666666665


def test_limit_scales_the_grid() -> None:
    dataset = load(points=4, limit=3.0)
    np.testing.assert_array_equal(dataset.train.inputs, [[-3, -3], [-3, 3], [3, -3], [3, 3]])


def test_random_points_fill_the_square() -> None:
    dataset = load(points=2000, sampling="random", limit=0.5, a=1.0, b=3.0)
    inputs = dataset.train.inputs
    assert inputs.shape == (2000, 2)
    assert 0.49 < np.abs(inputs).max() <= 0.5
    assert np.abs(inputs.mean(axis=0)).max() < 0.03
    x, y = inputs.T
    np.testing.assert_allclose(dataset.train.targets[:, 0], (1 - x) ** 2 + 3 * (y - x**2) ** 2, rtol=1e-15)


def test_noise_has_its_deviation_and_moves_no_point() -> None:
    options = {"points": 4000, "sampling": "random"}
    clean, noisy = load(**options), load(noise=0.1, **options)
    np.testing.assert_array_equal(clean.train.inputs, noisy.train.inputs)
    noise = noisy.train.targets - clean.train.targets
    assert abs(noise.std() - 0.1) < 0.005
    assert abs(noise.mean()) < 0.006


def test_the_sections_seed_comes_before_the_configs() -> None:
    def points(seed: int, own: int | None) -> Any:
        config = RosenbrockCurveConfig(name="rosenbrock-curve", points=5, sampling="random", seed=own)
        return load_dataset(config, seed=seed, precision="float64").train.inputs

    np.testing.assert_array_equal(points(1, 7), points(2, 7))
    np.testing.assert_array_equal(points(7, None), points(2, 7))
    assert not np.array_equal(points(1, None), points(2, None))
    assert not np.array_equal(points(1, 0), points(1, None))
