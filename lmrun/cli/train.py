"""`lmrun train`: one config, one run directory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmrun.cli.choosing import AsJson, RunsDir, complete_runs
from lmrun.cli.workers import Workers, join, meet, require_place, take_place, what_to_train
from lmrun.errors import UsageError
from lmrun.runs.labels import Labels, write_labels

if TYPE_CHECKING:
    from lmrun.config.load import LoadedConfig
    from lmrun.config.schema import Config
    from lmrun.distribution.meeting import Place
    from lmrun.distribution.reducer import Reducer

CARRIED = "carried"

SCHEMA_VERSION = 1


def train(
    config: Annotated[
        str | None, typer.Argument(help="A YAML file, or the name of a shipped config.", show_default=False)
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Changes, such as optimizer=adam.", show_default=False),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Train N runs with the seeds seed ... seed+N-1.")] = 1,
    name: Annotated[str | None, typer.Option(help="Name of the run directory.", show_default=False)] = None,
    runs_dir: RunsDir = Path("runs"),
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Continue a stopped run: a path, a prefix of its name, or latest.",
            show_default=False,
            autocompletion=complete_runs,
        ),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="A tag of the run; may be repeated.", show_default=False)
    ] = None,
    note: Annotated[str, typer.Option(help="A note to the run.", show_default=False)] = "",
    workers: Workers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be trained, and stop.")] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary; errors only.")] = False,
) -> None:
    """Train from a YAML file and leave a complete run directory."""
    if resume is not None:
        if config is not None or overrides or name is not None or seeds != 1 or dry_run or tag or note:
            raise UsageError(
                "--resume takes a run and, where it has several, --workers; its config lies in the run."
            )
        summary = _resume(resume, runs_dir, workers, quiet)
        _finish([summary], many=False, as_json=as_json, quiet=quiet)
        return
    if config is None:
        raise UsageError("Name a config: lmrun train CONFIG, such as lmrun train sinc.")
    if name is not None and seeds > 1:
        raise UsageError("--name names one run; with --seeds the runs get names of their own.")
    labels = Labels(note=note.strip()).with_tags(tag or ())
    loaded = _load(config, [*(overrides or []), *(["distribution=multi-worker"] if workers else [])], seeds)
    if dry_run:
        _dry_run(loaded[0], as_json)
        return
    reducer = _joined(loaded[0].config, config, workers, seeds, quiet)
    summaries: list[dict[str, Any]] = []
    for one in loaded:
        summaries.append(_train(one, runs_dir, name, labels, quiet, reducer))
        if summaries[-1]["status"] == "interrupted":
            break
    _finish(summaries, many=seeds > 1, as_json=as_json, quiet=quiet)


def _load(config: str, overrides: list[str], seeds: int) -> list[LoadedConfig]:
    """Read the config, once per seed."""
    from lmrun.config.load import load_config

    first = load_config(config, overrides)
    seed = first.config.seed
    return [first] + [load_config(config, [*overrides, f"seed={seed + more}"]) for more in range(1, seeds)]


def _joined(config: Config, name: str, workers: str | None, seeds: int, quiet: bool) -> Reducer | None:
    """Join the other workers, where there are any."""
    if config.distribution != "multi-worker":
        return None
    place = require_place(take_place(workers), name)
    meet(place, what_to_train(config, seeds), quiet=quiet)
    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    return join(place.cluster, config.device)


def _train(
    loaded: LoadedConfig,
    runs_dir: Path,
    name: str | None,
    labels: Labels,
    quiet: bool,
    reducer: Reducer | None,
) -> dict[str, Any]:
    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    if reducer is not None and reducer.index > 0:
        from lmrun.training.beside import execute_beside, prepare_beside

        return execute_beside(prepare_beside(loaded.config, reducer))
    from lmrun.training.opening import prepare
    from lmrun.training.progress import make_progress
    from lmrun.training.session import execute

    experiment, run = prepare(loaded, runs_dir, name, ["lmrun", *sys.argv[1:]], reducer)
    if labels != Labels():
        write_labels(run, labels)
    return execute(experiment, run, make_progress(quiet, loaded.config.training.log_seconds))


def _resume(name: str, runs_dir: Path, workers: str | None, quiet: bool) -> dict[str, Any]:
    from lmrun.quiet import load_tensorflow
    from lmrun.runs.find import find_run

    place = take_place(workers)
    if place is not None and place.index > 0:
        return _resume_beside(place, quiet)
    run = find_run(name, runs_dir)
    from lmrun.config.load import load_config
    from lmrun.runs.mend import put_right

    def tell(sentence: str) -> None:
        typer.echo(sentence, err=True)

    # First: what is damaged may be the config itself.
    put_right(run, tell)
    config = load_config(str(run.config)).config
    reducer = None
    if config.distribution == "multi-worker":
        place = require_place(place, f"--resume {name}")
        meet(place, {"resume": True, CARRIED: run.config.read_text(encoding="utf-8")}, quiet=quiet)
    elif workers:
        raise UsageError(f"The run {run.name} is that of a single process; resume it without --workers.")
    load_tensorflow()
    if config.distribution == "multi-worker" and place is not None:
        reducer = join(place.cluster, config.device)
    from lmrun.training.opening import reopen
    from lmrun.training.progress import make_progress
    from lmrun.training.session import execute

    experiment = reopen(run, reducer, tell)
    return execute(experiment, run, make_progress(quiet, experiment.config.training.log_seconds))


def _resume_beside(place: Place, quiet: bool) -> dict[str, Any]:
    """Go on with a run whose directory the first worker has."""
    first = meet(place, {"resume": True}, quiet=quiet)
    from lmrun.config.load import load_text
    from lmrun.quiet import load_tensorflow

    config = load_text(first[CARRIED], Path("resumed.yaml"), label="the run's config").config
    load_tensorflow()
    from lmrun.training.beside import execute_beside, prepare_beside

    return execute_beside(prepare_beside(config, join(place.cluster, config.device)))


def _dry_run(loaded: LoadedConfig, as_json: bool) -> None:
    from dataclasses import asdict

    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    from lmrun.build import build
    from lmrun.config.dump import to_yaml
    from lmrun.training.loop import schedule_of
    from lmrun.training.memory import human, plan, refuse_impossible

    refuse_impossible(loaded.config)
    experiment = build(loaded.config)
    sizes = plan(experiment, schedule_of(experiment))
    if as_json:
        document = {"schema_version": SCHEMA_VERSION, "config": loaded.config.model_dump(mode="json")}
        typer.echo(json.dumps({**document, "device": experiment.device, **asdict(sizes)}, indent=2))
        return
    typer.echo(to_yaml(loaded.config))
    for label, value in (
        ("device", experiment.device),
        ("parameters", f"{sizes.parameters:,}"),
        ("training rows", f"{sizes.rows:,}, {sizes.batch_rows:,} per step"),
        ("J", f"{human(sizes.jacobian)}, worked through in chunks of {human(sizes.jacobian_chunk)}"),
        ("JᵀJ", human(sizes.gram)),
        ("solver", f"{sizes.form}, {human(sizes.held)}" if sizes.form else "none needed"),
        ("memory", f"about {human(sizes.needed)} besides {human(sizes.resident)} held already"),
        ("free", f"{human(sizes.available)} {sizes.available_of}"),
    ):
        typer.echo(f"# {label + ':':<15}{value}")


def _finish(summaries: list[dict[str, Any]], *, many: bool, as_json: bool, quiet: bool) -> None:
    """Print the results and leave with the worst exit code."""
    from lmrun.runs.files import to_json
    from lmrun.status import Status, exit_code

    # What there is to show is shown by the worker that has the run.
    beside = any(summary["run"] is None for summary in summaries)
    quiet, as_json = quiet or beside, as_json and not beside
    if as_json:
        body = {"runs": summaries} if many else summaries[0]
        typer.echo(to_json({"schema_version": SCHEMA_VERSION, **body}), nl=False)
    if not quiet:
        from lmrun.cli.outcome import show_outcome

        for summary in summaries:
            show_outcome(summary)
    codes = [exit_code(Status(summary["status"]), summary["improved"]) for summary in summaries]
    if any(codes):
        raise typer.Exit(max(codes))
