"""`lmrun fit`: a formula fitted to a table, without a YAML file, into the same run directory."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lmrun.cli.choosing import AsJson, RunsDir
from lmrun.errors import UsageError

if TYPE_CHECKING:
    from lmrun.config.load import LoadedConfig

SCHEMA_VERSION = 1


def fit(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A table: CSV, Parquet, NPZ or MAT.")],
    formula: Annotated[str, typer.Argument(metavar="FORMULA", help='Such as "y ~ b1*(1 - exp(-b2*x))".')],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE]...",
            help="More of --start; or a change of the config, such as optimizer.solver=qr.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE...", help="Where each parameter starts: b1=100 b2=0.5.", show_default=False
        ),
    ] = None,
    sigma: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Standard deviations of the target.", show_default=False),
    ] = None,
    absolute_sigma: Annotated[
        bool, typer.Option("--absolute-sigma", help="Take --sigma as known, not as relative to each other.")
    ] = False,
    samples: Annotated[
        Literal["rows", "columns"],
        typer.Option(
            metavar="rows|columns",
            help="Where they lie in an NPZ or MAT file; MATLAB's toolbox has them in columns.",
        ),
    ] = "rows",
    loss: Annotated[
        str | None, typer.Option(help="What is minimized.  [default: mse]", show_default=False)
    ] = None,
    level: Annotated[
        float | None, typer.Option(help="Of all intervals.  [default: 0.95]", show_default=False)
    ] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Profile-likelihood intervals too.")] = False,
    bootstrap: Annotated[
        int | None, typer.Option(metavar="N", min=100, help="N fits to data drawn anew.", show_default=False)
    ] = None,
    cases: Annotated[bool, typer.Option("--cases", help="Draw rows for --bootstrap, not residuals.")] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Decides what --bootstrap draws.", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run directory.", show_default=False)] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no result; errors only.")] = False,
) -> None:
    """Fit a formula to a table and print its parameters; columns in it are inputs, other names parameters."""
    words = words or []
    overrides = [word for word in words if _is_override(word, formula)]
    starts = [*(start or []), *(word for word in words if word not in overrides)]
    overrides += [] if seed is None else [f"seed={seed}"]
    _refuse(level, absolute_sigma, sigma, cases, bootstrap)
    asked = {
        "level": level,
        "known_sigma": absolute_sigma,
        "profile": profile,
        "bootstrap": bootstrap,
        "draw": "case" if cases else None,
    }
    answers = {key: value for key, value in asked.items() if value not in {None, False}}
    options = {"sigma": sigma, "loss": loss, "samples": samples}
    loaded = _load(data, formula, starts, overrides, options, answers)
    _finish(_fit(loaded, runs_dir, name, quiet), as_json, quiet)


def _is_override(word: str, formula: str) -> bool:
    """Whether a word changes the config: its key has a dot, or is one of the config's, not of the formula."""
    from lmrun.config.schema import Config

    key = word.partition("=")[0].strip()
    return "." in key or (key in Config.model_fields and not re.search(rf"\b{re.escape(key)}\b", formula))


def _refuse(
    level: float | None, absolute_sigma: bool, sigma: str | None, cases: bool, bootstrap: int | None
) -> None:
    from lmrun.config.answers import refused_level

    words = None if level is None else refused_level(level)
    if words is not None:
        raise UsageError(f"--level: {words}.")
    if absolute_sigma and sigma is None:
        raise UsageError("--absolute-sigma says what --sigma COLUMN means; name the column too.")
    if cases and bootstrap is None:
        raise UsageError("--cases says what --bootstrap N draws; say how often too.")


def _load(
    data: str,
    formula: str,
    starts: list[str],
    overrides: list[str],
    options: Mapping[str, Any],
    answers: Mapping[str, Any],
) -> LoadedConfig:
    """Make the config; it stands in the run directory as source.yaml."""
    from lmrun.config.dump import as_yaml
    from lmrun.config.load import load_text
    from lmrun.config.short_fit import short_config
    from lmrun.datasets.table_files import read_columns

    path = Path(data).expanduser().absolute()
    if re.match(r"[^\W\d]\w*=", data) and not path.exists():
        raise UsageError(
            f"'{data}' stands where the table should: lmrun fit DATA.csv FORMULA --start {data} ..."
        )
    columns = list(read_columns(str(path), options["samples"]).values)
    text = short_config(str(path), columns, formula, starts, overrides=overrides, **options)
    text += as_yaml({"answers": answers}) if answers else ""
    typed = shlex.join(["lmrun", "fit", data, formula, *(["--start", *starts] if starts else [])])
    comment = " ".join(typed.split())
    return load_text(f"# {comment}\n{text}", Path("fit.yaml").absolute(), overrides, label="lmrun fit")


def _fit(loaded: LoadedConfig, runs_dir: Path, name: str | None, quiet: bool) -> dict[str, Any]:
    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    from lmrun.training.opening import prepare
    from lmrun.training.progress import make_progress
    from lmrun.training.session import execute

    experiment, run = prepare(loaded, runs_dir, name, ["lmrun", *sys.argv[1:]])
    return execute(experiment, run, make_progress(quiet, loaded.config.training.log_seconds))


def _finish(summary: dict[str, Any], as_json: bool, quiet: bool) -> None:
    """Print the parameter table on stdout, how the run ended on stderr, and leave with its exit code."""
    from lmrun.runs.files import to_json
    from lmrun.status import Status, exit_code

    if as_json:
        typer.echo(to_json({"schema_version": SCHEMA_VERSION, **summary}), nl=False)
    if not quiet:
        from rich.console import Console

        from lmrun.cli.outcome import show_outcome
        from lmrun.cli.parameters import show_parameters

        show_outcome(summary, parameters=False)
        if not as_json:
            show_parameters(summary["fit"], Console(highlight=False))
    code = exit_code(Status(summary["status"]), summary["improved"])
    if code:
        raise typer.Exit(code)
