"""The grammar of formulas: a whitelist over Python's own `ast`; nothing is ever evaluated here.

A formula has + - * / ** and parentheses, finite numbers, the constant `pi`, names of columns and parameters,
and calls of the functions in `FUNCTIONS`. Whatever else Python can write is refused with the character where
it starts.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import unicodedata
import warnings
from collections.abc import Collection, Iterator

from lmrun.config.suggest import did_you_mean

MAX_LENGTH = 5_000
MAX_DEPTH = 200
"""Nesting that a recursive reader of the tree can follow; a sum of n terms has depth n."""

CANONICAL = (
    *("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "abs", "sin", "cos", "tan", "erf"),
    *("arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
)
FUNCTIONS: dict[str, str] = {
    **{name: name for name in CANONICAL},
    **{name.replace("arc", "a", 1): name for name in CANONICAL if name.startswith("arc")},
}
"""Each spelling of a function and its canonical name."""

ARITY: dict[str, int] = {name: 2 if name == "arctan2" else 1 for name in FUNCTIONS.values()}
"""The number of arguments of each canonical name."""

CONSTANTS: dict[str, float] = {"pi": math.pi}
RESERVED: frozenset[str] = frozenset({*FUNCTIONS, *CONSTANTS})
"""Names that no column of a formula and no parameter may have."""

NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.UAdd, ast.USub)
CHARACTER_HINTS = {
    "^": "; use ** for powers",
    "²": "; use **2",
    "³": "; use **3",
    "×": "; use *",
    "·": "; use *",
    "−": "; use -",
    "÷": "; use /",
    "=": "; write the right-hand side only",
    "[": "; use round parentheses",
    "{": "; use round parentheses",
}
NODE_WORDS: dict[type[ast.AST], str] = {
    ast.Tuple: "a ',' is for a function's arguments only; the decimal point is '.'",
    ast.Starred: "a '*' without a left-hand side",
}


class ExpressionError(ValueError):
    """A formula that the grammar refuses; its text shows the formula with a caret below the character.

    Args:
        message: What is wrong.
        text: The formula.
        column: The character it concerns, 1-based.
    """

    def __init__(self, message: str, text: str, column: int) -> None:
        self.message = message
        self.text = text
        self.column = column
        # A combining or wide character takes no cell or two on a terminal; the caret has to stand below it.
        cells = sum(
            0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
            for c in text[: column - 1]
        )
        shown = "".join(" " if c.isspace() else c for c in text)
        super().__init__(f"at character {column}: {message}\n    {shown.rstrip()}\n    {' ' * cells}^")


def is_name(text: str) -> bool:
    """Whether a formula can use `text` as the name of a column or parameter."""
    return text.isidentifier() and not keyword.iskeyword(text) and text not in RESERVED


def parse_expression(text: str, names: Collection[str] | None = None) -> ast.Expression:
    """Parse and check a formula.

    Args:
        text: The formula.
        names: The columns and parameters that it may use; None allows any name.

    Returns:
        The tree: `Expression`, `BinOp` (Add, Sub, Mult, Div, Pow), `UnaryOp` (UAdd, USub), `Constant` (int,
        float), `Name`, and `Call` of a name in `FUNCTIONS` with the right number of plain arguments. Names
        are spelt as in `text` (Python's parser would normalize them to NFKC).

    Raises:
        ExpressionError: The text is not such a formula, or a name is unknown or that of a function.
    """
    for name in sorted(names or ()):
        if name in RESERVED:
            raise ExpressionError(
                f"the name '{name}' is that of {_kind(name)}; rename the column or parameter", text, 1
            )
    _check_characters(text)
    tree = _parse(text)
    _check_depth(tree, text)
    _check(tree.body, text, names)
    return tree


def refusal(text: str, names: Collection[str] | None = None) -> str | None:
    """Return why a formula is refused, see `parse_expression`, or None."""
    try:
        parse_expression(text, names)
    except ExpressionError as error:
        return str(error)
    return None


def names_in(expression: ast.Expression) -> tuple[str, ...]:
    """Return the columns and parameters of a checked formula, each once, in the order of their first use."""
    return tuple(dict.fromkeys(node.id for node in _names(expression.body)))


def _names(node: ast.AST) -> Iterator[ast.Name]:
    if isinstance(node, ast.Name):
        if node.id not in CONSTANTS:
            yield node
        return
    children = node.args if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))
    for child in children:
        yield from _names(child)


def _kind(name: str) -> str:
    return "a constant" if name in CONSTANTS else "a function"


def _check_characters(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH:,} characters", text[:60], 1)
    if not text.strip():
        raise ExpressionError("the formula is empty", text, 1)
    for index, character in enumerate(text):
        # A letter or digit may continue a name; `isidentifier` alone would refuse a leading digit.
        if not (f"a{character}".isidentifier() or character in "+-*/()., \t\r\n"):
            hint = CHARACTER_HINTS.get(character, "")
            raise ExpressionError(f"{character!r} is not allowed in a formula{hint}", text, index + 1)


def _parse(text: str) -> ast.Expression:
    # One line whatever the YAML style was; every character stays where it is, but for the indentation.
    line = "".join(" " if character.isspace() else character for character in text)
    indent = len(line) - len(line.lstrip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            tree = ast.parse(line.strip(), mode="eval")
    except SyntaxError as error:
        # Python reports the end of the text as 0 or as a character behind it.
        column = error.offset + indent if error.offset else len(text.rstrip()) + 1
        raise ExpressionError(_syntax_words(error.msg, text[column - 1 :]), text, column) from None
    except (RecursionError, MemoryError):
        raise ExpressionError("nested too deeply", text, 1) from None
    source = line.strip().encode()
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.keyword):
            end = node.end_col_offset or node.col_offset
            if isinstance(node, ast.Name):
                node.id = source[node.col_offset : end].decode()
            node.col_offset = len(source[: node.col_offset].decode()) + indent
            node.end_col_offset = len(source[:end].decode()) + indent
    return tree


def _syntax_words(message: str, rest: str) -> str:
    if "never closed" in message or "unmatched" in message:
        return message
    if "invalid decimal literal" in message or "leading zeros" in message:
        return "a number that cannot be read; a product needs its '*'"
    if "Exceeds the limit" in message:
        return "a number too large for a float"
    if "too many nested" in message:
        return "nested too deeply"
    if not rest.strip():
        return "the formula ends too early"
    return "not a formula here; is an operator missing, or one too many?"


def _check_depth(tree: ast.Expression, text: str) -> None:
    level: list[ast.AST] = [tree.body]
    for _ in range(MAX_DEPTH):
        level = [
            child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)
        ]
        if not level:
            return
    raise ExpressionError(f"nested deeper than {MAX_DEPTH} levels", text, _column(level[0]))


def _column(node: ast.AST) -> int:
    return int(getattr(node, "col_offset", 0)) + 1


def _check(node: ast.expr, text: str, names: Collection[str] | None) -> None:
    match node:
        case ast.Constant(value=value):
            _check_number(value, node, text)
        case ast.Name(id=name):
            _check_name(name, node, text, names)
        case ast.UnaryOp(op=op, operand=operand) if isinstance(op, OPERATORS):
            _check(operand, text, names)
        case ast.BinOp(left=left, op=op, right=right):
            _check(left, text, names)
            if not isinstance(op, OPERATORS):
                at = text.find("//", left.end_col_offset or 0, right.col_offset)
                words = "'//' is not allowed in a formula; use / to divide"
                raise ExpressionError(words, text, (at if at >= 0 else _column(node) - 1) + 1)
            _check(right, text, names)
        case ast.Call(func=func, args=args, keywords=keywords):
            if keywords:
                raise ExpressionError("arguments cannot be unpacked", text, _column(keywords[0]))
            _check_call(func, len(args), text)
            for argument in args:
                _check(argument, text, names)
        case ast.Attribute(value=value):
            end = value.end_col_offset or 0
            raise ExpressionError(
                "a '.' after a name is not allowed in a formula", text, text.index(".", end) + 1
            )
        case _:
            word = text[node.col_offset : node.end_col_offset]
            words = NODE_WORDS.get(type(node), f"'{word}' is not allowed in a formula")
            raise ExpressionError(words, text, _column(node))


def _check_number(value: object, node: ast.expr, text: str) -> None:
    word = text[node.col_offset : node.end_col_offset]
    if not isinstance(value, int | float) or not NUMBER.fullmatch(word):
        raise ExpressionError(f"'{word}' is not a decimal number", text, _column(node))
    if not math.isfinite(float(word)):
        raise ExpressionError("a number too large for a float", text, _column(node))


def _check_name(name: str, node: ast.expr, text: str, names: Collection[str] | None) -> None:
    if name in FUNCTIONS:
        raise ExpressionError(f"the function '{name}' needs an argument in parentheses", text, _column(node))
    if names is not None and name not in names and name not in CONSTANTS:
        raise ExpressionError(
            f"unknown name '{name}'.{did_you_mean(name, sorted(names))}", text, _column(node)
        )


def _check_call(func: ast.expr, arguments: int, text: str) -> None:
    if not isinstance(func, ast.Name):
        raise ExpressionError(
            "only functions can be called; a product needs its '*'", text, (func.end_col_offset or 0) + 1
        )
    name = func.id
    if name not in FUNCTIONS:
        hint = did_you_mean(name, FUNCTIONS)
        hint = hint if "Did you mean" in hint else f" A product needs its '*': {name}*(...)."
        raise ExpressionError(f"unknown function '{name}'.{hint}", text, _column(func))
    needed = ARITY[FUNCTIONS[name]]
    if arguments != needed:
        plural = "" if needed == 1 else "s"
        raise ExpressionError(
            f"'{name}' takes {needed} argument{plural}, not {arguments}", text, _column(func)
        )
