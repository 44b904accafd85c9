"""The settings with which a run that is too large would fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from lmrun.config.schema import Config
from lmrun.errors import LmrunError

Needed = Callable[[Config], int]
"""The bytes that a config needs at least."""
CG = {"optimizer.solver": "cg"}
SINGLE = {"precision": "float32"}
CANDIDATES: tuple[Mapping[str, Any], ...] = (
    SINGLE,
    CG,
    {**CG, "optimizer.projection": "none"},
    {**CG, "optimizer.memory": 0},
    {**CG, **SINGLE},
    {**CG, **SINGLE, "optimizer.projection": "none"},
)
"""What is tried first: the run stays the same training."""
BATCH_SHARES = (4, 16, 64, 256, 1024)
"""Batches are tried with so many of an epoch."""
SHOWN = 3


def settings_that_fit(config: Config, needed: Needed, available: int, rows: int) -> list[str]:
    """Return changes as one would type them, each of which fits by its own estimate; no more than a few.

    Args:
        config: What does not fit.
        needed: The estimate.
        available: What there is.
        rows: Training rows.
    """
    found: list[str] = []
    for changes in _candidates(config, rows):
        # A change that contains one which fits already says nothing more.
        words = " ".join(f"{key}={value}" for key, value in changes.items())
        if any(set(known.split()) <= set(words.split()) for known in found):
            continue
        other = changed(config, changes)
        if other is None or other == config:
            continue
        try:
            size = needed(other)
        except LmrunError:
            continue
        if size <= available:
            found.append(words)
        if len(found) == SHOWN:
            break
    return found


def _candidates(config: Config, rows: int) -> Iterator[Mapping[str, Any]]:
    yield from CANDIDATES
    for share in BATCH_SHARES:
        size = {"training.batch_size": max(1, rows // share)}
        yield size
        yield {**size, **CG}
        yield {**size, **CG, **SINGLE}
    if config.optimizer.name != "adam":
        yield {"optimizer": "adam"}


def changed(config: Config, changes: Mapping[str, Any]) -> Config | None:
    """Return a config with other values at dotted keys; None where that is not valid.

    Args:
        config: Resolved.
        changes: The values by their keys.
    """
    data = config.model_dump(mode="json")
    for key, value in changes.items():
        *path, last = key.split(".")
        section = data
        for name in path:
            section = section[name]
        section[last] = value
    try:
        return Config.model_validate(data)
    except ValidationError:
        return None


def advice(found: list[str]) -> str:
    """Say in a sentence what would fit."""
    if not found:
        return "No other precision, solver or batch makes it fit; use fewer parameters or rows."
    return f"These would fit: {'; or '.join(found)}."
