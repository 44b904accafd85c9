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
    differing = [key for key in WARNED if _varieties(results, key) > 1]
    found = [
        f"The runs differ in {WARNED[key]} ({key}): their numbers do not mean the same." for key in differing
    ]
    by_seed: dict[int, set[str]] = {}
    for result in results:
        by_seed.setdefault(result.seed, set()).add(str(result.manifest.get("data_checksum")))
    if "dataset" not in differing and any(len(checksums) > 1 for checksums in by_seed.values()):
        found.append("Runs of the same seed saw different data or another split (their checksums differ).")
    machines = {tuple(str(result.manifest.get(key)) for key in ("device", "cpus")) for result in results}
    if len(machines) > 1:
        found.append("The runs were made on different devices: their times do not compare.")
    common = set.intersection(*(set(member.seeds) for member in groups))
    if not common:
        found.append("The groups have no seed in common: nothing can be compared one to one.")
    elif any(set(member.seeds) != common for member in groups):
        found.append("The groups have different seeds; only those that all have are paired.")
    if any(result.status == "interrupted" for result in results):
        found.append("Some runs were interrupted before their end.")
    kinds = {_kind_of_rows(result) for result in results}
    if len(kinds) > 1:
        found.append(
            f"The losses along the way are {' or '.join(sorted(kinds))}: times to a target are rough."
        )
    return found


def _kind_of_rows(result: Result) -> str:
    """Of what the losses in `metrics.csv` are."""
    training = result.config.get("training")
    batch = training.get("batch_size") if isinstance(training, Mapping) else None
    return {"growing": "those of a growing sample", "full": "those of all rows"}.get(
        str(batch), "means over batches"
    )


def _varieties(results: Sequence[Result], key: str) -> int:
    return len({json.dumps(result.config.get(key), sort_keys=True, default=str) for result in results})
