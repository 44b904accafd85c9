"""The configs that come with the package: `lmrun train sinc` finds `sinc.yaml` by its name."""

from __future__ import annotations

from pathlib import Path

from lmrun.config.suggest import did_you_mean
from lmrun.errors import UsageError

PACKAGE = Path(__file__).resolve().parent.parent
FOLDERS = (PACKAGE / "configs", PACKAGE.parent / "configs")
"""Installed inside the package, or at the top of a checkout."""


def shipped() -> dict[str, Path]:
    """Return the shipped configs by name."""
    found: dict[str, Path] = {}
    for folder in reversed(FOLDERS):
        found |= {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return dict(sorted(found.items()))


def shipped_names() -> list[str]:
    """Return the names of the shipped configs."""
    return list(shipped())


def find_config(name_or_path: str) -> Path:
    """Return the file that a user means: an existing path, or else a shipped config's name.

    Raises:
        UsageError: There is neither.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    known = shipped()
    name = name_or_path.removesuffix(".yaml")
    if name in known:
        return known[name]
    if path.is_dir():
        raise UsageError(f"'{name_or_path}' is a folder, not a config; name a YAML file.")
    near = did_you_mean(name, known)
    siblings = (
        [str(sibling) for sibling in sorted(path.parent.glob("*.y*ml"))] if path.parent.is_dir() else []
    )
    if path.parent != Path() or not near.startswith(" Did"):
        in_folder = did_you_mean(name_or_path, siblings)
        near = in_folder if in_folder.startswith(" Did") else near.replace("Known:", "Shipped configs:")
    raise UsageError(f"There is no file '{name_or_path}' and no shipped config of that name.{near}")
