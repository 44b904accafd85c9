from __future__ import annotations

from typing import Any

import numpy as np

from lmrun.config.datasets import SineConfig
from lmrun.datasets import Dataset, load_dataset


def load(seed: int = 10, **options: Any) -> Dataset:
    return load_dataset(SineConfig(name="sine", **options), seed=seed, precision="float64")


def test_values_are_those_of_a_sine_on_an_even_grid() -> None:
    train = load(points=9, noise=0, frequency=1).train
    np.testing.assert_array_equal(train.inputs[:, 0], np.linspace(-1, 1, 9))
    np.testing.assert_allclose(train.targets[:, 0], [0, 1, 0, -1, 0, 1, 0, -1, 0], atol=1e-15)
    # Two periods per unit of the frequency.
    np.testing.assert_allclose(load(points=9, noise=0, frequency=2).train.targets, 0, atol=1e-14)


def test_the_defaults() -> None:
    dataset = load()
    assert dataset.train.inputs.shape == dataset.train.targets.shape == (50, 1)
    assert (dataset.input_names, dataset.target_names) == (("x",), ("y",))
    assert (dataset.validation, dataset.test, dataset.input_map, dataset.target_map) == (None,) * 4


def test_test_points_have_no_noise_and_the_others_have() -> None:
    dataset = load(points=4000, noise=0.2, validation_points=4000, test_points=300)
    assert dataset.validation is not None
    assert dataset.test is not None
    assert dataset.test.rows == 300
    np.testing.assert_array_equal(dataset.test.targets, np.sin(2 * np.pi * dataset.test.inputs))
    noises = [
        split.targets - np.sin(2 * np.pi * split.inputs) for split in (dataset.train, dataset.validation)
    ]
    for noise in noises:
        assert abs(noise.std() - 0.2) < 0.01
    assert abs(np.corrcoef(noises[0][:, 0], noises[1][:, 0])[0, 1]) < 0.06


def test_seeds_decide_the_noise_alone() -> None:
    def loaded(seed: int, own: int) -> Dataset:
        return load_dataset(SineConfig(name="sine", seed=own), seed=seed, precision="float64")

    one, other = load(1), load(2)
    np.testing.assert_array_equal(one.train.inputs, other.train.inputs)
    assert not np.array_equal(one.train.targets, other.train.targets)
    np.testing.assert_array_equal(one.train.targets, loaded(2, 1).train.targets)
    np.testing.assert_array_equal(one.train.targets, load(1, test_points=7).train.targets)
