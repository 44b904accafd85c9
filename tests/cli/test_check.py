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


def test_a_long_chain_of_ties(run, tmp_path):
    ties = "".join(f"    b{i}: {{expression: b{i + 1}}}\n" for i in range(1500))
    (tmp_path / "c.yaml").write_text(
        "dataset: {name: table, path: d.csv, inputs: [x], targets: [y]}\n"
        f"model:\n  name: formula\n  expression: b0*x\n  parameters:\n{ties}    b1500: 1\n"
    )
    done = run("check", "c.yaml")
    assert (done.exit_code, done.stdout, done.exception) == (0, "c.yaml: valid\n", None)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("{start: 3, min: 5}", "model.parameters.a.start: should be at least 5, not 3"),
        ("{start: 3, max: 2}", "model.parameters.a.start: should be at most 2, not 3"),
        ("{start: 3, min: 4, max: 5}", "model.parameters.a.start: should be from 4 to 5, not 3"),
        (
            "{start: 3, min: 2, range: [1, 4]}",
            "model.parameters.a.range: should stay within the bounds, at least 2",
        ),
    ],
)
def test_bounds_in_words(parameter, words, run, tmp_path):
    (tmp_path / "c.yaml").write_text(
        "dataset: {name: table, path: d.csv, inputs: [x], targets: [y]}\n"
        f"model: {{name: formula, expression: a*x, parameters: {{a: {parameter}}}}}\n"
    )
    assert words in run("check", "c.yaml").stderr


def test_no_such_config(run):
    done = run("check", "sink")
    assert done.exit_code == 2
    assert done.stderr == "There is no file 'sink' and no shipped config of that name. Did you mean 'sinc'?\n"


def test_usage(run):
    assert run("check").exit_code == 2
    assert "No such command 'chek'" in run("chek").stderr
    assert run("--version").stdout.startswith("lmrun ")
    assert run("check", "-h").exit_code == 0
