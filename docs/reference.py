"""Write the reference pages from what the program itself knows: the schema of the config, and the commands.

`python docs/reference.py` writes the pages in docs/reference, that of the Python API from its docstrings; a
test holds them equal to what it would write.
"""

from __future__ import annotations

import inspect
import re
import runpy
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import typer
import yaml

from lmrun.cli import app
from lmrun.config.base import Section
from lmrun.config.descriptions import descriptions
from lmrun.config.fields import alternatives, is_section, is_tagged, members, only_member, tag_field, unwrap
from lmrun.config.json_schema import json_schema
from lmrun.config.optimizers import KERAS_OPTIMIZERS, KerasOptimizerConfig
from lmrun.config.schema import Config
from lmrun.config.sweep import SweepConfig

FOLDER = Path(__file__).parent / "reference"
COMPARED = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
LARGE = 2.0**62
NOTE = "Written by `python docs/reference.py`; do not edit."
Path_ = tuple[str, ...]


@cache
def whole_schema() -> dict[str, Any]:
    """The JSON Schema of a config, with the classes of a sweep's file among its definitions."""
    schema, sweep = json_schema(), SweepConfig.model_json_schema()
    return {**schema, "$defs": {**schema["$defs"], **sweep["$defs"], SweepConfig.__name__: sweep}}


def config_page() -> str:
    """The page of the config: a part per section, a table per class that it can be."""
    lines = [
        "# Config",
        "",
        f"*{NOTE}* `lmrun schema` prints the same as a JSON Schema, which editors use for completion.",
        "",
        "A config file is YAML. Every key below is written as its path: `optimizer.damping.update` is the key"
        " `update` in the section `damping` of the section `optimizer`. The same path changes a value on the"
        " command line: `lmrun train sinc optimizer.damping.update=factor`. A section that is chosen by its"
        " `name` and needs no other key can be written as that name alone: `optimizer: adam`.",
        "",
        *table(Config, ()),
    ]
    for key, annotation in fields_of(Config):
        lines += part((key,), annotation, 2)
    return page_of(lines)


def fields_of(section: type[Section]) -> Iterator[tuple[str, Any]]:
    """The keys of a class with their annotations, in the order of the source."""
    hints = get_type_hints(section, include_extras=True)
    return ((key, hints[key]) for key in section.model_fields)


def part(path: Path_, annotation: Any, level: int) -> list[str]:
    """The text of a key that holds a section, and of those inside it; nothing for a plain value."""
    if path[0] == "alternatives":
        return []
    classes = classes_of(annotation)
    if not classes:
        return []
    dotted = ".".join(path)
    lines = ["", f"{'#' * level} {dotted}", ""]
    inner: dict[str, Any] = {}
    for tag, section in classes.items():
        if tag:
            title = "one of Keras' others" if section is KerasOptimizerConfig else tag
            lines += [f"**`{tag_field(section)}: {title}`**", ""]
        lines += [" ".join(inspect.cleandoc(section.__doc__ or "").split()), ""]
        lines += [*table(section, path), ""]
        if section is KerasOptimizerConfig:
            lines += [*keras_table(), ""]
        for key, own in fields_of(section):
            inner.setdefault(key, own)
    for key, own in inner.items():
        lines += part((*path, key), own, min(level + 1, 4))
    return lines


def classes_of(annotation: Any) -> dict[str, type[Section]]:
    """The classes that a value can be, by the words that choose them; an only class has the word ''."""
    annotation = only_member(annotation)
    if is_tagged(annotation):
        found: dict[str, type[Section]] = {}
        for tag, member in members(annotation).items():
            section = unwrap(member)[0]
            word = {"user": "module:attribute"}.get(tag, tag)
            found[word] = section
        return found
    base = unwrap(annotation)[0]
    if is_section(base):
        return {"": base}
    arguments = [*alternatives(base), *getattr(base, "__args__", ())]
    for argument in arguments:
        if is_tagged(argument) or is_section(unwrap(argument)[0]):
            return classes_of(argument)
    return {}


def table(section: type[Section], path: Path_) -> list[str]:
    """The keys of a class, but for the one that chooses it."""
    schema, described = whole_schema(), descriptions(section.__name__)
    definition = schema if section is Config else schema["$defs"][section.__name__]
    required = definition.get("required", [])
    lines = []
    for key, annotation in fields_of(section):
        if key not in described:
            continue
        spec = definition["properties"][key]
        kind = reference((*path, key)) if classes_of(annotation) else words(spec)
        if path == () and key == "alternatives":
            kind = "mapping of optimizers' names to `{optimizer: ..., training: ...}`"
        default = "required" if key in required else shown(spec.get("default"))
        lines.append(f"| `{key}` | {kind} | {default} | {escaped(described[key])} |")
    return ["| key | value | default | |", "|---|---|---|---|", *lines] if lines else []


def keras_table() -> list[str]:
    """The further keys of Keras' optimizers."""
    rows = [
        f"| `{name}` | {', '.join(f'`{key}`' for key in keys)} |" for name, keys in KERAS_OPTIMIZERS.items()
    ]
    return ["| name | further keys |", "|---|---|", *rows]


def reference(path: Path_) -> str:
    """A link to the part of a section."""
    dotted = ".".join(path)
    return f"[section](#{dotted.replace('.', '')})"


def words(spec: dict[str, Any]) -> str:
    """What a value can be, from its JSON Schema."""
    if "anyOf" in spec:
        return " or ".join(dict.fromkeys(words(one) for one in spec["anyOf"] if one.get("type") != "null"))
    listed = spec.get("enum") or spec.get("examples") or [spec[key] for key in ("const",) if key in spec]
    if listed:
        return ", ".join(f"`{value}`" for value in listed)
    kind = spec.get("type", "value")
    return KINDS[kind](spec) if kind in KINDS else limited(kind, spec)


def limited(kind: str, spec: dict[str, Any]) -> str:
    """A number with its limits; those of 64 bits go without saying."""
    limits = [f"{sign} {spec[key]:g}" for key, sign in COMPARED.items() if abs(spec.get(key, LARGE)) < LARGE]
    return " ".join([kind, " and ".join(limits)]).strip()


def listing(spec: dict[str, Any]) -> str:
    """A list, or one of fixed length."""
    if "prefixItems" in spec:
        return "[" + ", ".join(words(one) for one in spec["prefixItems"]) + "]"
    return f"list of {words(spec['items'])}"


def mapping(spec: dict[str, Any]) -> str:
    """A section whose keys are names, or one of which nothing is said here."""
    inner = spec["additionalProperties"]
    return f"mapping of names to {words(inner)}" if isinstance(inner, dict) else "section"


KINDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "array": listing,
    "object": mapping,
    "boolean": lambda spec: "`true`, `false`",
    "string": lambda spec: "`module:attribute`" if "pattern" in spec else "text",
}
"""What is written for the types of JSON Schema that are no numbers."""


def shown(default: Any) -> str:
    """A default as it is written; nothing where there is none."""
    if default is None or default in ({}, []):
        return ""
    if isinstance(default, dict):
        chosen = next((default[key] for key in ("name", "by", "update") if key in default), None)
        return f"`{chosen}`" if chosen is not None else ""
    text = yaml.safe_dump(default, default_flow_style=True).removesuffix("\n").removesuffix("\n...")
    return f"`{text}`"


def escaped(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|")


def sweep_page() -> str:
    """The page of a sweep's file."""
    lines = [
        "# Sweep",
        "",
        f"*{NOTE}* What `lmrun sweep` reads; [Many runs](../sweep.md) says what it does.",
        "",
        *table(SweepConfig, ()),
    ]
    for key, annotation in fields_of(SweepConfig):
        lines += part((key,), annotation, 2)
    return page_of(lines)


def commands_page() -> str:
    """The page of the commands: usage, what it does, its arguments and options."""
    group = typer.main.get_command(app)
    assert hasattr(group, "commands")
    lines = ["# Commands", "", f"*{NOTE}* `lmrun COMMAND --help` says the same.", ""]
    for name, command in group.commands.items():
        arguments = [value_of(one) for one in command.params if one.param_type_name == "argument"]
        lines += [f"## lmrun {name}", "", escaped(" ".join((command.help or "").split())), ""]
        lines += ["```text", " ".join(["lmrun", name, *arguments, "[OPTIONS]"]), "```", ""]
        lines += ["| | |", "|---|---|"] if command.params else []
        lines += [f"| {spelling(one)} | {sentence(one)} |" for one in command.params]
        lines.append("")
    return page_of(lines)


def value_of(parameter: Any) -> str:
    """What stands for a value; not as Typer writes it, which its versions change."""
    return str(parameter.metavar or parameter.name.upper())


def spelling(parameter: Any) -> str:
    """How an argument or option is typed."""
    if parameter.param_type_name == "argument":
        return f"`{escaped(value_of(parameter))}`"
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} `{escaped(value_of(parameter))}`"


def sentence(parameter: Any) -> str:
    """The help of an argument or option, with its default."""
    text = escaped(getattr(parameter, "help", None) or "")
    default = parameter.default
    if parameter.show_default is False or default in (None, False, ()) or callable(default):
        return text
    return f"{text} Default: `{default}`."


def page_of(lines: list[str]) -> str:
    """Join lines, with a single empty one wherever there are several."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def python() -> str:
    """The page of the Python API, see `reference_python.py`."""
    # The folder of a script is on the path only where it is run as one.
    written: str = runpy.run_path(str(Path(__file__).with_name("reference_python.py")))["python_page"](NOTE)
    return written


PAGES = {
    "config.md": config_page,
    "sweep.md": sweep_page,
    "commands.md": commands_page,
    "python.md": python,
}
"""What writes each page."""


def main() -> None:
    """Write all pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
