"""What makes a comparison unfair, or its numbers mean less than they seem to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from lmrun.compare.groups import Group
from lmrun.compare.results import Result

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
    # The checksum is of the numbers as the training sees them, in its precision.
    comparable = not {"dataset", "precision"} & {*differing}
    if comparable and any(len(checksums) > 1 for checksums in by_seed.values()):
        found.append("Runs of the same seed saw different data or another split (their checksums differ).")
    machines = {tuple(str(result.manifest.get(key)) for key in ("device", "cpus")) for result in results}
    if len(machines) > 1:
        found.append("The runs were made on different devices: their times do not compare.")
    common = set.intersection(*(set(member.seeds) for member in groups))
    if not common:
        found.append("The groups have no seed in common: nothing can be compared one to one.")
    elif any(set(member.seeds) != common for member in groups):
        found.append("The groups have different seeds; only those that all have are paired.")
    found += [
        f"The seeds change nothing for {member.label}: its runs end at the same loss, and are repetitions."
        for member in groups
        if is_repeated(member)
    ]
    if any(result.status == "interrupted" for result in results):
        found.append("Some runs were interrupted before their end.")
    if any(result.status == "pruned" for result in results):
        found.append("Some runs were ended early by their sweep: their losses are not those of a whole run.")
    kinds = {_kind_of_rows(result) for result in results}
    if len(kinds) > 1:
        found.append(
            f"The losses along the way are {' or '.join(sorted(kinds))}: times to a target are rough."
        )
    return found


def is_repeated(member: Group) -> bool:
    """Whether several seeds end at the very same finite losses: nothing in them is drawn."""
    losses = {(result.last_loss, result.best_loss) for result in member.results}
    return len(member.results) > 1 and len(losses) == 1 and all(map(math.isfinite, *losses))


def _kind_of_rows(result: Result) -> str:
    """Of what the losses in `metrics.csv` are."""
    training = result.config.get("training")
    batch = training.get("batch_size") if isinstance(training, Mapping) else None
    return {"growing": "those of a growing sample", "full": "those of all rows"}.get(
        str(batch), "means over batches"
    )


def _varieties(results: Sequence[Result], key: str) -> int:
    return len({json.dumps(result.config.get(key), sort_keys=True, default=str) for result in results})


def repetitions(results: Sequence[Result], groups: Sequence[Group]) -> list[str]:
    """Return a sentence for each run that has a newer one of the same config and seed in its place."""
    kept = {result.run.path.resolve() for member in groups for result in member.results}
    left = dict.fromkeys(result.run.name for result in results if result.run.path.resolve() not in kept)
    return [f"The run {name} is left out: a newer one has the same config and seed." for name in left]
