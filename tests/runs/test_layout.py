import os
from pathlib import Path

from lmrun.runs.layout import RunDirectory


def test_the_names_of_the_files() -> None:
    run = RunDirectory(Path("runs/a"))
    names = (
        "config source overrides manifest metrics summary weights best_weights last_weights model "
        "checkpoints plots loss_plot log"
    )
    assert [getattr(run, name).relative_to(run.path).as_posix() for name in names.split()] == [
        "config.yaml",
        "source.yaml",
        "overrides.txt",
        "manifest.json",
        "metrics.csv",
        "summary.json",
        "weights",
        "weights/best.weights.h5",
        "weights/last.weights.h5",
        "model.keras",
        "checkpoints",
        "plots",
        "plots/loss.png",
        "log.txt",
    ]
    assert run.checkpoint(12).relative_to(run.path).as_posix() == "checkpoints/step-000000000012.npz"


def test_the_name_is_that_of_the_folder_even_from_inside(tmp_path: Path) -> None:
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert RunDirectory(Path()).name == tmp_path.name
    finally:
        os.chdir(here)
