"""Random texts for the parser of formulas and the reader of YAML: no crash, nothing run, bounded."""

from __future__ import annotations

import random
import string
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.fuzz_guard import Guard
from lmrun.config.document import parse
from lmrun.config.expression import FUNCTIONS, ExpressionError, parse_expression

SECONDS = 2.0
"""The longest that one text may take of the processor, whatever else the machine does,"""
BYTES = 256 * 2**20
"""and the most memory, as Python counts it."""

TOKENS = (
    *(
        "+",
        "-",
        "*",
        "/",
        "**",
        "(",
        ")",
        ",",
        ".",
        " ",
        "\n",
        "\t",
        "=",
        "==",
        ":=",
        "[",
        "]",
        "{",
        "}",
        ":",
    ),
    *("x", "a", "b1", "pi", "1", "0", "9", "1e400", "0x1f", "1_000", "1j", "007", "1.", ".5", "e", "E5"),
    *("lambda", "import", "__import__", "exec", "eval", "os", "system", "if", "else", "for", "in", "not"),
    *("'", '"', "'''", "f'", "b'", "`", "@", "#", "\\", "\0", "\x1b", "\u2028", "é", "ﬁ", "²", "−", "🙂"),
    *(
        "\ud800",
        "await",
        "yield",
        "None",
        "True",
        "...",
        "&",
        "|",
        "~",
        "^",
        "%",
        "//",
        "<",
        ">>",
        "!",
        "$",
        "?",
    ),
    *tuple(FUNCTIONS),
)
YAML_TOKENS = (
    *(
        "dataset",
        "model",
        "optimizer",
        "sinc",
        "mlp",
        "lm",
        "training",
        "max_steps",
        ": ",
        ":",
        "- ",
        ", ",
        "\n",
    ),
    *(
        "\n  ",
        "\n    ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "&b ",
        "*b",
        "<<: ",
        "? ",
        "| ",
        "|\n ",
        "> ",
        "--- ",
        "...",
    ),
    *(
        "!!python/object/apply:os.system ",
        "!!python/name:os.system ",
        "!include ",
        "!!binary ",
        "!!set ",
        "!!int ",
    ),
    *(
        "'",
        '"',
        "\\",
        "\\x41",
        "\\ud800",
        "# ",
        "%YAML 1.1\n",
        "%TAG ! tag:x,2000:\n",
        "\t",
        "\0",
        "\ufeff",
        "\x85",
    ),
    *(
        "1",
        "1e3",
        "0x1f",
        "0o17",
        "1_000",
        "1:30",
        ".inf",
        ".nan",
        "~",
        "yes",
        "null",
        "2001-01-01",
        "é",
        "🙂",
        "\ud800",
    ),
)


def nested(draw: random.Random) -> str:
    """Something deep: parentheses, signs, powers, calls."""
    depth = draw.choice([10, 150, 199, 201, 1000, 2400, 20_000, 200_000])
    opened, closed = draw.choice(
        [
            ("(", ")"),
            ("-", ""),
            ("exp(", ")"),
            ("x**", ""),
            ("x+", ""),
            ("[", "]"),
            ("(x,", ")"),
            ("1-(", ")"),
        ]
    )
    return opened * depth + "x" + closed * draw.choice([depth, depth - 1])


def large(draw: random.Random) -> str:
    """Something long: a number, a name, an operator, a text."""
    part = draw.choice(["9", "x", "*", " ", "\n", "1e", "é", "'", "\\", "exp", "9**"])
    return draw.choice(["", "x*", "("]) + part * draw.choice([100, 4_300, 5_000, 100_000])


def formula(draw: random.Random) -> str:
    """Tokens of any kind, mostly such that belong there."""
    return "".join(draw.choices(TOKENS, k=draw.randint(0, 30)))


def plain_formula(draw: random.Random, depth: int = 6) -> str:
    """A formula that is right."""
    if depth == 0 or draw.random() < 0.2:
        return draw.choice(["x", "a", "2", "0.5", "pi", "1e-3"])
    one, other = plain_formula(draw, depth - 1), plain_formula(draw, depth - 1)
    name = draw.choice(list(FUNCTIONS))
    call = f"{name}({one}, {other})" if name.endswith("2") and name.startswith("a") else f"{name}({one})"
    return draw.choice([f"({one} {draw.choice(['+', '-', '*', '/', '**'])} {other})", f"-({one})", call])


def mutated(text: str, draw: random.Random) -> str:
    """A text with a few characters changed."""
    characters = list(text)
    for _ in range(draw.randint(1, 4)):
        place = draw.randint(0, len(characters))
        match draw.randint(0, 2):
            case 0:
                characters[place:place] = draw.choice([*TOKENS, *YAML_TOKENS])
            case 1:
                del characters[place : place + draw.randint(1, 5)]
            case _:
                characters[place : place + 1] = draw.choice(string.printable)
    return "".join(characters)


def bomb(draw: random.Random) -> str:
    """Aliases of aliases, deep brackets, many keys, long scalars."""
    width, levels = draw.choice([2, 10, 100]), draw.choice([3, 9, 30])
    lists = ["a0: &a0 [x, x]"]
    lists += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    maps = ["a0: &a0 {k: x}"]
    maps += [
        f"a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' for i in range(width))}}}" for n in range(1, levels)
    ]
    depth = draw.choice([100, 1_000, 20_000])
    return draw.choice(
        [
            "\n".join(lists),
            "\n".join(maps),
            "a: &a [*a]",
            "a: &a {b: *a, c: [*a, *a]}",
            "[" * depth,
            "[" * depth + "]" * depth,
            "{a: " * depth + "1" + "}" * depth,
            "".join(f"{' ' * n}k:\n" for n in range(min(depth, 1_000))),
            "- " * depth + "x",
            "\n".join(f"k{n}: {n}" for n in range(depth)),
            "a: " + "9" * 100_000,
            "a: 1e" + "9" * 1_000,
            "a: '" + "x" * 1_000_000 + "'",
            "a: [" + "1, " * draw.choice([1_000, 80_000]) + "1]",
            "- {a: 1}\n" * draw.choice([1_000, 30_000]),
            "? " * depth + "x",
            "&a " * depth,
            "a: !!python/object/apply:os.system ['exit']",
        ]
    )


def yaml_text(draw: random.Random) -> str:
    """Tokens of YAML."""
    return "".join(draw.choices(YAML_TOKENS, k=draw.randint(0, 40)))


def read_formula(text: str) -> bool:
    """Whether the parser takes a text; what it refuses, it shows with a caret."""
    try:
        parse_expression(text, draw_names(text))
    except ExpressionError as error:
        if not 1 <= error.column <= len(text) + 1:
            raise AssertionError(f"column {error.column} of {len(text)} characters") from error
        return False
    return True


def draw_names(text: str) -> set[str] | None:
    """Names for some texts, any name for the others."""
    return {"x", "a", "b1"} if len(text) % 2 else None


def read_yaml(text: str) -> bool:
    """Whether the reader takes a text; what it refuses, it places."""
    document = parse(text, "f.yaml")
    for finding in document.findings:
        if not str(finding).startswith("f.yaml:") or finding.place.line < 1:
            raise AssertionError(f"a finding without a place: {finding}")
    if document.data is None and not document.findings:
        raise AssertionError("nothing was read, and nothing was said")
    return document.data is not None and not document.findings


@dataclass
class Seen:
    """What became of the texts of one kind.

    Attributes:
        texts: How many there were.
        taken: How many of them were read.
        kinds: How many of each maker.
        slowest: Seconds of the slowest.
        largest: Bytes of the one with most memory.
        failures: Text and reason of crashes and broken bounds.
    """

    texts: int = 0
    taken: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    largest: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.__dict__, "kinds": dict(self.kinds)}


Maker = Callable[[random.Random], str]
VALID_YAML = "dataset: {name: sinc, points: 10}\nmodel: {name: mlp, hidden: [3]}\noptimizer: lm\n"
FORMULAS: dict[str, Maker] = {
    "tokens": formula,
    "right": plain_formula,
    "right, then changed": lambda draw: mutated(plain_formula(draw), draw),
    "deep": nested,
    "long": large,
}
YAMLS: dict[str, Maker] = {
    "tokens": yaml_text,
    "right, then changed": lambda draw: mutated(VALID_YAML, draw),
    "bombs": bomb,
}
WARM_UP = {"formulas": ("a*x", "a*", "a b"), "YAML": (VALID_YAML, "a: [", "a: &a [*a]", "a: !!x 1")}
PARSERS: dict[str, tuple[dict[str, Maker], Callable[[str], bool]]] = {
    "formulas": (FORMULAS, read_formula),
    "YAML": (YAMLS, read_yaml),
}


def fuzz(parser: str, seconds: float, seed: int, most: int | None = None) -> Seen:
    """Feed a parser until the time is over.

    Args:
        parser: See `PARSERS`.
        seconds: So long,
        seed: with these texts,
        most: and at most so many.
    """
    makers, plain = PARSERS[parser]
    # What is imported with the first text is not done by it.
    for text in WARM_UP[parser]:
        plain(text)
    guard = Guard()
    read = partial(guard.read, plain)
    draw, seen, end = random.Random(seed), Seen(), time.monotonic() + seconds
    while time.monotonic() < end and (most is None or seen.texts < most):
        # Deep and long texts take a thousand times as long: they are fewer.
        name = draw.choices(
            list(makers), [1 if kind in {"deep", "long", "bombs"} else 20 for kind in makers]
        )[0]
        _one(makers[name](draw), read, seen, heavy=name in {"deep", "long", "bombs"})
        seen.kinds[name] += 1
    return seen


def _one(text: str, read: Callable[[str], bool], seen: Seen, *, heavy: bool) -> None:
    seen.texts += 1
    start = time.process_time()
    try:
        seen.taken += read(text)
        took = time.process_time() - start
        peak = _memory(text, read) if heavy else 0
    except Exception:  # noqa: BLE001 - whatever it is, it is a find
        seen.failures.append({"text": text[:2_000], "reason": traceback.format_exc()})
        return
    seen.slowest, seen.largest = max(seen.slowest, took), max(seen.largest, peak)
    if took > SECONDS or peak > BYTES:
        seen.failures.append({"text": text[:2_000], "reason": f"{took:.1f} s, {peak:,} bytes"})


def _memory(text: str, read: Callable[[str], bool]) -> int:
    """Bytes of a second reading: to count them takes three times as long."""
    tracemalloc.start()
    try:
        read(text)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
