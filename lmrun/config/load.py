"""From a file and overrides to a valid, resolved config, or to all of their problems at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import ValidationError

from lmrun.config.base import Problem, Section
from lmrun.config.consistency import problems_between
from lmrun.config.document import Document, parse, place_of, read_text
from lmrun.config.dump import to_yaml
from lmrun.config.overrides import Override, apply_overrides, parse_overrides
from lmrun.config.schema import Config, resolve
from lmrun.config.shipped import find_config
from lmrun.config.user_code import located
from lmrun.errors import ConfigError

__all__ = ["LoadedConfig", "load_config", "to_yaml"]

Kind = TypeVar("Kind", bound=Section)


@dataclass(frozen=True)
class LoadedConfig:
    """A config and where it came from.

    Attributes:
        config: Resolved: every default is written out, `alternatives` are gone, paths are absolute.
        source: The file's text as it was.
        path: The file, absolute.
        overrides: The overrides as they were given.
    """

    config: Config
    source: str
    path: Path
    overrides: tuple[str, ...]


def load_config(name_or_path: str, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Read a config by its path or shipped name, apply overrides, validate and resolve it.

    Args:
        name_or_path: A YAML file, or the name of a shipped config.
        overrides: `KEY=VALUE` texts.

    Raises:
        UsageError: There is no such file or shipped config.
        ConfigError: The file cannot be read, or file or overrides are not valid; all problems at once.
    """
    path = find_config(name_or_path)
    return load_text(read_text(path), path, overrides)


def load_text(
    source: str, path: Path, overrides: Sequence[str] = (), *, label: str | None = None
) -> LoadedConfig:
    """Do the same with a text.

    Args:
        source: The YAML text.
        path: The file that it is of, or would be: relative paths in it start at its folder.
        overrides: `KEY=VALUE` texts.
        label: The text's name in messages; left out, the path.

    Raises:
        ConfigError: Text or overrides are not valid; all problems at once.
    """
    document = parse(source, label or str(path))
    if document.data is None:
        raise ConfigError([str(finding) for finding in sorted(document.findings)])
    return load_document(document, source, path, parse_overrides(overrides))


def load_document(
    document: Document, source: str, path: Path, overrides: Sequence[Override] = ()
) -> LoadedConfig:
    """Do the same with a mapping that is read already, which changes; see `load_text`."""
    apply_overrides(document, overrides)
    _make_paths_absolute(document, path.absolute().parent)
    texts = tuple(override.text for override in overrides)
    return LoadedConfig(resolve(validate(document)), source, path.absolute(), texts)


def validate(document: Document, kind: type[Config] = Config) -> Config:
    """Validate the data of a document as a config; see `validate_as`."""
    return validate_as(document, kind)


def validate_as(document: Document, kind: type[Kind]) -> Kind:
    """Validate the data of a document.

    Args:
        document: The data.
        kind: What they are to be.

    Raises:
        ConfigError: It is not valid; all problems at once, sorted by their places.
    """
    try:
        config = kind.model_validate(document.data)
    except ValidationError as error:
        raise _config_error(document, kind, error) from None
    if document.findings:
        raise _config_error(document, kind)
    return config


def _config_error(
    document: Document, kind: type[Section], error: ValidationError | None = None
) -> ConfigError:
    # The words are needed for invalid configs only; a valid one is not to wait for them.
    from lmrun.config.messages import findings, problems_of

    problems: list[Problem] = []
    if error is not None:
        if issubclass(kind, Config):
            problems = problems_of(error, document.data)
            problems += problems_between(_valid_sections(document.data, kind))
        else:
            problems = problems_of(error, document.data, kind)
    return ConfigError([str(finding) for finding in findings(document, problems)])


def _valid_sections(data: dict[str, Any], kind: type[Config]) -> dict[str, Any]:
    """Return the sections that are valid by themselves, so that what lies between them is checked too."""
    from pydantic import TypeAdapter

    hints = get_type_hints(kind, include_extras=True)
    valid: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        if name not in data and field.is_required():
            continue
        # A default may be written as a user would write it.
        value = data.get(name, field.get_default(call_default_factory=True))
        try:
            valid[name] = TypeAdapter(hints[name]).validate_python(value, strict=True)
        except ValidationError:
            continue
    return valid


FILES = (("dataset", "path"),)
USER_CODE = (
    ("loss", "residual"),
    ("loss", "value"),
    ("loss", "factor"),
    ("optimizer", "damping", "update"),
    ("optimizer", "damping", "scaling"),
    ("optimizer", "damping", "scaling", "name"),
    ("optimizer", "acceptance"),
    ("optimizer", "acceptance", "name"),
)
"""Where a file, or code of the user's own, can be named."""


def _make_paths_absolute(document: Document, folder: Path) -> None:
    """A path in the file starts at the file's folder, one in an override at the working directory."""
    for path in (*FILES, *USER_CODE):
        section: Any = document.data
        for key in path[:-1]:
            section = section.get(key) if isinstance(section, dict) else None
        text = section.get(path[-1]) if isinstance(section, dict) else None
        if not isinstance(text, str):
            continue
        here = Path.cwd()
        place = place_of(document, Problem(path, ""))
        base = place.folder or (folder if place.order == 0 else here)
        if path in FILES:
            section[path[-1]] = os.path.abspath(base / os.path.expanduser(text))
        elif ":" in text:
            section[path[-1]] = located(text, (base, here))
