"""The updates, scalings and acceptances: plain numbers, exact."""

import math
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lmrun.config import damping as schema
from lmrun.config.fields import names
from lmrun.linalg.algebra import INVALID, LEAST, MOST, StepScalars
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra
from lmrun.optimizers.damping.acceptance import ACCEPTANCES, Decrease, GainRatio, build_acceptance
from lmrun.optimizers.damping.scaling import SCALINGS, build_scaling
from lmrun.optimizers.damping.trust_region import TrustRegion
from lmrun.optimizers.damping.update import UPDATES, Constant, Damping, Factor, Nielsen, build_update

NIELSEN, FACTOR, REGION = Nielsen(1e-3), Factor(3.0, 10.0, 4.0), TrustRegion(100.0)
SCALARS = StepScalars(True, 4.0, 1.0, 1.0, 2.0, 0.5)
"""A step of the scaled length 1/2, found with the damping 2: its descent is 2 * 4 - 2 / 4 = 7.5."""


def config(kind, value):
    return TypeAdapter(kind).validate_python(value)


def test_registries_and_schema_name_the_same():
    assert set(UPDATES) == set(names(schema.DampingConfig))
    assert set(SCALINGS) == set(names(schema.ScalingConfig))
    assert set(ACCEPTANCES) == set(names(schema.AcceptanceConfig))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"update": "factor", "initial": 3.0, "increase": 10.0, "decrease": 4.0}, FACTOR),
        ({"update": "factor"}, Factor(1e-3, 10.0, 10.0)),
        ({"update": "delayed-gratification"}, Factor(1e-3, 2.0, 5.0)),
        ({"initial": 0.5}, Nielsen(0.5)),
        ({"update": "trust-region"}, REGION),
        ({"update": "constant", "value": 0.5}, Constant(0.5)),
    ],
)
def test_updates_are_built_from_their_configs(values, expected):
    assert build_update(config(schema.DampingConfig, values)) == expected


def test_scalings_and_acceptances_are_built_from_their_configs():
    assert build_scaling(config(schema.ScalingConfig, "more")) is SCALINGS["more"]
    assert build_acceptance(config(schema.AcceptanceConfig, "decrease")) == Decrease()
    assert build_acceptance(config(schema.AcceptanceConfig, "gain-ratio")) == GainRatio(1e-4)
    strict = {"name": "gain-ratio", "threshold": 0.1}
    assert build_acceptance(config(schema.AcceptanceConfig, strict)) == GainRatio(0.1)


def test_factor():
    assert FACTOR.start(1e6, 1.0) == Damping(3.0, 10.0)
    assert FACTOR.accepted(Damping(2.0, 10.0), 0.1, SCALARS) == Damping(0.5, 10.0)
    damping = Damping(2.0, 10.0)
    for expected in (20.0, 200.0, 2000.0):
        damping = FACTOR.rejected(damping, -1.0, SCALARS)
        assert damping == Damping(expected, 10.0)


def test_nielsen_starts_relative_to_the_matrix():
    assert NIELSEN.start(50.0, 1.0) == Damping(0.05, 2.0)
    for largest in (0.0, math.nan):
        assert NIELSEN.start(largest, 1.0) == Damping(1e-3, 2.0)


@pytest.mark.parametrize(
    ("gain_ratio", "factor"),
    [(1.0, 1 / 3), (0.9, 1 - 0.8**3), (0.75, 0.875), (0.5, 1.0), (0.25, 1.125), (0.0, 2.0), (5.0, 1 / 3)],
)
def test_nielsen_follows_the_gain_ratio(gain_ratio, factor):
    damping = NIELSEN.accepted(Damping(6.0, 16.0), gain_ratio, SCALARS)
    assert damping == (pytest.approx(6.0 * factor, rel=1e-15), 2.0, None)


def test_nielsen_raises_faster_each_time():
    damping = Damping(1.0, 2.0)
    for expected in (Damping(2.0, 4.0), Damping(8.0, 8.0), Damping(64.0, 16.0)):
        damping = NIELSEN.rejected(damping, math.nan, INVALID)
        assert damping == expected


@given(st.floats())
def test_no_gain_ratio_stops_nielsen(gain_ratio):
    """Where the predicted reduction is a rounding, the ratio can be anything, also NaN or beyond 1e103."""
    assert NIELSEN.accepted(Damping(1.0, 2.0), gain_ratio, SCALARS).value >= 1 / 3


def test_constant():
    damping = Constant(0.0).start(1e6, 1.0)
    assert damping == Damping(0.0)
    assert (
        Constant(0.0).accepted(damping, 1.0, SCALARS)
        is Constant(0.0).rejected(damping, -1, SCALARS)
        is damping
    )


def test_a_trust_region_starts_with_the_undamped_step():
    assert REGION.start(50.0, 3.0) == (0.0, 1.0, 300.0)
    assert REGION.start(50.0, 0.0).radius == 100.0


@pytest.mark.parametrize(
    ("gain_ratio", "used", "value", "radius"),
    [
        (0.75, 2.0, 1.0, 1.0),  # good: twice the step
        (0.74, 2.0, 2.0, 0.6),  # fair: the radius stays
        (0.74, 0.0, 0.0, 1.0),  # fair, but nothing held the step back
        (0.25, 2.0, 4.0, 0.25),  # poor: half the step
        (-1.0, 2.0, 2 * 2 * 11.5 / 7.5, 0.5 * 7.5 / (2 * 11.5)),  # uphill, by a user's acceptance
    ],
)
def test_a_trust_region_follows_the_gain_ratio(gain_ratio, used, value, radius):
    scalars = replace(SCALARS, damping=used)
    after = REGION.accepted(Damping(3.0, 1.0, 0.6), gain_ratio, scalars)
    assert after == (pytest.approx(value), 1.0, pytest.approx(radius))


@pytest.mark.parametrize(
    ("gain_ratio", "scalars", "share", "length"),
    [
        (0.1, SCALARS, 0.5, 0.5),  # downhill, but refused
        (-0.5, SCALARS, 7.5 / (2 * 9.5), 0.5),
        (-100.0, SCALARS, 0.1, 0.5),
        (-math.inf, SCALARS, 0.1, 0.5),
        (math.nan, SCALARS, 0.1, 0.5),
        (math.nan, INVALID, 0.1, 0.6),
        (-1.0, replace(SCALARS, scaled_step_norm=0.65), (8 - 0.845) / (2 * (12 - 0.845)), 0.6),
    ],
)
def test_a_trust_region_shrinks(gain_ratio, scalars, share, length):
    after = REGION.rejected(Damping(3.0, 1.0, 0.6), gain_ratio, scalars)
    guess = 2.0 if scalars.valid else 3.0
    assert after == (pytest.approx(guess / share), 1.0, pytest.approx(share * length))


@given(st.floats(), st.floats(0, 1e300), st.floats(), st.floats(0, 1e300))
def test_a_trust_region_always_shrinks_after_a_rejection(gain_ratio, used, predicted, length):
    scalars = StepScalars(True, predicted, length, 1.0, used, length)
    radius = REGION.rejected(Damping(3.0, 1.0, 0.6), gain_ratio, scalars).radius
    assert 0 < radius <= 0.3


@pytest.mark.parametrize(
    "algebra", [HostAlgebra("float64"), DeviceAlgebra("float64")], ids=["host", "device"]
)
def test_scalings(algebra):
    values = np.array([0.0, 1e-9, 2.0, 1e40])
    diagonal = algebra.adopt(tf.constant(values))
    for name, expected in (("identity", np.ones(4)), ("marquardt", [LEAST, LEAST, 2.0, MOST])):
        scaling, kept = SCALINGS[name].update(algebra, diagonal, None)
        np.testing.assert_array_equal(scaling, expected)
        assert kept is None
    more, kept = SCALINGS["more"], None
    for added, expected in (
        ([0, 0, 0, 0], [LEAST, LEAST, 2.0, MOST]),
        ([3, 0, -1, 0], [3.0, LEAST, 2.0, MOST]),
        ([1, 5, 1, -1e40], [3.0, 5.0, 3.0, MOST]),
    ):
        scaling, kept = more.update(algebra, algebra.adopt(tf.constant(values + added)), kept)
        np.testing.assert_allclose(scaling, expected, rtol=1e-9)
        assert kept is scaling
    np.testing.assert_array_equal(diagonal, values)


def test_acceptances():
    assert Decrease().accepts(2.0, 1.9, -5.0)
    assert not Decrease().accepts(2.0, 2.0, 1.0)
    assert GainRatio(0.25).accepts(2.0, 1.0, 0.26)
    for ratio in (0.25, -1.0, math.nan):
        assert not GainRatio(0.25).accepts(2.0, 1.0, ratio)
