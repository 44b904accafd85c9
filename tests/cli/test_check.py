"""`lmrun check`."""

import pytest
from typer.testing import CliRunner

from lmrun.cli import app


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_valid(run, tmp_path):
    (tmp_path / "c.yaml").write_text("dataset: sinc\nmodel: mlp\n")
    done = run("check", "c.yaml")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "c.yaml: valid\n", "")


def test_all_problems_on_stderr(run, tmp_path):
    (tmp_path / "c.yaml").write_text("dataset: sink\nmodel: mpl\n")
    done = run("check", "c.yaml", "seed=x")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "c.yaml:1:10: dataset: unknown name 'sink'. Did you mean 'sinc'?\n"
        "c.yaml:2:8: model: unknown name 'mpl'. Did you mean 'mlp'?\n"
        "override 'seed=x': seed: should be a whole number of at least 0 and below 2**63, not 'x'\n"
    )


def test_overrides(run, tmp_path):
    (tmp_path / "c.yaml").write_text("dataset: sinc\nmodel: mlp\n")
    assert run("check", "c.yaml", "optimizer=adam", "optimizer.learning_rate=0.5").exit_code == 0


def test_no_such_config(run):
    done = run("check", "sink")
    assert done.exit_code == 2
    assert done.stderr == "There is no file 'sink' and no shipped config of that name. Did you mean 'sinc'?\n"


def test_usage(run):
    assert run("check").exit_code == 2
    assert "No such command 'chek'" in run("chek").stderr
    assert run("--version").stdout.startswith("lmrun ")
    assert run("check", "-h").exit_code == 0
