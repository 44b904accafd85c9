"""Commented configs to start from: those of this folder, and the shipped ones."""

from __future__ import annotations

from pathlib import Path

from lmrun.config.document import read_text
from lmrun.config.shipped import shipped
from lmrun.config.suggest import did_you_mean
from lmrun.errors import UsageError


def template(name: str) -> str:
    """Return the text of a template or shipped config.

    Raises:
        UsageError: There is none of that name.
    """
    known = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))} | shipped()
    if name not in known:
        raise UsageError(f"There is no config '{name}' to start from.{did_you_mean(name, known)}")
    return read_text(known[name])
