"""The runs of `lmrun compare` in this process: another one would load TensorFlow for seconds."""

from collections.abc import Sequence
from pathlib import Path

import typer
from typer.testing import CliRunner

from lmrun.cli import app
from lmrun.cli.child import Wanted, typed
from lmrun.runs.create import draw_name
from lmrun.runs.layout import RunDirectory


def train_here(
    need: Wanted, config: str, overrides: Sequence[str], runs_dir: Path, counted: str
) -> RunDirectory:
    """Train as `lmrun.cli.child.train` does, and as its child would; for `lmrun.cli.comparing.train`."""
    name = draw_name(need.loaded.config.dataset.name, need.item, need.loaded.config.seed)
    result = CliRunner().invoke(app, typed(need, config, overrides, runs_dir, name))
    assert result.exit_code == 0, (need.item, result.output, result.exception)
    typer.echo(f"{need.item}, seed {need.loaded.config.seed} ({counted})", err=True)
    return RunDirectory(runs_dir / name)
