"""The rules by which a sweep ends runs early."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.config.sweep import HalvingConfig, MedianConfig
from lmrun.sweep.stopping import NEVER, Course, below_median, checks, course, halving

HALVING = HalvingConfig(name="halving", first=10, factor=3)
MEDIAN = MedianConfig(name="median", first=10)
NAN = math.nan


def row(step: int, loss: float, validation: float = NAN) -> dict[str, float]:
    return {
        "step": step,
        "epoch": step // 2,
        "seconds": step / 10,
        "loss": loss,
        "validation_loss": validation,
    }


def flat(*losses: float) -> list[Course]:
    return [Course(loss, loss) for loss in losses]


def test_a_course_ends_at_its_point() -> None:
    rows = [row(0, 4.0), row(1, 2.0), row(2, 3.0), row(3, 1.0)]
    assert course(rows, "steps", 2) == Course(2.0, 3.0)
    assert course(rows, "seconds", 0.1) == Course(2.0, 3.0)
    assert course(rows, "epochs", 0) == Course(2.0, 3.0)
    assert course(rows, "steps", 99) == Course(1.0, 2.5)


def test_validation_decides_where_there_is_any() -> None:
    rows = [row(0, 4.0, 5.0), row(1, 2.0), row(2, 1.0, 7.0)]
    assert course(rows, "steps", 2) == Course(5.0, 6.0)


def test_what_is_not_finite_is_worse_than_anything() -> None:
    assert course([row(0, 4.0), row(1, NAN), row(2, math.inf)], "steps", 2) == Course(4.0, math.inf)
    assert course([row(0, NAN)], "steps", 2) == NEVER
    assert course([], "steps", 2) == NEVER


def test_halving_keeps_the_best_third() -> None:
    courses = {point: flat(float(10 - point)) for point in range(1, 10)}
    assert halving(HALVING, courses, list(courses)) == [7, 8, 9]
    assert halving(HALVING, courses, [7, 8, 9]) == [9]
    assert halving(HALVING, courses, [8, 9]) == [9]


def test_settings_are_judged_by_the_median_of_their_seeds() -> None:
    courses = {1: flat(0.1, 9.0, 9.0), 2: flat(2.0, 2.0, 2.0), 3: [*flat(1.0, 1.0), NEVER]}
    assert halving(HALVING, courses, [1, 2, 3]) == [3]


def test_of_equals_the_first_goes_on() -> None:
    assert halving(HALVING, {2: flat(1.0), 5: flat(1.0), 9: flat(1.0)}, [2, 5, 9]) == [2]


def test_halving_judges_until_one_is_left() -> None:
    assert checks(HALVING, 27) == [10, 30, 90]
    assert checks(HALVING, 64) == [10, 30, 90, 270]
    assert checks(HALVING, 1) == checks(None, 64) == []


def test_the_median_rule_ends_what_never_was_as_good_as_the_average() -> None:
    courses = {
        1: [Course(1.0, 3.0)],
        2: [Course(2.0, 4.0)],
        3: [Course(4.5, 6.0)],
        4: [NEVER],
    }
    # The means are 3, 4, 6 and infinite, their median 5.
    assert below_median(MEDIAN, courses, [1, 2, 3, 4]) == [1, 2, 3]
    assert below_median(MEDIAN, courses, [1, 2, 3]) == [1, 2]
    assert below_median(MEDIAN, {1: [NEVER], 2: [NEVER]}, [1, 2]) == []


@given(
    losses=st.lists(st.floats(0, 1e6), min_size=1, max_size=40),
    factor=st.integers(2, 5),
)
def test_halving_never_ends_the_best(losses: list[float], factor: int) -> None:
    courses = {point: flat(loss) for point, loss in enumerate(losses)}
    rule = HalvingConfig(name="halving", first=1, factor=factor)
    kept = list(courses)
    for _ in checks(rule, len(kept)):
        kept = halving(rule, courses, kept)
    assert len(kept) == 1
    assert losses[kept[0]] == min(losses)


@pytest.mark.parametrize("point", [0, 1, 2])
def test_the_median_rule_keeps_the_best(point: int) -> None:
    courses = {place: [Course(1.0 if place == point else 2.0, 3.0)] for place in range(3)}
    assert point in below_median(MEDIAN, courses, [0, 1, 2])
