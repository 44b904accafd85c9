"""`KEY=VALUE` overrides, applied to the plain data of a config before it is validated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from lmrun.config.base import Path
from lmrun.config.document import Document, Finding, Place, Reader

KEY = re.compile(r"[^.\[\]\s]+(\[\d+\])*")
SHORT_FORMS: dict[tuple[str | None, ...], str] = {
    ("dataset",): "name",
    ("model",): "name",
    ("loss",): "name",
    ("optimizer",): "name",
    ("optimizer", "damping", "scaling"): "name",
    ("optimizer", "acceptance"): "name",
    ("optimizer", "averaging"): "name",
    ("optimizer", "subset"): "by",
    ("model", "layers", None): "name",
}
"""Where a word alone stands for a section, and the section's key for it; None is any index."""


DEFAULTS: dict[Path, dict[str, Any]] = {("optimizer",): {"name": "lm"}}
"""What a section that the config leaves out is, for an override to go inside it."""


@dataclass(frozen=True)
class Override:
    """One `KEY=VALUE`, read: the value's findings are those of its YAML; `text` is how it was typed."""

    path: Path
    value: Any
    place: Place
    findings: tuple[Finding, ...] = ()
    text: str = ""

    @property
    def selects_optimizer(self) -> bool:
        """Whether it is `optimizer=NAME`, which selects an alternative of the config."""
        return self.path == ("optimizer",) and isinstance(self.value, str)


def apply_overrides(document: Document, overrides: Sequence[Override]) -> None:
    """Change the data of `document` by `overrides`, from left to right; problems join its findings.

    `optimizer=NAME` takes the config's alternative of that name, or else the optimizer that the config has
    if it is of that name, or else the optimizer's defaults. It comes before all others, wherever it
    stands; of several the last counts.
    """
    for override in overrides:
        document.findings.extend(override.findings)
    usable = [override for override in overrides if not override.findings]
    selections = [override for override in usable if override.selects_optimizer]
    if selections:
        _select(document, selections[-1])
    for override in usable:
        if not override.selects_optimizer:
            _set(document, override)


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """Read overrides in their order."""
    return [parse_override(text, order) for order, text in enumerate(texts, start=1)]


def path_of(key: str) -> Path | None:
    """Read a key such as `model.hidden[0]`; None for what is no key."""
    if not all(KEY.fullmatch(part) for part in key.split(".")):
        return None
    return tuple(
        int(part[1:-1]) if part[0] == "[" else part for part in re.findall(r"\[\d+\]|[^.\[\]]+", key)
    )


def parse_override(text: str, order: int) -> Override:
    """Read one override; `order` is its position on the command line, from 1."""
    place = Place(order, 1, 1, f"override '{text}'")
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals:
        words = "not KEY=VALUE; write for example training.max_steps=100"
        return Override((), None, place, (Finding(place, (), words),), text)
    path = path_of(key)
    if path is None:
        words = f"'{key}' is not a key such as optimizer.damping.initial or model.hidden[0]"
        return Override((), None, place, (Finding(place, (), words),), text)
    if not value.strip():
        words = "has no value; write null for none"
        return Override(path, None, place, (Finding(place, path, words),), text)
    document = Document()
    Reader(document, lambda line, column: place).read(value, path, flow_only=True)
    return Override(path, document.data, place, tuple(document.findings), text)


def _select(document: Document, selection: Override) -> None:
    data, name = document.data, selection.value
    listed = data.get("alternatives")
    alternative = listed.get(name) if isinstance(listed, dict) else None
    if isinstance(alternative, dict):
        if "optimizer" in alternative:
            _move(document, ("alternatives", name, "optimizer"), ("optimizer",))
        else:
            _put(document, ("optimizer",), {"name": name}, selection.place)
        training = alternative.get("training")
        if isinstance(training, dict):
            if not isinstance(data.get("training"), dict):
                _put(document, ("training",), {}, selection.place)
            for key in training:
                _move(document, ("alternatives", name, "training", key), ("training", key))
    elif _name(data.get("optimizer")) != name:
        _put(document, ("optimizer",), {"name": name}, selection.place)


def _name(section: Any) -> Any:
    return section.get("name") if isinstance(section, dict) else section


def _move(document: Document, source: Path, target: Path) -> None:
    """Copy a value with its places."""
    value = document.data
    for key in source:
        value = value[key]
    _put(document, target, deepcopy(value), document.values[source])
    for places in (document.keys, document.values):
        for path in [path for path in places if path[: len(source)] == source]:
            places[target + path[len(source) :]] = places[path]


def _put(document: Document, path: Path, value: Any, place: Place) -> None:
    """Set a value whose parents exist; what was written at or below it counts no more."""
    parent = document.data
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    for places in (document.keys, document.values):
        for known in [known for known in places if known[: len(path)] == path]:
            del places[known]
        places[path] = place
    document.findings = [finding for finding in document.findings if finding.path[: len(path)] != path]


def _set(document: Document, override: Override) -> None:
    path = override.path
    for length in range(1, len(path)):
        problem = _enter(document, path[:length], path[length], override.place)
        if problem:
            document.findings.append(Finding(override.place, path[:length], problem))
            return
    if isinstance(path[-1], int):
        problem = _index_problem(_at(document, path[:-1]), path[-1])
        if problem:
            document.findings.append(Finding(override.place, path[:-1], problem))
            return
    _put(document, path, override.value, override.place)


def _at(document: Document, path: Path) -> Any:
    value = document.data
    for key in path:
        value = value[key]
    return value


def _enter(document: Document, path: Path, key: str | int, place: Place) -> str | None:
    """Make the value at `path` a section or list that `key` can be set in; return why that cannot be."""
    parent = _at(document, path[:-1])
    if isinstance(path[-1], int):
        problem = _index_problem(parent, path[-1])
        if problem:
            return problem
        value = parent[path[-1]]
    else:
        value = parent.get(path[-1])
    if isinstance(key, int):
        return None if isinstance(value, list) else "is not a list"
    if value is None:
        _put(document, path, deepcopy(DEFAULTS.get(path, {})), place)
    elif isinstance(value, str) and (word := _short_form(path)):
        parent[path[-1]] = {word: value}
    elif isinstance(value, int | float) and path[:2] == ("model", "parameters") and len(path) == 3:
        parent[path[-1]] = {"start": value}
    elif not isinstance(value, dict):
        return f"is not a section, so it has no '{key}'"
    return None


def _short_form(path: Path) -> str | None:
    return SHORT_FORMS.get(tuple(None if isinstance(key, int) else key for key in path))


def _index_problem(value: Any, index: int) -> str | None:
    if not isinstance(value, list):
        return "is not a list"
    return None if index < len(value) else f"has no [{index}]; it has {len(value)} items, counted from [0]"
