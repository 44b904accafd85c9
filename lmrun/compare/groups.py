"""Runs that differ in nothing but their seed are one group, and how groups are called."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmrun.compare.results import Result

FREE = ("seed",)
"""What may differ inside a group."""


@dataclass(frozen=True)
class Group:
    """Runs of one config over several seeds.

    Attributes:
        label: What sets it apart from the other groups of a comparison.
        results: At least one, in the order of their seeds.
    """

    label: str
    results: tuple[Result, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the results."""
        return tuple(result.seed for result in self.results)


def group(results: Sequence[Result]) -> list[Group]:
    """Put runs together, in the order in which the first of each group stands."""
    found: dict[str, list[Result]] = {}
    for result in results:
        members = found.setdefault(_key(result.config), [])
        if result.run.path.resolve() not in {member.run.path.resolve() for member in members}:
            members.append(result)
    groups = [
        sorted(members, key=lambda result: (result.seed, result.run.name)) for members in found.values()
    ]
    names = labels([members[0] for members in groups])
    return [Group(name, tuple(members)) for name, members in zip(names, groups, strict=True)]


def _key(config: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in config.items() if key not in FREE}, sort_keys=True)


def labels(results: Sequence[Result]) -> list[str]:
    """Name each by its optimizer, and where that is not enough, by the settings that differ among those."""
    names = [result.optimizer for result in results]
    for name in set(names):
        places = [place for place, other in enumerate(names) if other == name]
        if len(places) == 1:
            continue
        flats = [dict(flattened(results[place].config)) for place in places]
        keys = [key for key in dict.fromkeys(key for flat in flats for key in flat) if key not in FREE]
        differing = [key for key in keys if len({json.dumps(flat.get(key)) for flat in flats}) > 1]
        for place, flat in zip(places, flats, strict=True):
            words = [f"{_short(key)} {_text(flat.get(key))}" for key in differing]
            names[place] = ", ".join([name, *words])
    return names


def flattened(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every setting with its dotted name."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _short(key: str) -> str:
    """A dotted name without its section, which goes without saying."""
    return key.removeprefix("optimizer.").removeprefix("training.")


def _text(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


WARNED = {
    "dataset": "the data",
    "precision": "the precision",
    "loss": "the loss",
    "model": "the model",
}
"""Sections of a config that make runs hard to compare where they differ."""


def warnings(groups: Sequence[Group]) -> list[str]:
    """Return a sentence for everything that makes the comparison unfair."""
    results = [result for member in groups for result in member.results]
    found = [
        f"The runs differ in {words} ({key}): their numbers do not mean the same."
        for key, words in WARNED.items()
        if len({json.dumps(result.config.get(key), sort_keys=True) for result in results}) > 1
    ]
    by_seed: dict[int, set[str]] = {}
    for result in results:
        by_seed.setdefault(result.seed, set()).add(str(result.manifest.get("data_checksum")))
    if not found and any(len(checksums) > 1 for checksums in by_seed.values()):
        found.append("Runs of the same seed saw different data or another split (their checksums differ).")
    machines = {(result.manifest.get("device"), result.manifest.get("cpus")) for result in results}
    if len(machines) > 1:
        found.append("The runs were made on different devices: their times do not compare.")
    if len({member.seeds for member in groups}) > 1:
        found.append("The groups have different seeds; only those that all have are paired.")
    return found
