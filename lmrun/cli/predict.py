"""`lmrun predict`: a trained run on new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lmrun.cli.choosing import Runs, RunsDir
from lmrun.errors import UsageError


def predict(
    runs: Runs,
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="CSV, Parquet, NPZ or MAT.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="CSV, Parquet, NPZ or MAT. Left out: DATA-predicted, in the same format and folder.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        Literal["rows", "columns"] | None,
        typer.Option(
            metavar="rows|columns",
            help="Where they lie in an NPZ or MAT file. Left out: as in the data of the run.",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Predict the rows of a file in your units, add the columns, and print the path of the new file.

    What several runs predict is averaged.
    """
    from lmrun.predict.writers import WRITERS, check_output
    from lmrun.runs.find import find_run

    output = output or data.with_name(f"{data.stem}-predicted{data.suffix}")
    check_output(output)
    if not data.is_file():
        raise UsageError(f"There is no file {data}. Name a CSV, Parquet, NPZ or MAT file of rows to predict.")
    if output.resolve() == data.resolve():
        raise UsageError(f"{output} holds the rows to predict. Choose another -o.")
    if not output.parent.is_dir():
        raise UsageError(f"There is no folder {output.parent}. Make it, or choose another -o.")
    found = [find_run(run, runs_dir) for run in runs]
    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    from lmrun.datasets.table_files import CSV
    from lmrun.predict.predictor import load_ensemble
    from lmrun.predict.rows import predicted
    from lmrun.runs.files import replacing

    predictor = load_ensemble(found)
    samples, write_to = samples or predictor.samples, WRITERS[output.suffix.lower()]
    as_text = {data.suffix.lower(), output.suffix.lower()} <= set(CSV)
    with replacing(output) as temporary, write_to(temporary, samples) as writer:
        for part in predicted(predictor, str(data), samples, as_text=as_text):
            writer.write(part)
    typer.echo(output)
