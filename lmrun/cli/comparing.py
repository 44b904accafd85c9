"""From the items of a comparison to groups of finished runs: found where they exist, trained where not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from lmrun.compare.groups import Group, group
from lmrun.compare.results import Result, read_result
from lmrun.config.dump import to_yaml
from lmrun.config.load import LoadedConfig, load_config
from lmrun.config.suggest import did_you_mean
from lmrun.errors import LmrunError, RunDirectoryError, UsageError
from lmrun.runs.find import find_run, list_runs
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import last_row
from lmrun.runs.summary import read_summary
from lmrun.status import Status

LOOK_SECONDS = 0.3


@dataclass(frozen=True)
class Wanted:
    """One run that a comparison needs.

    Attributes:
        item: The optimizer's name as it was asked for.
        loaded: Its config.
    """

    item: str
    loaded: LoadedConfig

    @property
    def text(self) -> str:
        """The resolved config, as the run directory keeps it."""
        return to_yaml(self.loaded.config)


def gather(
    items: Sequence[str],
    config: str,
    overrides: Sequence[str],
    seeds: int,
    *,
    fresh: bool,
    runs_dir: Path,
) -> list[Group]:
    """Return the groups of a comparison in the order of its items.

    Runs are trained seed by seed, all items of a seed in turn, so that a slow minute of the machine hits
    all of them; each in a process of its own, so that its peak memory is its own.

    Raises:
        UsageError: An item is neither an optimizer nor a run.
        LmrunError: A config is not valid, or a run cannot be trained.
    """
    wanted: dict[str, list[Wanted]] = {}
    results: dict[str, list[Result]] = {}
    for item in dict.fromkeys(items):
        if item in known_optimizers():
            wanted[item] = _wanted(item, config, overrides, seeds)
        else:
            results[item] = [read_result(_run(item, runs_dir))]
    found = {} if fresh else _finished(runs_dir)
    places = [(seed, item) for seed in range(seeds) for item in wanted]
    missing = [(seed, item) for seed, item in places if wanted[item][seed].text not in found]
    for number, (seed, item) in enumerate(missing, start=1):
        need = wanted[item][seed]
        found[need.text] = _train(need, config, overrides, runs_dir, f"{number} of {len(missing)}")
    for item, needs in wanted.items():
        results[item] = [read_result(found[need.text]) for need in needs]
    return group([result for item in dict.fromkeys(items) for result in results[item]])


def known_optimizers() -> list[str]:
    """Return the names of all optimizers."""
    from lmrun.config.optimizers import OPTIMIZER_NAMES

    return list(OPTIMIZER_NAMES)


def _run(item: str, runs_dir: Path) -> RunDirectory:
    try:
        return find_run(item, runs_dir)
    except RunDirectoryError as error:
        names = known_optimizers()
        if not any(character in item for character in "/0123456789"):
            raise UsageError(
                f"'{item}' is neither an optimizer nor a run.{did_you_mean(item, names)}"
            ) from error
        raise


def _wanted(item: str, config: str, overrides: Sequence[str], seeds: int) -> list[Wanted]:
    chosen = [f"optimizer={item}", *overrides]
    first = load_config(config, chosen)
    more = [load_config(config, [*chosen, f"seed={first.config.seed + extra}"]) for extra in range(1, seeds)]
    return [Wanted(item, loaded) for loaded in (first, *more)]


def _finished(runs_dir: Path) -> dict[str, RunDirectory]:
    """The newest run that has ended by the text of its resolved config."""
    found: dict[str, RunDirectory] = {}
    for run in list_runs(runs_dir):
        try:
            summary = read_summary(run)
            text = run.config.read_text(encoding="utf-8")
        except (LmrunError, OSError, UnicodeDecodeError):
            # A damaged run is no run to reuse; `lmrun ls` names it.
            continue
        if summary is not None and summary.get("status") not in {None, Status.INTERRUPTED}:
            found[text] = run
    return found


def _train(need: Wanted, config: str, overrides: Sequence[str], runs_dir: Path, counted: str) -> RunDirectory:
    """Train one run in a process of its own, showing its latest row.

    Raises:
        LmrunError: It could not be trained; its text is that of the process.
    """
    seed = need.loaded.config.seed
    arguments = [config, f"optimizer={need.item}", *overrides, f"seed={seed}", "--quiet", "--json"]
    command = [sys.executable, "-m", "lmrun", "train", *arguments, "--runs-dir", str(runs_dir)]
    before = _paths(runs_dir)
    title = f"{need.item}, seed {seed} ({counted})"
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _watch(process, title, runs_dir, before)
    except KeyboardInterrupt:
        # The process heard it too, finishes its step and writes a checkpoint.
        process.communicate()
        raise typer.Exit(130) from None
    output, errors = process.communicate()
    if process.returncode == 130:
        raise typer.Exit(130)
    try:
        summary = json.loads(output)
    except ValueError:
        raise _failed(title, errors, process.returncode) from None
    run = RunDirectory(Path(summary["run"]))
    typer.echo(
        f"{title}: loss {_text(summary['best_loss'])}, {summary['seconds']:.1f} s, {summary['status']}",
        err=True,
    )
    return run


def _watch(process: subprocess.Popen[str], title: str, runs_dir: Path, before: set[Path]) -> None:
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    run: RunDirectory | None = None
    with console.status(f"{title}: starting") as status:
        while process.poll() is None:
            time.sleep(LOOK_SECONDS)
            if run is None:
                new = [one for one in map(RunDirectory, _paths(runs_dir) - before) if one.exists]
                run = new[0] if len(new) == 1 else None
            row = {} if run is None else last_row(run)
            if "loss" in row:
                status.update(
                    f"{title}: step {row['step']:,.0f}, {row['seconds']:.1f} s, loss {row['loss']:.3e}"
                )


def _paths(runs_dir: Path) -> set[Path]:
    """What lies in the folder of all runs; hidden things aside."""
    if not runs_dir.is_dir():
        return set()
    return {path for path in runs_dir.iterdir() if not path.name.startswith(".")}


def _failed(title: str, errors: str, code: int) -> LmrunError:
    error = LmrunError(f"{title} could not be trained:\n{errors.strip()}")
    error.exit_code = code or 1  # type: ignore[misc]
    return error


def _text(loss: float | None) -> str:
    return "not finite" if loss is None else f"{loss:.2e}"
