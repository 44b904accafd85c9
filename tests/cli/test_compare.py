"""`lmrun compare` from typed words to a stored comparison; the runs are real and tiny."""

import json
from pathlib import Path

import pytest
from trained_here import train_here
from typer.testing import CliRunner, Result

from lmrun.cli import app, comparing
from lmrun.cli.child import Wanted
from lmrun.config.load import load_config

TINY = ["dataset.points=200", "model.hidden=[2]", "training={batch_size: full, max_steps: 20}"]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["compare", *arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare")


@pytest.fixture
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "train", train_here)


@pytest.fixture(scope="module")
def first(folder: Path) -> Result:
    """Two optimizers, two seeds, four runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(comparing, "train", train_here)
        changes = [word for change in TINY for word in ("--set", change)]
        return invoke("sgd", "lm", "--seeds", "2", *changes)


def again(*arguments: str) -> Result:
    changes = [word for change in TINY for word in ("--set", change)]
    return invoke("sgd", "lm", *changes, *arguments)


def runs_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "runs").iterdir() if not path.name.startswith("compare-"))


def test_a_comparison_from_nothing(first: Result, there: Path) -> None:
    assert first.exit_code == 0, first.output
    assert len(runs_in(there)) == 4
    assert "lm is better: it ends" in first.stdout
    assert "which may still be luck: --seeds 5 would tell." in first.stdout
    for name in ("seeds", "loss, best", "ms per step", "speed-up to"):
        assert name in first.stdout, name
    for counted in ("sgd, seed 10 (1 of 4)", "lm, seed 10 (2 of 4)", "sgd, seed 11 (3 of 4)"):
        assert counted in first.stderr, counted
    (stored,) = (there / "runs").glob("compare-*")
    assert sorted(path.name for path in stored.iterdir()) == [
        "comparison.json",
        "comparison.png",
        "table.csv",
        "table.md",
    ]
    assert (stored / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_finished_runs_are_used_again(first: Result, there: Path) -> None:
    before = runs_in(there)
    result = again("--seeds", "2", "--json")
    assert runs_in(there) == before
    document = json.loads(result.stdout)
    assert [group["label"] for group in document["groups"]] == ["sgd", "lm"]
    assert [group["seeds"] for group in document["groups"]] == [[10, 11], [10, 11]]
    assert document["verdict"]["winner"] == "lm"
    assert document["warnings"] == []
    assert {Path(run).name for group in document["groups"] for run in group["runs"]} == set(before)


def test_a_stored_comparison_is_shown_again(first: Result, there: Path) -> None:
    stored = sorted((there / "runs").glob("compare-*"))[0]
    shown = invoke(stored.name)
    assert shown.exit_code == 0
    assert first.stdout.splitlines()[:8] == shown.stdout.splitlines()[:8]
    assert invoke(str(stored), "--csv").stdout == (stored / "table.csv").read_text()
    assert invoke(str(stored), "--markdown").stdout == (stored / "table.md").read_text()
    assert again("--seeds", "2", "--markdown").stdout == (stored / "table.md").read_text()


def test_runs_are_compared_without_training(first: Result, there: Path) -> None:
    before = runs_in(there)
    result = invoke(*before, "--json")
    document = json.loads(result.stdout)
    assert sorted(group["label"] for group in document["groups"]) == ["lm", "sgd"]
    assert runs_in(there) == before


def test_fresh_trains_again(first: Result, quick: None, there: Path) -> None:
    before = runs_in(there)
    result = invoke("lm", *[word for change in TINY for word in ("--set", change)], "--seeds", "1", "--fresh")
    assert result.exit_code == 0, result.output
    assert len(runs_in(there)) == len(before) + 1
    assert "One group alone" in result.stdout


def test_five_optimizers_on_the_rosenbrock_curve(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    items = ("sgd", "adam", "gauss-newton", "newton", "lm")
    result = invoke(*items, "--config", "rosenbrock-curve", "--seeds", "1", "--json")
    document = json.loads(result.stdout)
    steps = [group["measures"]["steps_to_1e-10"]["median"] for group in document["groups"]]
    assert [group["label"] for group in document["groups"]] == list(items)
    assert steps == [582, 317, 4, 6, 3]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["admm", "lm"], "'admm' is neither an optimizer nor a run. Did you mean 'adam'?"),
        (["adam", "lm", "--json", "--csv"], "--json, --csv and --markdown exclude each other."),
        (["adam", "lm", "--config", "sink"], "sink"),
        (["adam", "lm", "--set", "traning.max_steps=3"], "Did you mean 'training'?"),
        (["20261122-none"], "There is no run '20261122-none'"),
    ],
)
def test_errors(arguments: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert text in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_that_cannot_be_trained_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(
        "dataset: {name: table, path: none.csv, inputs: [x], targets: [y]}\nmodel: {name: mlp, hidden: [2]}\n"
    )
    result = invoke("lm", "sgd", "--config", "mine.yaml")
    assert result.exit_code == 3
    assert "lm, seed" in result.stderr
    assert "none.csv" in result.stderr


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table, a loss and a config of the user's own."""
    monkeypatch.chdir(tmp_path)
    Path("losses.py").write_text(
        "print('x' * 200_000)\n\n\ndef residual(outputs, targets):\n    return outputs - targets\n"
    )
    Path("random.py").write_text("raise RuntimeError('not the library')\n")
    Path("d.csv").write_text("x,y\n1,2\n2,3\n3,5\n4,4\n")
    Path("mine.yaml").write_text(
        "dataset: {name: table, path: d.csv, inputs: [x], targets: [y]}\n"
        "model: {name: mlp, hidden: [2]}\n"
        "loss: {name: custom, residual: 'losses.py:residual'}\n"
        "training: {max_steps: 2}\n"
    )
    return tmp_path


def test_runs_are_used_again_until_data_or_code_change(mine: Path) -> None:
    for _ in range(2):
        result = invoke("lm", "--config", "mine.yaml", "--seeds", "1")
        assert result.exit_code == 0, result.output
    assert len(runs_in(mine)) == 1

    def reusable() -> bool:
        wanted = [Wanted("lm", load_config("mine.yaml", ["optimizer=lm"]))]
        return bool(comparing.finished(Path("runs"), wanted))

    assert reusable()
    for file, old, new in (("d.csv", "4,4", "4,9"), ("losses.py", "outputs - targets", "targets - outputs")):
        before = Path(file).read_text()
        Path(file).write_text(before.replace(old, new))
        assert not reusable(), file
        Path(file).write_text(before)
    assert reusable()
