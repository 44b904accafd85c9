"""Validation errors in the words of somebody who writes a config: `file:line:column: path: what is wrong`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from lmrun.config.base import Path, Problem, Section, SectionError
from lmrun.config.document import Document, Finding, Place, place_of
from lmrun.config.fields import (
    Spot,
    alternatives,
    choices,
    follow,
    is_tagged,
    members,
    names,
    only_member,
    tag_field,
    unwrap,
)
from lmrun.config.phrases import FEW, correction, expected, show
from lmrun.config.schema import Config
from lmrun.config.suggest import did_you_mean, nearest

SECTIONS = ("dataset", "model", "loss", "optimizer", "training")
NOTHING = object()
REQUIRED = "required, but missing."


def lookup(data: Any, path: Path) -> Any:
    """Return the value at a path, or `NOTHING`."""
    for key in path:
        keyed = isinstance(data, Mapping) and key in data
        listed = isinstance(data, list | tuple) and isinstance(key, int) and key < len(data)
        if not (keyed or listed):
            return NOTHING
        data = data[key]
    return data


def findings(document: Document, problems: Iterable[Problem]) -> list[Finding]:
    """Give each problem its place, sorted, without those at or below a place known to be wrong already."""
    wrong = {finding.path for finding in document.findings if finding.path and finding.spoils}
    found: dict[tuple[Place, str, Path], Finding] = {}
    for problem in problems:
        if not any(problem.path[:length] in wrong for length in range(1, len(problem.path) + 1)):
            finding = Finding(place_of(document, problem), problem.path, problem.message)
            same = (finding.place, finding.message, finding.path[-1:])
            known = found.get(same)
            # A selected alternative stands in two places of the data; the longer path is the one in the file.
            if known is None or len(known.path) < len(finding.path):
                found[same] = finding
    return sorted([*document.findings, *found.values()], key=lambda finding: finding.place)


def problems_of(error: ValidationError, data: Any, root: type[Section] = Config) -> list[Problem]:
    """Turn pydantic's errors into problems in the user's words; `root` is the class of the data."""
    found: list[Problem] = []
    for details in error.errors(include_url=False):
        spot = follow(details["loc"], root)
        describe = DESCRIBE.get(details["type"], _wrong_value)
        found.extend(describe(spot, data, details))
    return _without_misspelt(found)


def _without_misspelt(problems: list[Problem]) -> list[Problem]:
    """Drop `modle: unknown` / `model: missing` pairs to the first, which says it all."""
    unknown = [problem.path for problem in problems if problem.message.startswith("unknown key")]
    return [
        problem
        for problem in problems
        if not (
            problem.message.startswith(REQUIRED)
            and any(
                path[:-1] == problem.path[:-1] and nearest(str(path[-1]), [str(problem.path[-1])])
                for path in unknown
            )
        )
    ]


def _unknown_key(spot: Spot, data: Any, details: Any) -> Iterable[Problem]:
    key, known = str(spot.path[-1]), list(spot.section.model_fields) if spot.section else []
    hint = did_you_mean(key, known)
    if not hint.startswith(" Did"):
        sections = SECTIONS if spot.root is Config else ()
        others = [section for section in sections if section != spot.path[0] and len(key) > 2]
        home = next((f"in '{section}'" for section in others if key in _keys(section)), None)
        home = _other_class(spot.union, key) or home
        hint = f" It belongs {home}." if home else hint
    yield Problem(spot.path, f"unknown key.{hint}", on_key=True)


def _other_class(union: Any, key: str) -> str | None:
    """Say which other class of a tagged union has this key."""
    owners = (tag for tag, member in members(union).items() if key in unwrap(member)[0].model_fields)
    return next((f"to '{tag_field(members(union)[tag])}: {tag}'" for tag in owners), None)


def _keys(section: str) -> set[str]:
    """Return the keys that any class of a top-level section has."""
    annotation = only_member(follow((section,)).annotation)
    classes = members(annotation).values() if is_tagged(annotation) else [annotation]
    return {key for member in classes for key in unwrap(member)[0].model_fields}


def _missing(spot: Spot, data: Any, details: Any) -> Iterable[Problem]:
    hint = ""
    if is_tagged(spot.annotation):
        hint = f" Known: {', '.join(names(spot.annotation))}."
    yield Problem(spot.path, f"{REQUIRED}{hint}")


def _wrong_name(spot: Spot, data: Any, details: Any) -> Iterable[Problem]:
    annotation = only_member(spot.annotation)
    field = tag_field(alternatives(unwrap(annotation)[0])[0])
    value, path = lookup(data, spot.path), spot.path
    if isinstance(value, Mapping):
        path = (*path, field)
        value = value.get(field, NOTHING)
    if value is NOTHING:
        yield Problem(path, f"{REQUIRED} Known: {', '.join(names(annotation))}.")
    elif path == spot.path and not isinstance(value, str):
        yield from _wrong_value(spot, data, details)
    elif isinstance(value, str):
        hint = did_you_mean(value, names(annotation))
        if "user" in members(annotation) and "." in value:
            hint = " Code of your own is named module:attribute or file.py:attribute."
        yield Problem(path, f"unknown name {show(value)}.{hint}")
    else:
        yield Problem(path, f"should be a name, not {show(value)}. Known: {', '.join(names(annotation))}.")


def _wrong_choice(spot: Spot, data: Any, details: Any) -> Iterable[Problem]:
    known, value = choices(spot.annotation), lookup(data, spot.path)
    if len(known) > FEW and isinstance(value, str):
        yield Problem(spot.path, f"unknown name {show(value)}.{did_you_mean(value, known)}")
    else:
        yield from _wrong_value(spot, data, details)


def _wrong_value(spot: Spot, data: Any, details: Any) -> Iterable[Problem]:
    path = spot.path
    while path and lookup(data, path) is NOTHING:  # inside a short form such as `b1: .inf`
        path = path[:-1]
    value = lookup(data, path)
    hint = correction(value, spot.annotation)
    yield Problem(
        path, f"should be {expected(spot.annotation)}, not {show(value)}{'.' if hint else ''}{hint}"
    )


def _own_words(spot: Spot, data: Any, details: Any) -> Iterable[Problem]:
    error = details["ctx"]["error"]
    if not isinstance(error, SectionError):
        yield Problem(spot.path, str(error))
        return
    for problem in error.problems:
        path = (*spot.path, *problem.path)
        while (
            path and lookup(data, path) is NOTHING
        ):  # a default, or inside a short form such as `optimizer: adam`
            path = path[:-1]
        yield Problem(path, problem.message, problem.on_key)


DESCRIBE: dict[str, Callable[[Spot, Any, Any], Iterable[Problem]]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing,
    "union_tag_invalid": _wrong_name,
    "union_tag_not_found": _wrong_name,
    "literal_error": _wrong_choice,
    "value_error": _own_words,
}
"""How each type of pydantic's errors is told; all others say what was expected and what was there."""
