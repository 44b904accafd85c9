"""The parameter table: digits, columns that were asked for, and reasons once."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lmrun.cli.parameters import effective_lines, near_one, reason_lines, rounded, show_parameters

PLAIN = {
    "level": 0.95,
    "observations": 14,
    "degrees_of_freedom": 12,
    "residual_sum_of_squares": 0.12455138894,
    "residual_standard_deviation": 0.10187876330,
    "r_squared": 0.99998158,
    "adjusted_r_squared": 0.99998004,
    "aic": -20.379,
    "aicc": None,
    "bic": -18.46,
    "estimates": {
        "b1": {"value": 238.94212918, "standard_error": 2.7070075241, "interval": [233.044066, 244.840191]},
        "b2": {
            "value": 5.5015643181e-4,
            "standard_error": 7.2668688436e-06,
            "interval": [0.00053432328, 0.00056598957],
        },
        "c": {"value": 1.5, "standard_error": None, "interval": None, "reason": "it is fixed"},
        "d": {"value": 2.5, "standard_error": None, "interval": None, "reason": "it is fixed"},
    },
    "correlation": {
        "names": ["b1", "b2", "c", "d"],
        "matrix": [[1, -0.99878, None, None], [-0.99878, 1, None, None], [None] * 4, [None] * 4],
    },
    "reasons": {"aicc": "it needs more than 4 observations"},
}
MORE = {
    **PLAIN,
    "profile": {
        "level": 0.95,
        "intervals": {"b1": {"interval": [233.19, None], "reasons": [None, "there is none"]}},
    },
    "bootstrap": {
        "kind": "residual",
        "draws": 1000,
        "failed": 2,
        "seed": 10,
        "estimates": {
            "b1": {"standard_error": 2.7023, "percentile": [233.6, 244.3], "bca": None, "reason": "one side"}
        },
    },
}


def shown(fit, width=80):
    stream = io.StringIO()
    show_parameters(fit, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (238.94212918, 2.7070075241, "238.942"),
        (5.5015643181e-4, 7.2668688436e-06, "0.000550156"),
        (1.0, 0.001, "1.000000"),
        (-123456789.0, 2.5, "-123456789.000"),
        (123456.789, 98765.4, "123457"),
        (123456.789, 987654321.0, "123457"),
        (3.2e-12, 1.0e-14, "3.20000e-12"),
        (0.0, 0.1, "0"),
        (1 / 3, None, "0.333333333333"),
        (None, 1.0, "not finite"),
        (float("inf"), 1.0, "inf"),
    ],
)
def test_as_many_digits_as_are_meaningful(value, error, text):
    assert rounded(value, error) == text


@given(st.floats(1e-30, 1e30), st.floats(1e-9, 1e9))
def test_nothing_meaningful_is_rounded_away(value, relative):
    error = value * relative
    assert abs(float(rounded(value, error)) - value) <= 5.1e-4 * error


def test_shares():
    assert [near_one(value) for value in (0.5, 0.98, 0.9995, 0.99998158, 1.0, -0.2)] == [
        "0.5000", "0.9800", "0.99950", "0.999982", "1.000000000000", "-0.2000",
    ]  # fmt: skip


def test_the_table():
    text = shown(PLAIN)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "parameter value standard error 95 % interval" in lines
    assert "b1 238.942 2.707 233.044 … 244.840" in lines
    assert "b2 0.000550156 7.267e-06 0.000534323 … 0.000565990" in lines
    assert "c 1.5 — —" in lines
    assert "residual standard deviation 0.101879, 12 degrees of freedom" in lines
    assert "residual sum of squares 0.124551" in lines
    assert "R² 0.999982, adjusted 0.999980" in lines
    assert "AIC -20.379, BIC -18.460" in lines
    assert "c, d: it is fixed." in lines
    assert "AICc: it needs more than 4 observations." in lines
    assert "b2 -0.9988" in lines
    assert max(map(len, text.splitlines())) <= 80
    assert "profile" not in text


def test_what_was_asked_for():
    lines = [" ".join(line.split()) for line in shown(MORE).splitlines()]
    assert "b1 233.190 … none" in lines
    assert "b1's upper limit: there is none." in lines
    assert "b1 2.70 233.60 … 244.30 —" in lines
    assert "b1's bootstrap: one side." in lines
    assert "bootstrap: 1,000 draws by residual, 2 without a fit, seed 10" in lines


@pytest.mark.parametrize("fit", [None, {}, [], {"estimates": None}, {"estimates": {"a": 3}}, "?"])
def test_nothing_to_show(fit):
    assert shown(fit) == ""


def test_known_sigma():
    assert "sigma is known: chi² 0.124551, per degree of freedom 0.01038" in shown(
        {**PLAIN, "known_sigma": True}
    )


def test_a_reason_for_all_is_told_once():
    reason = "the loss is huber"
    nothing = {"value": 1.0, "standard_error": None, "interval": None, "reason": reason}
    fit = {"estimates": {"a": nothing, "b": nothing}, "reasons": {"covariance": reason}}
    assert list(reason_lines(fit)) == ["a, b: the loss is huber."]
    assert "covariance" not in shown(fit)


def test_remarks():
    fit = {**PLAIN, "remarks": {"b1": "its interval goes beyond", "bands": "the figure has none"}}
    assert list(reason_lines(fit))[-2:] == ["b1: its interval goes beyond.", "bands: the figure has none."]
    robust = {**PLAIN, "residual_standard_deviation": None, "residual_sum_of_squares": None}
    assert "12 degrees of freedom" in shown(robust)
    assert "sum of squares" not in shown(robust)


def test_networks():
    fit = {"effective_parameters": 42.13, "parameters": 1061, "reasons": {}}
    assert list(effective_lines({"fit": fit})) == [("effective", "42.1 of 1,061 parameters")]
    lost = {"effective_parameters": None, "parameters": 3, "reasons": {"effective_parameters": "why"}}
    assert list(effective_lines({"fit": lost})) == [("effective", "not known: why")]
    told = {**lost, "remarks": {"bands": "none"}}
    assert list(effective_lines({"fit": told}))[1:] == [("bands", "none")]
    assert shown(fit) == ""
    assert not [*effective_lines({"fit": PLAIN}), *effective_lines({"fit": None}), *effective_lines({})]


def test_bayesian_regularization_knows_better():
    own = {"effective_parameters": 9.87, "alpha": 0.123456, "beta": 12.0}
    fit = {"effective_parameters": 42.13, "parameters": 1061, "reasons": {}}
    assert list(effective_lines({"fit": fit, "regularization": own, "parameters": 1061})) == [
        ("effective", "9.9 of 1,061 parameters"),
        ("alpha, beta", "0.1235, 12"),
    ]
