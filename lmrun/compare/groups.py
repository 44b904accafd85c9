"""Runs that differ in nothing but their seed are one group, and how groups are called."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from lmrun.compare.results import Result

FREE = ("seed",)
"""What may differ inside a group."""
MOST_WORDS = 4
"""Of a label."""


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
    """Put runs together, in the order in which the first of each group stands.

    Of runs with the same config and seed, which are repetitions of each other, the newest counts.
    """
    found: dict[str, dict[int, Result]] = {}
    for result in sorted(results, key=lambda result: str(result.manifest.get("started"))):
        found.setdefault(_key(result.config), {})[result.seed] = result
    keys = dict.fromkeys(_key(result.config) for result in results)
    groups = [[found[key][seed] for seed in sorted(found[key])] for key in keys]
    names = labels([members[0] for members in groups])
    return [Group(name, tuple(members)) for name, members in zip(names, groups, strict=True)]


def title(groups: Sequence[Group]) -> str:
    """Name a comparison by its data and its groups."""
    names = {str(result.config["dataset"]["name"]) for member in groups for result in member.results}
    return " and ".join(sorted(names)) + ": " + " against ".join(member.label for member in groups)


def _key(config: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in config.items() if key not in FREE}
    return json.dumps(kept, sort_keys=True, default=str)


def labels(results: Sequence[Result]) -> list[str]:
    """Name each by its optimizer, and where that is not enough, by the settings that differ among those."""
    names = [result.optimizer for result in results]
    for name in set(names):
        places = [place for place, other in enumerate(names) if other == name]
        if len(places) == 1:
            continue
        flats = [dict(flattened(results[place].config)) for place in places]
        keys = [key for key in dict.fromkeys(key for flat in flats for key in flat) if key not in FREE]
        differing = [
            key for key in keys if len({json.dumps(flat.get(key), default=str) for flat in flats}) > 1
        ]
        chosen = _telling(differing)
        while (key := _undecided(flats, chosen, differing)) is not None:
            chosen.append(key)
        for place, flat in zip(places, flats, strict=True):
            words = [f"{_short(key)} {_text(flat.get(key))}" for key in chosen]
            names[place] = ", ".join([name, *words])
    return names


def _undecided(flats: Sequence[Mapping[str, Any]], chosen: Sequence[str], keys: Sequence[str]) -> str | None:
    """The first setting that tells two configs apart which the chosen ones do not; None without such two."""
    for one, other in combinations(flats, 2):
        if all(one.get(key) == other.get(key) for key in chosen):
            telling = [key for key in keys if one.get(key) != other.get(key)]
            if telling:
                return telling[0]
    return None


def _telling(keys: Sequence[str]) -> list[str]:
    """The few settings that say most: of a section with another name, that name alone."""
    named = {key.removesuffix("name") for key in keys if key.endswith(".name")}
    kept = [
        key for key in keys if key.endswith(".name") or not any(key.startswith(section) for section in named)
    ]
    return kept[:MOST_WORDS]


def differences(groups: Sequence[Group]) -> list[tuple[str, list[str]]]:
    """Return the settings in which the configs of groups differ, each with its text per group."""
    flats = [dict(flattened(member.results[0].config)) for member in groups]
    keys = [key for key in dict.fromkeys(key for flat in flats for key in flat) if key not in FREE]
    rows = [(key, [written(flat[key]) if key in flat else "" for flat in flats]) for key in keys]
    return [(key, texts) for key, texts in rows if len(set(texts)) > 1]


def written(value: Any) -> str:
    """Write a value of a config or a manifest out."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return " ".join(value)
    return json.dumps(value, default=str)


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
