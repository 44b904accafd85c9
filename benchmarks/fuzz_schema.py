"""Configs drawn from lmrun's own JSON Schema, whole ones and slightly broken ones (hypothesis strategies)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from lmrun.config.json_schema import json_schema

Node = Mapping[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

SMALL = 12
"""Most of an integer that decides on a size; `HUGE` now and then."""
HUGE = 10**13
RARELY = 0.12
"""How often a key is drawn that could be left out."""
COLUMNS = ("x1", "x2", "y", "kind", "text", "hole", "absent")
"""Of the table that configs may name: numbers, numbers, numbers, 0 to 2, words, numbers with gaps; none."""
NAMES = ("a", "b", "x", "y", "x1", "x2", "pi", "exp", "target", "lambda", "é", "")
EXPRESSIONS = (
    *(
        "a*x + b",
        "a*x1 + b*x2",
        "a*exp(-b*x)",
        "a/(b - x)",
        "log(a*x)",
        "sqrt(x - b)",
        "(a - x)**2 + b*(y - x**2)**2",
    ),
    *(
        "a + b",
        "a**b*x",
        "arctan2(a*x, b)",
        "a*x +",
        "a*c*x",
        "import os",
        "a^2",
        "9**9**9**9*a*x + b",
        "a b",
        "",
    ),
    *("a/0*x", "erf(a*x)*b", "a*(x", "x", "1e400*a*x", "a.real*x"),
)
USER_CODE = (
    "nowhere.py:thing",
    "no_such_module:thing",
    "math:sqrt",
    "math:absent",
    "os:system",
    "json:loads",
)
STRINGS: dict[str, Sequence[str]] = {
    "expression": EXPRESSIONS,
    "path": ("table.csv", "broken.csv", "absent.csv", "folder", "", "table.parquet"),
    "device": ("auto", "cpu", "gpu", "gpu:1"),
}
"""What is drawn for text under a key."""
COLUMN_KEYS = {"inputs", "targets", "column", "sample_weight", "sigma", "stratify"}
ROLES: dict[str, Sequence[Sequence[str]]] = {
    "inputs": (("x1",), ("x1", "x2"), ("x1", "hole")),
    "targets": (("y",), ("y",), ("kind",), ("y", "kind")),
}
"""Lists of columns that go together."""
SHARES = {"level", "validation", "test", "fraction"}
"""Numbers between 0 and 1, which the schema does not always tell."""
NUMBERS = (0.0, 1.0, 1e-3, 0.5, 1e-12, 1e3, 1e-300, 1e300, 2.0, 0.1, 10.0)


class Schema:
    """Strategies for the parts of a JSON Schema."""

    def __init__(self) -> None:
        self.root = json_schema()
        self.definitions: Mapping[str, Node] = self.root["$defs"]

    def draw(self, draw: Draw, node: Node, key: str = "") -> Any:
        """Draw a value that a node allows, as far as the schema tells.

        Args:
            draw: Of a composite strategy.
            node: A JSON Schema.
            key: Under which the value stands.
        """
        if "$ref" in node:
            return self.draw(draw, self.definitions[node["$ref"].rsplit("/", 1)[1]], key)
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return draw(st.sampled_from(node["enum"]))
        options = node.get("anyOf") or node.get("oneOf")
        if options:
            return self.draw(draw, self._option(draw, options), key)
        return KINDS[node.get("type", "any")](self, draw, node, key)

    def _option(self, draw: Draw, options: Sequence[Node]) -> Node:
        """Choose one; a word stands mostly for such sections only as need no more than their name."""
        chosen: Node = draw(st.sampled_from(options))
        sections = [one for option in options for one in option.get("oneOf", []) if "$ref" in one]
        if "enum" not in chosen or not sections or draw(st.integers(0, 9)) == 0:
            return chosen
        complete = [
            word
            for section in sections
            for part in [self.definitions[section["$ref"].rsplit("/", 1)[1]]]
            if len(part.get("required", [])) <= 1
            for tag in [part["properties"].get("name", {})]
            for word in tag.get("enum", [tag.get("const")])
        ]
        known = [word for word in chosen["enum"] if word in complete]
        return {"enum": known or chosen["enum"]}

    def config(self, draw: Draw) -> dict[str, Any]:
        """Draw a whole config; steps are few, so that it can be trained."""
        data: dict[str, Any] = self.draw(draw, self.root)
        data.pop("alternatives", None)
        training = data.get("training")
        data["training"] = {
            **(training if isinstance(training, dict) else {}),
            "max_steps": draw(st.integers(1, 2)),
        }
        return data


def _object(schema: Schema, draw: Draw, node: Node, key: str) -> dict[str, Any]:
    required, found = node.get("required", []), {}
    for name, part in node.get("properties", {}).items():
        if name in required or draw(st.floats(0, 1)) < RARELY:
            found[name] = schema.draw(draw, part, name)
    if node.get("properties") and not found:
        name = draw(st.sampled_from(sorted(node["properties"])))
        found[name] = schema.draw(draw, node["properties"][name], name)
    more = node.get("additionalProperties")
    if isinstance(more, dict):
        names = NAMES if draw(st.integers(0, 7)) == 0 else NAMES[:2]
        least = draw(st.sampled_from([2, 2, 2, 1, 0]))
        for name in draw(st.lists(st.sampled_from(names), min_size=least, max_size=3, unique=True)):
            found[name] = schema.draw(draw, more, name)
    return found


def _array(schema: Schema, draw: Draw, node: Node, key: str) -> list[Any]:
    if "prefixItems" in node:
        return [schema.draw(draw, item, key) for item in node["prefixItems"]]
    if key in ROLES and draw(st.integers(0, 5)):
        return list(draw(st.sampled_from(ROLES[key])))
    least = node.get("minItems", draw(st.sampled_from([1, 1, 1, 0])))
    count = draw(st.integers(least, min(node.get("maxItems", least + 3), least + 3)))
    return [schema.draw(draw, node.get("items", {}), key) for _ in range(count)]


def _integer(schema: Schema, draw: Draw, node: Node, key: str) -> int:
    least = node.get("minimum", node.get("exclusiveMinimum", -3) + 1)
    most = min(node.get("maximum", math.inf), node.get("exclusiveMaximum", math.inf) - 1)
    if most > HUGE and draw(st.integers(0, 60)) == 0:
        return HUGE
    return draw(st.integers(least, int(min(most, least + SMALL))))


def _number(schema: Schema, draw: Draw, node: Node, key: str) -> float:
    if key in SHARES:
        return draw(st.sampled_from([0.5, 0.1, 0.95, 1.0]))
    least = node.get("minimum", node.get("exclusiveMinimum", -math.inf))
    most = node.get("maximum", node.get("exclusiveMaximum", math.inf))
    inside = [number for number in NUMBERS if least <= number <= most]
    inside = [
        number
        for number in inside
        if number not in (node.get("exclusiveMinimum"), node.get("exclusiveMaximum"))
    ]
    return draw(st.sampled_from(inside or [0.5 * (least + most)]))


def _string(schema: Schema, draw: Draw, node: Node, key: str) -> str:
    if key in COLUMN_KEYS:
        return draw(st.sampled_from(COLUMNS))
    if key in STRINGS:
        # The first ones are right.
        return draw(st.sampled_from(STRINGS[key][: draw(st.sampled_from([1, 7, 100]))]))
    if ":" in node.get("pattern", ""):
        return draw(st.sampled_from(USER_CODE))
    return draw(st.sampled_from([*NAMES, *EXPRESSIONS]))


def _any(schema: Schema, draw: Draw, node: Node, key: str) -> Any:
    return draw(st.sampled_from([1, 0.5, "word", None, True, [1, 2], {"a": 1}]))


KINDS: dict[str, Callable[[Schema, Draw, Node, str], Any]] = {
    "object": _object,
    "array": _array,
    "integer": _integer,
    "number": _number,
    "string": _string,
    "boolean": lambda schema, draw, node, key: draw(st.booleans()),
    "null": lambda schema, draw, node, key: None,
    "any": _any,
}
"""A strategy for every type of JSON Schema."""

WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    "word",
    "",
    [],
    {},
    [1, "a"],
    float("nan"),
    float("inf"),
    10**30,
    {"name": 1},
)
"""What stands in the place of a value that was right."""


def paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where everything in a config stands, the whole left out."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found: list[tuple[Any, ...]] = []
    for key, value in items:
        found += [(*path, key), *paths(value, (*path, key))]
    return found


def broken(draw: Draw, data: dict[str, Any]) -> None:
    """Take away, misspell, or replace one part of a config, or add one, in place."""
    path = draw(st.sampled_from(paths(data)))
    section: Any = data
    for key in path[:-1]:
        section = section[key]
    match draw(st.sampled_from(["remove", "misspell", "replace", "add"])):
        case "remove":
            section.pop(path[-1])
        case "misspell" if isinstance(section, dict) and isinstance(path[-1], str):
            section[f"{path[-1][:-1]}_"] = section.pop(path[-1])
        case "add" if isinstance(section, dict):
            key = draw(st.sampled_from(["unknown", "name", "seed", "<<", "1"]))
            section[key] = deepcopy(draw(st.sampled_from(WRONG)))
        case _:
            section[path[-1]] = deepcopy(draw(st.sampled_from(WRONG)))


SCHEMA = Schema()


@st.composite
def configs(draw: Draw) -> dict[str, Any]:
    """Configs as plain data: one half as the schema says, the other with one or two faults."""
    data = SCHEMA.config(draw)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        broken(draw, data)
        if not data:
            break
    return data
