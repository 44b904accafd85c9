"""Names in the order in which they can be computed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.config.order import CircularError, in_order

NAMES = "abcdef"


def test_a_long_chain():
    """Longer than Python's stack is deep, from either end."""
    chain = {f"b{i}": [f"b{i + 1}"] for i in range(5000)}
    assert in_order(chain) == [f"b{i}" for i in reversed(range(5000))]
    assert in_order(dict(reversed(chain.items()))) == [f"b{i}" for i in reversed(range(5000))]


def test_a_long_circle():
    circle = {f"b{i}": [f"b{(i + 1) % 5000}"] for i in range(5000)}
    with pytest.raises(CircularError) as caught:
        in_order(circle)
    assert caught.value.way == (*circle, "b0")


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4)))
def test_every_name_stands_behind_what_it_reads(reads):
    try:
        order = in_order(reads)
    except CircularError as circle:
        way = circle.way
        assert way[0] == way[-1]
        assert all(other in reads[one] for one, other in pairwise(way))
        return
    assert sorted(order) == sorted(reads)
    places = {name: place for place, name in enumerate(order)}
    assert all(
        places[other] < places[name] for name, others in reads.items() for other in others if other in reads
    )
