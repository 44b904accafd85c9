"""From the items of a comparison to finished runs: found where they exist, trained where not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lmrun.cli.child import Wanted, train
from lmrun.compare.results import Result, read_result
from lmrun.config.load import load_config
from lmrun.config.optimizers import OPTIMIZER_NAMES
from lmrun.config.schema import Config
from lmrun.config.suggest import nearest
from lmrun.config.user_code import checksums
from lmrun.errors import LmrunError, RunDirectoryError, UsageError
from lmrun.runs.find import find_run, list_runs
from lmrun.runs.layout import RunDirectory
from lmrun.status import Status


def gather(
    items: Sequence[str],
    config: str,
    overrides: Sequence[str],
    seeds: int,
    *,
    fresh: bool,
    runs_dir: Path,
) -> list[Result]:
    """Return the runs of a comparison in the order of its items.

    Runs are trained seed by seed, all items of a seed in turn, so that a slow minute of the machine hits
    all of them; each in a process of its own, so that its peak memory is its own.

    Raises:
        UsageError: An item is neither an optimizer nor a run.
        LmrunError: A config is not valid, or a run cannot be trained.
    """
    wanted: dict[str, list[Wanted]] = {}
    results: dict[str, list[Result]] = {}
    for item in dict.fromkeys(items):
        if item in OPTIMIZER_NAMES:
            wanted[item] = _wanted(item, config, overrides, seeds)
        else:
            results[item] = [read_result(_run(item, runs_dir))]
    every = [wanted[item][seed] for seed in range(seeds) for item in wanted]
    found = {} if fresh else finished(runs_dir, every)
    missing = [need for need in every if need.text not in found]
    for number, need in enumerate(missing, start=1):
        run = train(need, config, overrides, runs_dir, f"{number} of {len(missing)}")
        found[need.text] = read_result(run)
    for item, needs in wanted.items():
        results[item] = [found[need.text] for need in needs]
    return [result for item in dict.fromkeys(items) for result in results[item]]


def _run(item: str, runs_dir: Path) -> RunDirectory:
    try:
        return find_run(item, runs_dir)
    except RunDirectoryError as error:
        near = nearest(item, OPTIMIZER_NAMES)
        if near is None:
            raise
        raise UsageError(
            f"'{item}' is neither an optimizer nor a run. Did you mean '{near}'? {error}"
        ) from error


def _wanted(item: str, config: str, overrides: Sequence[str], seeds: int) -> list[Wanted]:
    chosen = [f"optimizer={item}", *overrides]
    first = load_config(config, chosen)
    more = [load_config(config, [*chosen, f"seed={first.config.seed + extra}"]) for extra in range(1, seeds)]
    return [Wanted(item, loaded) for loaded in (first, *more)]


def finished(runs_dir: Path, wanted: Sequence[Wanted]) -> dict[str, Result]:
    """The newest run that has ended of each config, by the config's text; one on other data is none."""
    needs = {need.text: need for need in wanted}
    found: dict[str, Result] = {}
    for run in reversed(list_runs(runs_dir)):
        try:
            text = run.config.read_text(encoding="utf-8")
            if text not in needs or text in found:
                continue
            result = read_result(run)
        except (LmrunError, OSError, UnicodeDecodeError):
            # A damaged run, or one that has not ended, is none to reuse; `lmrun ls` names it.
            continue
        config = needs[text].loaded.config
        if result.status != Status.INTERRUPTED and _same_code(config, result) and _same_data(config, result):
            found[text] = result
    return found


def _same_code(config: Config, result: Result) -> bool:
    """Whether the user's own code that a config names is what a run was trained with."""
    return checksums(config.model_dump(mode="json")) == (result.manifest.get("user_code") or {})


def _same_data(config: Config, result: Result) -> bool:
    """Whether a file still holds what a run was trained on; datasets without one follow from the config."""
    if getattr(config.dataset, "path", None) is None:
        return True
    from lmrun.datasets.registry import load_dataset

    assert config.loss is not None, "a resolved config has a loss"
    dataset = load_dataset(
        config.dataset, seed=config.seed, precision=config.precision, targets=config.loss.targets
    )
    return dataset.checksum == result.manifest.get("data_checksum")
