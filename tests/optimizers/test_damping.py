"""The updates and scalings of the damping: plain numbers, exact."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.config.fields import names
from lmrun.config.optimizers import DampingConfig, DampingLimits, FactorDamping, NielsenDamping
from lmrun.linalg.host import HostAlgebra
from lmrun.optimizers.damping.scaling import LEAST, MOST, SCALINGS
from lmrun.optimizers.damping.update import UPDATES, Damping, Factor, Nielsen, build_update

NIELSEN, FACTOR = Nielsen(1e-3), Factor(3.0, 10.0, 4.0)


def test_registries_and_schema_name_the_same():
    assert set(UPDATES) == set(names(DampingConfig))
    assert set(SCALINGS) == set(get_args(DampingLimits.model_fields["scaling"].annotation))


def test_updates_are_built_from_their_configs():
    config = FactorDamping(update="factor", initial=3.0, increase=10.0, decrease=4.0)
    assert build_update(config) == FACTOR
    assert build_update(NielsenDamping(initial=0.5)) == Nielsen(0.5)


def test_factor():
    assert FACTOR.start(1e6) == Damping(3.0, 10.0)
    assert FACTOR.accepted(Damping(2.0, 10.0), 0.1) == Damping(0.5, 10.0)
    damping = Damping(2.0, 10.0)
    for expected in (20.0, 200.0, 2000.0):
        damping = FACTOR.rejected(damping)
        assert damping == Damping(expected, 10.0)


def test_nielsen_starts_relative_to_the_matrix():
    assert NIELSEN.start(50.0) == Damping(0.05, 2.0)
    for largest in (0.0, math.nan):
        assert NIELSEN.start(largest) == Damping(1e-3, 2.0)


@pytest.mark.parametrize(
    ("gain_ratio", "factor"),
    [(1.0, 1 / 3), (0.9, 1 - 0.8**3), (0.75, 0.875), (0.5, 1.0), (0.25, 1.125), (0.0, 2.0), (5.0, 1 / 3)],
)
def test_nielsen_follows_the_gain_ratio(gain_ratio, factor):
    value, growth = NIELSEN.accepted(Damping(6.0, 16.0), gain_ratio)
    assert value == pytest.approx(6.0 * factor, rel=1e-15)
    assert growth == 2.0


def test_nielsen_raises_faster_each_time():
    damping = Damping(1.0, 2.0)
    for expected in (Damping(2.0, 4.0), Damping(8.0, 8.0), Damping(64.0, 16.0)):
        damping = NIELSEN.rejected(damping)
        assert damping == expected


@given(st.floats())
def test_no_gain_ratio_stops_nielsen(gain_ratio):
    """Where the predicted reduction is a rounding, the ratio can be anything, also NaN or beyond 1e103."""
    value, _ = NIELSEN.accepted(Damping(1.0, 2.0), gain_ratio)
    assert value >= 1 / 3


def test_scalings():
    algebra, diagonal = HostAlgebra("float64"), np.array([0.0, 1e-9, 2.0, 1e40])
    np.testing.assert_array_equal(SCALINGS["identity"](algebra, diagonal), np.ones(4))
    np.testing.assert_array_equal(SCALINGS["marquardt"](algebra, diagonal), [LEAST, LEAST, 2.0, MOST])
    np.testing.assert_array_equal(diagonal, [0.0, 1e-9, 2.0, 1e40])
