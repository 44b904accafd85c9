"""The grammar of formulas: what it takes, and that it takes nothing else."""

import ast
import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.config.expression import (
    ARITY,
    FUNCTIONS,
    MAX_LENGTH,
    RESERVED,
    ExpressionError,
    is_name,
    names_in,
    parse_expression,
)

NAMES = ("b1", "b2", "x", "größe")


def formulas():
    number = st.one_of(
        st.integers(0, 10**6).map(str), st.floats(0, 1e300, allow_nan=False, allow_infinity=False).map(repr)
    )
    leaf = number | st.sampled_from([*NAMES, "pi"])

    def grow(inner):
        unary = st.tuples(st.sampled_from(["-", "+", "(", " "]), inner).map(
            lambda t: f"({t[1]})" if t[0] == "(" else f"{t[0]}({t[1]})"
        )
        binary = st.tuples(inner, st.sampled_from(["+", "-", " * ", "/", "**"]), inner).map("".join)
        one = st.sampled_from([name for name in FUNCTIONS if ARITY[FUNCTIONS[name]] == 1])
        call = st.tuples(one, inner).map(lambda t: f"{t[0]}({t[1]})")
        two = st.tuples(inner, inner).map(lambda t: f"atan2({t[0]}, {t[1]})")
        return unary | binary | call | two

    return st.recursive(leaf, grow, max_leaves=20)


@given(formulas())
def test_valid_formulas(text):
    tree = parse_expression(text, NAMES)
    assert set(names_in(tree)) <= set(NAMES)
    assert ast.dump(tree) == ast.dump(ast.parse(text.strip(), mode="eval"))


@given(st.text(st.sampled_from("xab1.+-*/()[]{}, _'\"=<>:;@&|^~!%\\\n\tläµ²if"), max_size=30))
def test_any_text_is_refused_or_harmless(text):
    allowed = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, ast.Name, ast.Call)
    signs = (ast.operator, ast.unaryop, ast.expr_context)
    try:
        tree = parse_expression(text)
    except ExpressionError as error:
        assert 1 <= error.column <= len(text) + 1  # noqa: PT017
        return
    for node in ast.walk(tree):
        assert isinstance(node, (*allowed, *signs))
        assert not isinstance(node, ast.Call) or (node.func.id in FUNCTIONS and not node.keywords)
        assert not isinstance(node, ast.Constant) or type(node.value) in {int, float}


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "the formula is empty"),
        ("  ", 1, "the formula is empty"),
        ("x^2", 2, "'^' is not allowed in a formula; use ** for powers"),
        ("x²", 2, "'²' is not allowed in a formula; use **2"),
        ("2×x", 2, "'×' is not allowed in a formula; use *"),
        ("2x", 1, "a number that cannot be read; a product needs its '*'"),
        ("2(x)", 2, "only functions can be called; a product needs its '*'"),
        ("b1(x)", 1, "unknown function 'b1'. A product needs its '*': b1*(...)."),
        ("x + sine(x)", 5, "unknown function 'sine'. Did you mean 'sin'?"),
        ("x + exp", 5, "the function 'exp' needs an argument in parentheses"),
        ("sin(x, x)", 1, "'sin' takes 1 argument, not 2"),
        ("sin()", 1, "'sin' takes 1 argument, not 0"),
        ("atan2(x)", 1, "'atan2' takes 2 arguments, not 1"),
        ("sin(*x)", 5, "a '*' without a left-hand side"),
        ("sin(**x)", 5, "arguments cannot be unpacked"),
        ("sin(x=1)", 6, "'=' is not allowed in a formula; write the right-hand side only"),
        ("y = x", 3, "'=' is not allowed in a formula; write the right-hand side only"),
        ("x.real", 2, "a '.' after a name is not allowed in a formula"),
        ("x .real", 3, "a '.' after a name is not allowed in a formula"),
        ("x[0]", 2, "'[' is not allowed in a formula; use round parentheses"),
        ("x // 2", 3, "'//' is not allowed in a formula; use / to divide"),
        ("x, 1", 1, "a ',' is for a function's arguments only; the decimal point is '.'"),
        ("1,5*x", 1, "a ',' is for a function's arguments only; the decimal point is '.'"),
        ("x if x else 1", 1, "'x if x else 1' is not allowed in a formula"),
        ("x and x", 1, "'x and x' is not allowed in a formula"),
        ("x + (not x)", 6, "'not x' is not allowed in a formula"),
        ("x in x", 1, "'x in x' is not allowed in a formula"),
        ("x < 1", 3, "'<' is not allowed in a formula"),
        ("x + True", 5, "'True' is not a decimal number"),
        ("1j*x", 1, "'1j' is not a decimal number"),
        ("0x10", 1, "'0x10' is not a decimal number"),
        ("1_000", 1, "'1_000' is not a decimal number"),
        ("...", 1, "'...' is not a decimal number"),
        ("x + 1e999", 5, "a number too large for a float"),
        ("x + " + "9" * 400, 5, "a number too large for a float"),
        ("(x", 1, "'(' was never closed"),
        ("x)", 2, "unmatched ')'"),
        ("x +", 4, "the formula ends too early"),
        ("x x", 3, "not a formula here; is an operator missing, or one too many?"),
        ("x # y", 3, "'#' is not allowed in a formula"),
        ("x\\\n+1", 2, "'\\\\' is not allowed in a formula"),
        ("größe*y", 7, "unknown name 'y'. Known: b1, b2, größe, x."),
        ("größe + größ", 9, "unknown name 'größ'. Did you mean 'größe'?"),
        ("  x +\n  y", 9, "unknown name 'y'. Known: b1, b2, größe, x."),
    ],
)  # fmt: skip
def test_errors_point_at_the_character(text, column, message):
    with pytest.raises(ExpressionError) as error:
        parse_expression(text, NAMES)
    assert (error.value.column, error.value.message) == (column, message)
    first, shown, caret = str(error.value).split("\n")
    assert first == f"at character {column}: {message}"
    assert shown.rstrip() == f"    {''.join(' ' if c.isspace() else c for c in text)}".rstrip()
    assert caret == " " * (3 + column) + "^"


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('ls')", "().__class__.__bases__[0].__subclasses__()", "lambda: 1",
        "[x for x in y]", "{**x}", "f'{x}'", "'a'*9", "x if 1 else y", "(x := 1)", "await x", "yield x",
        "x; y", "import os", "x\ny", "exec(x)", "eval(x)", "open(x)", "x.__dict__", "sin.__call__(1)",
        "(lambda x: x)(1)", "abs(x)(1)", "print(x)", "x!", "$x", "@x", "x == 1", "x << 1", "x & 1", "x | 1",
        "~x", "x % 2", "not x", "None", "...", "b'x'", "*x", "sin(x for x in y)", "𝐬𝐢𝐧(x)", "ｅｖａｌ(x)",
        "x\x00", "x\u2028", "x\u200b",
    ],
)  # fmt: skip
def test_attacks_and_python_are_refused(text):
    with pytest.raises(ExpressionError):
        parse_expression(text)


@pytest.mark.parametrize(
    "text",
    ["-" * 4000 + "x", "(" * 2000 + "x" + ")" * 2000, "+".join("x" * 300), "sin(" * 150 + "x" + ")" * 150],
)
def test_deep_nesting_is_refused_without_a_crash(text):
    if text.startswith("sin"):
        assert names_in(parse_expression(text)) == ("x",)
        return
    with pytest.raises(ExpressionError, match="nested"):
        parse_expression(text)


def test_long_text_is_refused():
    with pytest.raises(ExpressionError, match="longer than 5,000 characters"):
        parse_expression("x" * (MAX_LENGTH + 1))


def test_names_in_order_of_first_use_and_as_written():
    micro = "\N{MICRO SIGN}"  # Python's parser would turn it into a Greek mu
    assert unicodedata.normalize("NFKC", micro) != micro
    assert names_in(parse_expression(f"exp(b)*pi + {micro} - a*b + sin({micro})")) == ("b", micro, "a")


def test_caret_below_wide_characters():
    with pytest.raises(ExpressionError) as error:
        parse_expression("漢*y", {"漢"})
    assert str(error.value).split("\n")[2] == "       ^"


def test_names_must_not_be_those_of_functions():
    with pytest.raises(ExpressionError, match="the name 'exp' is that of a function"):
        parse_expression("x", {"x", "exp"})
    assert not any(is_name(name) for name in [*RESERVED, "1a", "a b", "", "if", "a.b"])
    assert is_name("b1")


def test_aliases():
    assert FUNCTIONS["asin"] == FUNCTIONS["arcsin"] == "arcsin"
    assert FUNCTIONS["atan2"] == "arctan2"
    assert FUNCTIONS["abs"] == "abs"
    for name, arity in ARITY.items():
        assert arity == (2 if name == "arctan2" else 1)
        assert name == "erf" or hasattr(math, name.replace("arc", "a")) or name in {"abs"}
