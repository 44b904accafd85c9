"""`lmrun sweep`: many runs of one config."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from lmrun.cli.choosing import AsJson, RunsDir
from lmrun.config.suggest import did_you_mean
from lmrun.errors import RunDirectoryError, UsageError

if TYPE_CHECKING:
    from lmrun.sweep.executors.base import Executor
    from lmrun.sweep.layout import SweepDirectory
    from lmrun.sweep.plan import Plan
    from lmrun.sweep.results import RunResult

INTERRUPTED = 130


def sweep(
    sweep_file: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP",
            help="A sweep's YAML file; or a sweep's directory, to continue it.",
            show_default=False,
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="Changes of the config in all runs.", show_default=False
        ),
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            help="What trains: local (processes here) or ray.  [default: local]", show_default=False
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Of a running Ray cluster: auto, or host:port.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Train so many runs side by side.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the sweep, after `sweep-`.", show_default=False)
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    retry: Annotated[bool, typer.Option("--retry", help="Train again what failed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the runs, and stop.")] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no result; errors only.")] = False,
) -> None:
    """Train many runs of one config: a grid, draws, seeds. The same command again continues."""
    from lmrun.cli.sweep_table import show_plan, show_results
    from lmrun.runs.files import write_text_atomically
    from lmrun.sweep.results import as_csv, read_results
    from lmrun.sweep.store import RETRIED, append, driving, failures, plan_is_good, write_plan

    directory, plan = _planned(sweep_file, overrides or [], name, runs_dir)
    options = Options(
        executor or plan.settings.executor, address or plan.settings.address, workers or plan.settings.workers
    )
    make = _executor(options, plan, directory)
    if dry_run:
        show_plan(plan, as_json)
        return
    if not plan_is_good(directory):
        write_plan(directory, plan)
    with driving(directory):
        if retry:
            append(directory, RETRIED, list(failures(directory)))
        done = _train(directory, plan, make, quiet)
        results = read_results(directory, plan)
        write_text_atomically(directory.table, as_csv(results))
    show_results(directory, results, done=done, as_json=as_json, quiet=quiet)
    code = _exit_code(results) if done else INTERRUPTED
    if code:
        raise typer.Exit(code)


class Options(NamedTuple):
    """What a sweep's file says, or the command line instead."""

    executor: str
    address: str | None
    workers: int | None


def _planned(
    typed: str, overrides: list[str], name: str | None, runs_dir: Path
) -> tuple[SweepDirectory, Plan]:
    """The sweep of a file, or one that has begun."""
    from lmrun.sweep.layout import SweepDirectory, find_sweep
    from lmrun.sweep.plan import make_plan
    from lmrun.sweep.store import read_plan

    path = Path(typed).expanduser()
    begun = None if path.is_file() else find_sweep(typed, runs_dir)
    if begun is not None:
        if overrides or name is not None:
            raise UsageError(
                f"{begun.name} has begun: its runs stay as they are. Name the sweep's file instead."
            )
        return begun, read_plan(begun)
    if not path.is_file():
        raise UsageError(_nothing(path))
    plan = make_plan(path, overrides, name)
    directory = SweepDirectory(runs_dir / plan.name)
    known = _known(directory, named=name is not None)
    if known is not None and not known.is_that_of(plan):
        raise UsageError(f"{directory.path} is another sweep. Choose another --name.")
    return directory, plan


def _known(directory: SweepDirectory, *, named: bool) -> Plan | None:
    """The plan that has been written; None where there is none, or a damaged one that can be made again.

    Raises:
        RunDirectoryError: It is damaged, and the sweep's name does not say which runs it has.
    """
    from lmrun.sweep.store import read_plan

    try:
        return read_plan(directory) if directory.exists else None
    except RunDirectoryError as error:
        if named:
            raise
        typer.echo(f"{str(error).partition(' Restore')[0]} It is made again from the sweep's file.", err=True)
        return None


def _nothing(path: Path) -> str:
    siblings = [str(one) for one in sorted(path.parent.glob("*.y*ml"))] if path.parent.is_dir() else []
    near = did_you_mean(str(path), siblings)
    return f"There is no file '{path}', and no sweep of that name.{near}"


def _executor(options: Options, plan: Plan, directory: SweepDirectory) -> Callable[[], Executor]:
    """What makes the executor, once it is needed."""
    from lmrun.sweep.executors.base import Demands
    from lmrun.sweep.executors.registry import MODULES, make_executor

    if options.executor not in MODULES:
        raise UsageError(
            f"There is no executor '{options.executor}'.{did_you_mean(options.executor, MODULES)}"
        )
    resources = plan.settings.resources
    demands = Demands(options.workers, resources.cpus, resources.gpus, options.address, directory.logs)
    return lambda: make_executor(options.executor, demands)


def _train(directory: SweepDirectory, plan: Plan, make: Callable[[], Executor], quiet: bool) -> bool:
    from lmrun.cli.sweep_display import make_display
    from lmrun.sweep.drive import Driver
    from lmrun.training.interrupt import listening

    display = make_display(directory, plan, quiet)
    command = ("lmrun", *sys.argv[1:])
    try:
        with listening() as interruption:
            return Driver(directory, plan, make, display, interruption, command).train()
    except KeyboardInterrupt:
        # The second one: the processes have been ended, and their runs go on from their last checkpoints.
        return False
    finally:
        display.close()


def _exit_code(results: Sequence[RunResult]) -> int:
    """The worst of what could not be trained; 4 where no run came to anything."""
    from lmrun.status import FAILED
    from lmrun.sweep.results import BAD

    worst = max(result.code for result in results)
    return worst or (FAILED if all(result.state in BAD for result in results) else 0)
