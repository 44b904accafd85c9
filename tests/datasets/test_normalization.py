from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lmrun.datasets.normalization import FITS, minmax, standard

COLUMNS = arrays(np.float64, (7, 2), elements=st.floats(-1e6, 1e6, width=32))


def test_standard_is_the_population_deviation() -> None:
    values = np.array([[1.0, 10.0], [2.0, 10.0], [6.0, 40.0]])
    affine = standard(values)
    np.testing.assert_allclose(affine.shift, [3, 20], rtol=1e-15)
    np.testing.assert_allclose(affine.scale, [np.sqrt(14 / 3), np.sqrt(200)], rtol=1e-15)


def test_minmax_reaches_both_ends() -> None:
    values = np.array([[1.0, -3.0], [2.0, 5.0], [7.0, 1.0]])
    affine = minmax(values)
    np.testing.assert_array_equal(affine.shift, [4, 1])
    np.testing.assert_array_equal(affine.scale, [3, 4])
    np.testing.assert_array_equal(affine.forward(values), [[-1, -1], [-2 / 3, 1], [1, 0]])


@pytest.mark.parametrize("fit", [standard, minmax])
def test_a_constant_column_becomes_zero(fit: object) -> None:
    values = np.full((9, 1), 0.1)
    affine = fit(values)  # type: ignore[operator]
    np.testing.assert_array_equal(affine.shift, [0.1])
    np.testing.assert_array_equal(affine.scale, [1.0])
    np.testing.assert_array_equal(affine.forward(values), np.zeros((9, 1)))


@pytest.mark.parametrize("size", [1e-200, 1e-300, 1.0, 1e200])
def test_the_deviation_neither_vanishes_nor_overflows(size: float) -> None:
    affine = standard(np.array([[1.0], [2.0], [6.0]]) * size)
    np.testing.assert_allclose(affine.scale / size, [np.sqrt(14 / 3)], rtol=1e-14)


@given(COLUMNS)
def test_standard_gives_mean_0_and_deviation_1(values: np.ndarray) -> None:
    spread = np.ptp(values, axis=0)
    scaled = standard(values).forward(values)
    wide = spread > 1e-6 * np.abs(values).max(axis=0)
    np.testing.assert_allclose(scaled.mean(axis=0)[wide], 0, atol=1e-8)
    np.testing.assert_allclose(scaled.std(axis=0)[wide], 1, rtol=1e-8)
    np.testing.assert_array_equal(scaled[:, spread == 0], 0)


@given(COLUMNS)
def test_inverse_undoes_forward(values: np.ndarray) -> None:
    for name in ("standard", "minmax"):
        affine = FITS[name](values)
        assert affine is not None
        assert (affine.scale > 0).all()
        tolerance = 1e-14 * (1 + np.abs(values).max())
        np.testing.assert_allclose(affine.inverse(affine.forward(values)), values, rtol=0, atol=tolerance)


def test_none_fits_nothing() -> None:
    assert FITS["none"](np.ones((2, 2))) is None
