"""The sentence below each field of the schema: its help text and its line in the reference."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from lmrun.config.base import Section


def sections(base: type[Section] = Section) -> Iterator[type[Section]]:
    """Yield every class of the schema that is imported, bases first."""
    for section in base.__subclasses__():
        yield section
        yield from sections(section)


def descriptions(section_name: str) -> dict[str, str]:
    """Return the sentence of each field of a class of the schema; the fields that choose the class have none.

    Raises:
        KeyError: No class has that name.
    """
    section = {known.__name__: known for known in sections()}[section_name]
    found: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if issubclass(base, Section) and base is not Section:
            found |= _written_below_fields(base)
    return {name: found[name] for name in section.model_fields if name in found}


def _written_below_fields(section: type[Section]) -> dict[str, str]:
    body = _classes(section.__module__)[section.__name__].body
    found = {}
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """Parse a module once for all of its classes."""
    source = inspect.getsource(sys.modules[module])
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
