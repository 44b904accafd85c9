import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from lmrun.cli.plot import plot
from lmrun.compare.document import compare, store
from lmrun.errors import RunDirectoryError, UsageError
from lmrun.runs.create import create_run
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import MetricsWriter


def invoke(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(plot)
    return CliRunner().invoke(app, arguments)


def make(name: str, seed: int) -> RunDirectory:
    run = create_run(
        Path("runs"),
        dataset="sinc",
        optimizer="lm",
        seed=seed,
        name=name,
        config_yaml=f"seed: {seed}\n",
        source="",
        overrides=[],
        manifest={"started": f"2026-01-{seed:02}"},
    )
    with MetricsWriter(run) as writer:
        writer.write([{"step": step, "seconds": float(step), "loss": 1 / (step + 1)} for step in range(3)])
    return run


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make("first", 1)
    make("second", 2)


def test_one_run_keeps_its_figure() -> None:
    result = invoke("latest")
    assert (result.exit_code, result.stdout) == (0, "runs/second/plots/loss.png\n")
    assert Path("runs/second/plots/loss.png").is_file()


def test_several_runs_are_drawn_here() -> None:
    result = invoke("fir", "runs/second")
    assert (result.exit_code, result.stdout) == (0, "loss.png\n")
    assert Path("loss.png").is_file()


def test_output_and_runs_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    result = invoke("first", "-o", "figures/a.svg", "--runs-dir", "../runs", "--kind", "loss")
    assert (result.exit_code, result.stdout) == (0, "figures/a.svg\n")
    assert (tmp_path / "elsewhere" / "figures" / "a.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        (["first", "--kind", "los"], UsageError, "There is no figure 'los'. Did you mean 'loss'?"),
        (["firts"], RunDirectoryError, "There is no run 'firts' in runs. Nearest: first."),
        (
            ["first", "-o", "a.gif"],
            UsageError,
            "Cannot draw a.gif: the ending '.gif' is no known format. Known: png, svg, pdf.",
        ),
    ],
)
def test_errors(arguments: list[str], kind: type[Exception], text: str) -> None:
    result = invoke(*arguments)
    assert isinstance(result.exception, kind)
    assert str(result.exception) == text
    assert result.stdout == ""


def test_no_run_is_a_usage_error() -> None:
    assert invoke().exit_code == 2


def test_seeds_are_drawn_as_medians_and_a_comparison_as_it_was(make_result) -> None:
    results = [make_result("lm", seed) for seed in (10, 11, 12)]
    result = invoke(*(one.run.name for one in results), "-o", "seeds.svg")
    assert (result.exit_code, result.stdout) == (0, "seeds.svg\n")
    assert "median and quartiles over the seeds" in Path("seeds.svg").read_text()
    folder = store(Path("runs"), compare([*results, make_result("adam")], ["lm", "adam"]), Path.touch)
    result = invoke(folder.path.name)
    assert (result.exit_code, result.stdout) == (0, f"{folder.figure}\n")
    assert folder.figure.is_file()
    shutil.rmtree(results[0].run.path)
    before = folder.figure.read_bytes()
    result = invoke(folder.path.name)
    assert "its figure comparison.png stays as it is" in str(result.exception)
    assert folder.figure.read_bytes() == before
    assert invoke(folder.path.name, "-o", "left.svg").stdout == "left.svg\n"
    result = invoke(folder.path.name, "--kind", "fit")
    assert str(result.exception) == "--kind fit draws one run, not a comparison; name one of its runs."


def test_a_run_that_has_not_ended_is_drawn_by_itself(make_result) -> None:
    names = [make_result("lm", seed).run.name for seed in (10, 11)]
    result = invoke(*names, "first", "-o", "a.svg")
    assert result.exit_code == 0, result.exception
    assert "median" not in Path("a.svg").read_text()
