"""What the schema says about a place in the config: found by walking the type annotations.

Pydantic's error locations mix the user's keys with the names of union members. Only the annotations tell them
apart: the split `{by: column, column: c}` has a key and a member of the same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import Discriminator, Tag
from pydantic.fields import FieldInfo

from lmrun.config.base import ByShortForm, Path, Section, ShortForm
from lmrun.config.schema import Config

TAG_FIELDS = ("name", "by", "update")
"""The keys that choose among the classes of a section."""


@dataclass(frozen=True)
class Spot:
    """A place in the config.

    Attributes:
        path: The user's path to it.
        annotation: What the schema says about its value.
        section: The class that has its last key.
        union: The classes among which that one was chosen, None where there was no choice.
        root: The class of the whole document.
    """

    path: Path
    annotation: Any
    section: type[Section] | None
    union: Any = None
    root: type[Section] = Config


def follow(location: Sequence[str | int], root: type[Section] = Config) -> Spot:
    """Find what an error location of pydantic means; `root` is the whole document's class."""
    path: list[str | int] = []
    annotation: Any = root
    section: type[Section] | None = None
    union = entered = None
    for item in location:
        annotation = only_member(annotation)
        base, _ = unwrap(annotation)
        if is_tagged(annotation):
            entered = annotation
            annotation = members(annotation)[str(item)]
        elif is_section(base):
            section, union, entered = base, entered, None
            path.append(item)
            annotation = get_type_hints(base, include_extras=True).get(str(item), Any)
        elif get_origin(base) in {tuple, dict}:
            path.append(item)
            arguments = get_args(base)
            fixed = get_origin(base) is tuple and arguments[-1] is not Ellipsis
            position = item if fixed and isinstance(item, int) and item < len(arguments) else 0
            annotation = arguments[1] if get_origin(base) is dict else arguments[int(position)]
        else:
            break
    return Spot(tuple(path), annotation, section, union, root)


def unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split an annotation into its type and its metadata."""
    if get_origin(annotation) is Annotated:
        return annotation.__origin__, annotation.__metadata__
    return annotation, ()


def is_section(base: Any) -> bool:
    """Whether a type is a class of the schema."""
    return isinstance(base, type) and issubclass(base, Section)


def alternatives(base: Any) -> list[Any]:
    """Return the members of a union without None; an empty list for what is not a union."""
    if get_origin(base) not in {Union, UnionType}:
        return []
    return [member for member in get_args(base) if member is not NoneType]


def is_tagged(annotation: Any) -> bool:
    """Whether a key of the value chooses among classes."""
    return any(
        isinstance(data, Discriminator) or (isinstance(data, FieldInfo) and data.discriminator)
        for data in unwrap(annotation)[1]
    )


def has_short_form(annotation: Any) -> bool:
    """Whether a name alone stands for a section."""
    return any(form in unwrap(annotation)[1] for form in (ShortForm, ByShortForm))


def tag_field(member: Any) -> str:
    """Return the key that chooses this class."""
    base, _ = unwrap(member)
    return next(name for name in TAG_FIELDS if name in base.model_fields)


def members(annotation: Any) -> dict[str, Any]:
    """Return the classes of a tagged union by pydantic's tag."""
    found = {}
    for member in alternatives(unwrap(annotation)[0]):
        base, metadata = unwrap(member)
        tags = [data.tag for data in metadata if isinstance(data, Tag)]
        for tag in tags or get_args(base.model_fields[tag_field(member)].annotation):
            found[tag] = member
    return found


def names(annotation: Any) -> list[str]:
    """Return the names that a tagged union knows."""
    found: list[str] = []
    for member in alternatives(unwrap(annotation)[0]):
        base, _ = unwrap(member)
        found += get_args(base.model_fields[tag_field(member)].annotation)
    return found


def only_member(annotation: Any) -> Any:
    """Look through `X | None`."""
    while True:
        base, metadata = unwrap(annotation)
        found = alternatives(base)
        if is_tagged(annotation) or len(found) != 1:
            return annotation
        annotation = Annotated[(found[0], *metadata)] if metadata else found[0]


def choices(annotation: Any) -> tuple[Any, ...]:
    """Return the values of a `Literal`; an empty tuple for anything else."""
    base, _ = unwrap(only_member(annotation))
    return get_args(base) if get_origin(base) is Literal else ()
