"""YAML 1.2 scalars, positions, and hostile files."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.config.document import MAX_NODES, parse, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3), ("1E5", 1e5), (".5", 0.5), ("1.", 1.0), ("-2.5e+3", -2500.0), ("+.5e1", 5.0),
        ("010", 10), ("0o17", 15), ("0x1F", 31), ("-7", -7), ("+7", 7), ("0", 0),
        ("1:30", "1:30"), ("2020-01-01", "2020-01-01"), ("1_000", "1_000"), ("0b1", "0b1"), ("-0x1", "-0x1"),
        ("no", "no"), ("on", "on"), ("y", "y"), ("Yes", "Yes"), ("off", "off"), ("=", "="),
        ("true", True), ("False", False), ("TRUE", True), ("tRUE", "tRUE"),
        ("null", None), ("~", None), ("", None), ("nil", "nil"),
        (".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf), ("inf", "inf"), ("nan", "nan"),
        (".", "."), ("e5", "e5"), ("1e", "1e"), ("--1", "--1"), ("1,5", "1,5"), ("١", "١"),
    ],
)  # fmt: skip
def test_scalar(text, value):
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_nan():
    assert math.isnan(scalar(".nan"))


@given(st.floats(allow_nan=False))
def test_every_float_is_read_back(value):
    text = repr(value).replace("inf", ".inf")
    assert scalar(text) == value
    assert isinstance(scalar(text), float)


def test_more_digits_than_python_reads():
    assert scalar("9" * 5000) == math.inf
    assert scalar("9" * 4000) == 10**4000 - 1


def test_positions_of_keys_and_values():
    document = parse("a: 1\nb:\n  c: [x, {d: 2}]\n", "f.yaml")
    assert document.findings == []
    assert document.data == {"a": 1, "b": {"c": ["x", {"d": 2}]}}
    labels = {path: place.label for path, place in document.values.items()}
    assert labels[("b", "c", 1, "d")] == "f.yaml:3:14"
    assert labels[("b", "c", 0)] == "f.yaml:3:7"
    assert document.keys[("b", "c", 1, "d")].label == "f.yaml:3:11"


def test_anchors_are_copied_and_point_at_the_anchor():
    document = parse("a: &x [1, 2]\nb: *x\n", "f")
    assert document.data == {"a": [1, 2], "b": [1, 2]}
    assert document.data["a"] is not document.data["b"]
    assert document.values[("b", 1)].label == "f:1:11"


def test_quoted_scalars_stay_text():
    assert parse("a: '1'\nb: \"null\"\nc: |\n  2\n", "f").data == {"a": "1", "b": "null", "c": "2\n"}


def test_billion_laughs():
    text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    text += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    document = parse(text, "f")
    assert [finding.message for finding in document.findings] == [f"more than {MAX_NODES:,} values"]


def test_deep_nesting():
    brackets = str(parse("a: " + "[" * 5000, "f").findings[0])
    assert brackets == "f:1:104: not valid YAML: brackets nested deeper than 100"
    assert str(parse("- " * 5000, "f").findings[0]) == "f:1:1: nested too deeply"
    assert parse("a: " + "[" * 100 + "]" * 100, "f").data


def test_a_file_that_holds_data():
    (finding,) = parse("a: [" + "1, " * 100_000 + "1]", "f").findings
    assert str(finding).startswith("f:1:1: more than 262,144 characters")
    (finding,) = parse("a: [" + "1, " * 30_000 + "1]", "f").findings
    assert str(finding) == "f:1:59996: not valid YAML: more than 20,000 values"


def test_half_a_surrogate():
    assert [finding.message for finding in parse('a: "\\ud800"', "f").findings] == [
        "half of a surrogate pair, which is no character"
    ]


@given(st.text(alphabet=st.sampled_from("ab:-[]{},&*!|>'\"%@`#?\n\t 01.e~\x00é"), max_size=60))
def test_any_text_gives_data_or_findings(text):
    document = parse(text, "f")
    assert isinstance(document.data, dict) or document.findings
