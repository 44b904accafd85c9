"""YAML read with the position of every key and value.

The scalars are those of the YAML 1.2 core schema: `1e-3` is a number, `no` and `on` are text, `010` is ten.
Nothing is constructed but plain Python data; tags are refused. Problems are collected, so that all of them
show at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from lmrun.config.base import Path, Problem, dotted
from lmrun.config.yaml_words import yaml_words
from lmrun.errors import ConfigError

MAX_NODES = 20_000
"""Values of a file, aliases expanded: a few nested aliases could otherwise fill the memory."""
MAX_CHARACTERS = 2**18
"""Of a file: reading YAML takes a second for that."""
MAX_DEPTH = 100
"""Brackets in each other: the time to read them grows with the square of their number."""

CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((sign + word for sign in ("", "+") for word in (".inf", ".Inf", ".INF")), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    # Python refuses to read integers of more than 4300 digits; a float of that many is inf, refused where
    # it is used.
    (re.compile(r"[-+]?[0-9]{1,4000}"), int),
    (re.compile(r"0o[0-7]{1,4000}"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]{1,4000}"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)


@dataclass(frozen=True, order=True)
class Place:
    """Where something was written: `order` 0 is the file, i the i-th override; lines count from 1.

    Relative paths start at the `folder`; without one, at that of the file or at the working directory.
    """

    order: int
    line: int
    column: int
    label: str
    folder: FilePath | None = field(default=None, compare=False)


@dataclass(frozen=True, order=True)
class Finding:
    """One problem of a config, with its place and the path of what it concerns.

    Where it `spoils` the value at its path, what the schema says about that value is of no interest.
    """

    place: Place
    path: Path = field(compare=False)
    message: str
    spoils: bool = field(default=True, compare=False)

    def __str__(self) -> str:
        where = f"{dotted(self.path)}: " if self.path else ""
        return f"{self.place.label}: {where}{self.message}"


@dataclass
class Document:
    """Plain data, where each key and value of it was written, and what is wrong so far."""

    data: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def place_of(document: Document, problem: Problem) -> Place:
    """Return where the value (or key) of a problem was written, or what is nearest around it."""
    first = document.keys if problem.on_key else document.values
    if problem.path in first:
        return first[problem.path]
    # What is missing has no place; the key of its section has.
    for length in range(len(problem.path) - 1, 0, -1):
        for places in (document.keys, document.values):
            if problem.path[:length] in places:
                return places[problem.path[:length]]
    return document.values[()]


def scalar(text: str) -> Any:
    """Read a plain scalar by the YAML 1.2 core schema."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    for pattern, read in NUMBERS:
        if pattern.fullmatch(text):
            return read(text)
    return text


def read_text(path: FilePath) -> str:
    """Read a config file.

    Raises:
        ConfigError: It is missing, unreadable or not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        words = f"not UTF-8 text (byte {error.start + 1}); save the file as UTF-8"
        raise ConfigError([f"{path}: {words}"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None


def parse(text: str, label: str) -> Document:
    """Parse a config file.

    Args:
        text: The YAML text.
        label: The file's name in messages.

    Returns:
        The document; its data is a mapping, or None where the text is not one and `findings` say why.
    """
    document = Document()
    Reader(document, lambda line, column: Place(0, line, column, f"{label}:{line}:{column}")).read(text)
    if not isinstance(document.data, dict):
        if not document.findings:
            start = document.values.get((), Place(0, 1, 1, f"{label}:1:1"))
            words = "the file is empty; try `lmrun init sinc` for one to start from"
            if document.data is not None:
                words = "a config is a mapping of keys to values, such as `dataset: sinc`"
            document.findings.append(Finding(start, (), words))
        document.data = None
    return document


class _Composer(yaml.SafeLoader):
    """Composes nodes and remembers explicit tags, which would otherwise look like resolved ones."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.tags: list[tuple[yaml.Mark, str]] = []
        self.nodes = 0

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        if self.flow_level >= MAX_DEPTH:
            words = f"brackets nested deeper than {MAX_DEPTH}"
            raise yaml.MarkedYAMLError(problem=words, problem_mark=self.get_mark())
        super().fetch_flow_collection_start(TokenClass)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        self.nodes += 1
        if self.nodes > MAX_NODES:
            words = f"more than {MAX_NODES:,} values"
            raise yaml.MarkedYAMLError(problem=words, problem_mark=event.start_mark)
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.tags.append((event.start_mark, tag))
        return super().compose_node(parent, index)


@dataclass
class Reader:
    """Turns YAML text into the data, places and findings of a document.

    Attributes:
        document: What is filled in.
        place: The place of a line and column of the text.
    """

    document: Document
    place: Callable[[int, int], Place]
    nodes: int = 0
    open_nodes: set[int] = field(default_factory=set)

    def read(self, text: str, path: Path = (), *, flow_only: bool = False) -> None:
        """Read `text` as the value at `path`; `flow_only` refuses block style, as in an override."""
        if len(text) > MAX_CHARACTERS:
            words = f"more than {MAX_CHARACTERS:,} characters; a config names its data, it does not hold them"
            self._find(None, path, words)
            return
        try:
            composer = _Composer(text)
            node = composer.get_single_node()
        except RecursionError:
            self._find(None, path, "nested too deeply")
            return
        except yaml.YAMLError as error:
            line, column, words = yaml_words(error, text)
            self.document.findings.append(Finding(self.place(line, column), path, words))
            return
        for mark, _ in composer.tags:
            self._find(mark, (), "tags (!...) are not supported; write the plain value")
        if composer.tags:
            return
        if flow_only and isinstance(node, yaml.CollectionNode) and not node.flow_style:
            self._find(node.start_mark, path, "write a section as {key: value} and a list as [a, b]")
        elif node is not None:
            self.document.values[path] = self._at(node.start_mark)
            self.document.data = self._build(node, path)

    def _at(self, mark: yaml.Mark | None) -> Place:
        return self.place(mark.line + 1, mark.column + 1) if mark else self.place(1, 1)

    def _find(self, mark: yaml.Mark | None, path: Path, message: str) -> None:
        self.document.findings.append(Finding(self._at(mark), path, message))

    def _build(self, node: yaml.Node, path: Path) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            if self.nodes == MAX_NODES + 1:
                self._find(node.start_mark, path, f"more than {MAX_NODES:,} values")
            return None
        if id(node) in self.open_nodes:
            self._find(node.start_mark, path, "an alias inside its own anchor")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self.open_nodes.add(id(node))
        data = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        self.open_nodes.discard(id(node))
        return data

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if any("\ud800" <= character <= "\udfff" for character in node.value):
            self._find(node.start_mark, path, "half of a surrogate pair, which is no character")
        if node.style is not None:
            return str(node.value)
        if node.value == "" and path:
            place = self.document.keys.get(path) or self._at(node.start_mark)
            self.document.findings.append(
                Finding(place, path, "has no value; write one, or leave the key out")
            )
        return scalar(node.value)

    def _sequence(self, node: yaml.Node, path: Path) -> list[Any]:
        for index, item in enumerate(node.value):
            self.document.values[(*path, index)] = self._at(item.start_mark)
        return [self._build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        if not node.value and path:
            self._find(node.start_mark, path, "is an empty section; write its keys, or leave it out")
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            here = (*path, key)
            if key in data:
                first = self.document.keys[here].line
                words = f"given twice; the first is at line {first}"
                self.document.findings.append(
                    Finding(self._at(key_node.start_mark), here, words, spoils=False)
                )
                continue
            self.document.keys[here] = self._at(key_node.start_mark)
            self.document.values[here] = self._at(value_node.start_mark)
            data[key] = self._build(value_node, here)
        return data

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._find(node.start_mark, path, "a key should be text, not a list or a section")
            return None
        if node.style is None and node.value == "<<":
            self._find(node.start_mark, path, "merge keys (<<) are not supported; repeat the keys")
            return None
        if node.style is None and not isinstance(scalar(node.value), str):
            self._find(node.start_mark, path, f"the key '{node.value}' is not text; put it in quotes")
            return None
        return str(node.value)
