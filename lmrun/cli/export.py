"""`lmrun export`: a trained model where it is to run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lmrun.cli.choosing import Run, RunsDir
from lmrun.config.suggest import did_you_mean
from lmrun.errors import UsageError

NAMES = ("keras", "savedmodel", "onnx", "tflite", "c", "npz")


def export(
    run: Run,
    kind: Annotated[
        str, typer.Option("--format", "-f", help=f"One of {', '.join(NAMES)}.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Left out: model.* of the run.", show_default=False
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Write the trained model, normalization included, in another format, and print its path."""
    if kind not in NAMES:
        raise UsageError(f"There is no format '{kind}'.{did_you_mean(kind, NAMES)}")
    from lmrun.runs.find import find_run

    found = find_run(run, runs_dir)
    from lmrun.quiet import load_tensorflow, without_greetings

    load_tensorflow()
    from lmrun.export.formats import FORMATS, Exported, write
    from lmrun.predict.predictor import load_predictor

    output = output or found.exported(FORMATS[kind].suffix)
    if output.resolve() == found.model.resolve():
        raise UsageError(f"{found.model} is that model already. Choose another -o.")
    if not output.parent.is_dir():
        raise UsageError(f"There is no folder {output.parent}. Make it, or choose another -o.")
    loaded = load_predictor(found)
    logits = (bool(loaded.classes) or loaded.answers) and not loaded.probabilities
    with without_greetings():
        exported = Exported(found, loaded.model, loaded.inputs, loaded.targets, logits)
        write(kind, exported, output)
    typer.echo(output)
