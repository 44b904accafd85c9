"""What a field expects and what it got, in words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lmrun.config.document import scalar
from lmrun.config.fields import (
    alternatives,
    choices,
    has_short_form,
    is_tagged,
    only_member,
    tag_field,
    unwrap,
)
from lmrun.config.suggest import nearest

NOUNS: dict[type, tuple[str, str]] = {
    bool: ("true or false", "true or false"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("text", "texts"),
    object: ("a value", "values"),
}
"""Singular and plural of the plain types."""

BOUNDS: tuple[tuple[type, str, str], ...] = (
    (Gt, "gt", "above {}"),
    (Ge, "ge", "of at least {}"),
    (Lt, "lt", "below {}"),
    (Le, "le", "of at most {}"),
)
SHOWN = 60
FEW = 4
"""Choices that a message can name all."""


def expected(annotation: Any, *, plural: bool = False) -> str:
    """Say what a field expects: `a whole number above 0`."""
    annotation = only_member(annotation)
    base, metadata = unwrap(annotation)
    if is_tagged(annotation):
        return _tagged(annotation, plural)
    inputs = [data.json_schema_input_type for data in metadata if isinstance(data, BeforeValidator)]
    short_forms = [kind for kind in inputs if kind is not PydanticUndefined]
    union = alternatives(short_forms[0] if short_forms else base)
    if union:
        told = [member for member in union if not (member is int and float in union)]
        return either(dict.fromkeys(expected(member, plural=plural) for member in told))
    if choices(annotation):
        return either(show(choice) for choice in choices(annotation))
    if get_origin(base) is tuple:
        return _list(get_args(base), metadata)
    if base in NOUNS:
        return _plain(base, metadata, plural)
    return "sections of keys" if plural else "a section of keys"


def _tagged(annotation: Any, plural: bool) -> str:
    if has_short_form(annotation):
        return "names or sections of keys" if plural else "a name or a section of keys"
    return f"a section with keys such as '{tag_field(alternatives(unwrap(annotation)[0])[0])}'"


def _plain(base: type, metadata: Iterable[Any], plural: bool) -> str:
    examples = [
        example for data in metadata if isinstance(data, FieldInfo) for example in data.examples or ()
    ]
    if examples:
        return either(show(example) for example in examples)
    constraints = list(_constraints(metadata))
    bounds = " and ".join(
        words.format(_bound(getattr(constraint, attribute)))
        for kind, attribute, words in BOUNDS
        for constraint in constraints
        if isinstance(constraint, kind)
    )
    finite = any(getattr(constraint, "allow_inf_nan", True) is False for constraint in constraints)
    noun = NOUNS[base][plural]
    noun = noun.replace("number", "finite number") if finite and not bounds else noun
    return f"{noun} {bounds}".rstrip()


def _bound(value: float) -> str:
    large = isinstance(value, int) and value >= 2**53
    return f"2**{int(value).bit_length() - 1}" if large else f"{value:g}"


def _constraints(metadata: Iterable[Any]) -> Iterable[Any]:
    for data in metadata:
        yield from data.metadata if isinstance(data, FieldInfo) else (data,)


def _list(items: tuple[Any, ...], metadata: Iterable[Any]) -> str:
    what = expected(items[0], plural=True)
    if items[-1] is not Ellipsis:
        return f"a list of {len(items)} {what}"
    least = any(isinstance(constraint, MinLen) for constraint in _constraints(metadata))
    return f"a list of {'one or more ' if least else ''}{what}"


def either(words: Iterable[str]) -> str:
    """Join by commas and a last `or`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def show(value: Any) -> str:
    """Write a value as the user would, cut short."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}'" if len(value) <= SHOWN else f"'{value[:SHOWN]}...'"
        case dict():
            return "a section"
        case list() | tuple():
            text = f"[{', '.join(show(item) for item in value)}]"
            return text if len(text) <= SHOWN else "a list"
    text = repr(value)
    text = text.replace("inf", ".inf").replace("nan", ".nan")
    return text if len(text) <= SHOWN else f"{text[:20]}... ({len(text)} digits)"


def correction(value: Any, annotation: Any) -> str:
    """Guess what was meant: ` Did you mean 1000?` for `1_000` or `1e3`, else an empty string."""
    annotation = only_member(annotation)
    base, _ = unwrap(annotation)
    types = {unwrap(member)[0] for member in alternatives(base) or [annotation]}
    guess = next((guess for guess in (guess(value, types) for guess in GUESSES) if guess), None)
    return f" Did you mean {guess}?" if guess else ""


def _number_with_separators(value: Any, types: set[Any]) -> str | None:
    if isinstance(value, str) and types & {int, float}:
        bare = scalar(re.sub(r"[_ ']", "", value))
        if isinstance(bare, int | float) and not isinstance(bare, bool):
            return show(bare)
    return None


def _whole(value: Any, types: set[Any]) -> str | None:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return str(int(value)) if whole and int in types else None


def _yes_or_no(value: Any, types: set[Any]) -> str | None:
    known = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
    return known.get(value.lower()) if isinstance(value, str) and bool in types else None


def _quoted(value: Any, types: set[Any]) -> str | None:
    text = str in types and not types & {int, float}
    return f"'{show(value)}'" if isinstance(value, int | float) and text else None


def _in_brackets(value: Any, types: set[Any]) -> str | None:
    if isinstance(value, str | int | float) and all(get_origin(kind) is tuple for kind in types):
        return f"[{value if isinstance(value, str) else show(value)}]"
    return None


def _choice(value: Any, types: set[Any]) -> str | None:
    known = [choice for kind in types for choice in choices(kind)]
    near = nearest(value, known) if isinstance(value, str) else None
    return show(near) if near else None


GUESSES = (_choice, _number_with_separators, _whole, _yes_or_no, _quoted, _in_brackets)
