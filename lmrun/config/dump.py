"""A config written as YAML, so that reading it gives the same config, every float bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from lmrun.config.document import scalar
from lmrun.config.schema import Config


class _Dumper(yaml.SafeDumper):
    """Block style for sections, flow style for lists of plain values, quotes where our reader needs them."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values out again; `&id001` would puzzle a reader."""
        return True


def _sequence(dumper: yaml.SafeDumper, items: Iterable[Any]) -> yaml.Node:
    plain = not any(isinstance(item, dict) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=plain)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # PyYAML quotes what YAML 1.1 would misread; `1e-3` and `0o17` are numbers in 1.2 only.
    # Only double quotes escape the control characters that it would otherwise write as they are.
    style = '"' if not text.isprintable() else None if isinstance(scalar(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(tuple, _sequence)
_Dumper.add_representer(str, _text)


def to_yaml(config: Config) -> str:
    """Write every field of a config but its `alternatives`."""
    return as_yaml(config.model_dump(exclude={"alternatives"}))


def as_yaml(data: Mapping[str, Any]) -> str:
    """Write plain data, so that reading it gives the same."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)
