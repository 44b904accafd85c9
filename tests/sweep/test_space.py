"""The points of a sweep, and what is drawn."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.config.document import parse
from lmrun.config.sweep import DrawConfig, SweepConfig
from lmrun.sweep.space import draw, flow, points


def choices(**settings: object) -> list[dict[str, object]]:
    config = SweepConfig.model_validate({"base": "sinc", **settings})
    return [{choice.key: choice.value for choice in chosen} for chosen in points(config)]


def test_the_grid_comes_in_the_order_of_nested_loops() -> None:
    assert choices(grid={"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]
    assert choices() == [{}]


def test_every_point_of_a_grid_takes_the_same_draws() -> None:
    keys = {"x": {"uniform": [0.0, 1.0]}}
    drawn = [one["x"] for one in choices(grid={"a": [1, 2]}, random={"samples": 3, "keys": keys})]
    assert drawn[:3] == drawn[3:]
    assert len(set(drawn)) == 3


def test_a_draw_depends_on_its_own_key_and_number_alone() -> None:
    keys = {"x": {"uniform": [0.0, 1.0]}, "n": {"integer": [1, 9]}}
    few = choices(random={"samples": 2, "keys": keys})
    more = choices(random={"samples": 4, "keys": {"c": {"choice": ["p", "q"]}, **keys}})
    assert [{key: one[key] for key in keys} for one in more[:2]] == few
    assert choices(random={"samples": 2, "seed": 11, "keys": keys}) != few


def test_what_is_drawn_stays_the_same_for_ever() -> None:
    """A continued sweep draws again; other numbers would be another sweep."""
    drawn = [draw(10, sample, "x", DrawConfig(log_uniform=(1e-6, 1.0))) for sample in range(2)]
    assert drawn == pytest.approx([0.7907662383103561, 0.1776187912488925], rel=1e-12)


@given(
    low=st.floats(1e-300, 1e300),
    factor=st.floats(1.5, 1e6),
    sample=st.integers(0, 1000),
)
def test_draws_lie_between_their_ends(low: float, factor: float, sample: int) -> None:
    high = low * factor
    for kind in ("uniform", "log_uniform"):
        if math.isfinite(high):
            assert low <= draw(1, sample, "x", DrawConfig.model_validate({kind: [low, high]})) <= high
    assert draw(1, sample, "x", DrawConfig(integer=(3, 5))) in {3, 4, 5}
    assert draw(1, sample, "x", DrawConfig(choice=("a", "b"))) in {"a", "b"}


def test_both_ends_of_whole_numbers_are_drawn() -> None:
    assert {draw(1, sample, "x", DrawConfig(integer=(3, 5))) for sample in range(60)} == {3, 4, 5}


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.text(min_size=1, max_size=5), inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


@given(value=plain)
def test_a_choice_in_one_line_reads_back_as_it_was(value: object) -> None:
    document = parse(f"key: {flow(value)}", "s.yaml")
    assert document.data == {"key": value}
    assert not document.findings
