from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import spherical_jn

from lmrun.config.datasets import SincConfig
from lmrun.datasets import Dataset, load_dataset


def load(seed: int = 10, **options: Any) -> Dataset:
    return load_dataset(SincConfig(name="sinc", **options), seed=seed, precision="float64")


def test_default_size_and_names() -> None:
    dataset = load()
    assert dataset.train.inputs.shape == dataset.train.targets.shape == (20_000, 1)
    assert (dataset.input_names, dataset.target_names) == (("x",), ("y",))
    assert dataset.train.inputs[0] == -1
    assert dataset.train.inputs[-1] == 1
    assert (dataset.validation, dataset.test, dataset.input_map, dataset.target_map) == (None,) * 4
    assert (dataset.task, dataset.classes, dataset.outputs) == ("regression", 0, 1)


@pytest.mark.parametrize("frequency", [0.3, 1.0, 10.0])
def test_values(frequency: float) -> None:
    train = load(frequency=frequency, points=401).train
    np.testing.assert_array_equal(train.targets, np.sinc(frequency * train.inputs))
    # sin(z)/z is the spherical Bessel function of order 0, computed by other code
    np.testing.assert_allclose(
        train.targets, spherical_jn(0, np.pi * frequency * np.abs(train.inputs)), rtol=0, atol=1e-15
    )
    assert train.inputs[200] == 0
    assert train.targets[200] == 1


def test_points_are_evenly_spaced() -> None:
    np.testing.assert_array_equal(load(points=5).train.inputs[:, 0], [-1, -0.5, 0, 0.5, 1])


def test_validation_is_random_and_separate() -> None:
    dataset = load(points=100, validation_points=500)
    assert dataset.validation is not None
    inputs = dataset.validation.inputs
    assert inputs.shape == (500, 1)
    assert -1 <= inputs.min() < -0.97
    assert 0.97 < inputs.max() <= 1
    np.testing.assert_array_equal(dataset.validation.targets, np.sinc(10 * inputs))


def test_noise_is_independent_in_both_parts() -> None:
    clean = load(points=3000, validation_points=3000)
    noisy = load(points=3000, validation_points=3000, noise=0.05)
    assert clean.validation is not None
    assert noisy.validation is not None
    np.testing.assert_array_equal(clean.validation.inputs, noisy.validation.inputs)
    train = (noisy.train.targets - clean.train.targets)[:, 0]
    validation = (noisy.validation.targets - clean.validation.targets)[:, 0]
    assert abs(train.std() - 0.05) < 0.003
    assert abs(validation.std() - 0.05) < 0.003
    assert abs(np.corrcoef(train, validation)[0, 1]) < 0.06


def test_seeds() -> None:
    def noise(**options: Any) -> Any:
        return load(points=10, noise=1.0, **options).train.targets

    np.testing.assert_array_equal(noise(seed=3), noise(seed=3))
    np.testing.assert_array_equal(noise(seed=3), noise(seed=3, validation_points=5))
    assert not np.array_equal(noise(seed=3), noise(seed=4))
