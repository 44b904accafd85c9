"""`lmrun train` as a user runs it: a process, its streams and its exit code."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from lmrun.cli import app
from lmrun.runs.labels import Labels, read_labels
from lmrun.runs.layout import RunDirectory

TINY = ("dataset.points=60", "model.hidden=[3]", "training={max_steps: 3}")
RESULT = {
    *("run", "status", "message", "steps", "epochs", "seconds", "loss", "best_loss"),
    *("validation_loss", "test", "parameters", "params", "schema_version"),
}


def invoke(*arguments):
    return CliRunner().invoke(app, ["train", *arguments])


@pytest.fixture
def runs_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def test_json_is_one_document_on_stdout(runs_dir):
    result = invoke("sinc", *TINY, "--json", "--name", "first")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert set(document) >= RESULT
    assert document["schema_version"] == 1
    assert document["parameters"] == 10
    assert document["status"] == "max_steps"
    assert (runs_dir / "first" / "summary.json").exists()
    assert "lmrun plot" in result.stderr


def test_a_formula_reports_its_parameters_by_name(runs_dir):
    document = json.loads(invoke("rosenbrock-curve", "optimizer=newton", "--json", "--quiet").stdout)
    assert document["steps"] == 6
    assert document["params"] == pytest.approx({"a": 2.5, "b": 2.5}, abs=1e-9)


def test_seeds_train_one_run_each(runs_dir):
    result = invoke("sinc", *TINY, "--seeds", "3", "--json", "--quiet")
    documents = json.loads(result.stdout)["runs"]
    assert [json.loads((RunDirectory(runs_dir / d["run"].split("/")[-1]).manifest).read_text())["seed"]
            for d in documents] == [10, 11, 12]  # fmt: skip
    assert len({d["loss"] for d in documents}) == 3
    assert invoke("sinc", *TINY, "--quiet", "--json", "seed=12").stdout.count(str(documents[2]["loss"])) > 0


def test_runs_can_be_labelled_as_they_begin(runs_dir):
    labels = ("--tag", "b", "--tag", "a", "--note", " first try ")
    result = invoke("sinc", *TINY, "--name", "labelled", "--quiet", *labels)
    assert result.exit_code == 0
    assert read_labels(RunDirectory(runs_dir / "labelled")) == Labels(("a", "b"), "first try")
    refused = invoke("sinc", *TINY, "--name", "never", "--tag", "no spaces")
    assert refused.exit_code == 2
    assert not (runs_dir / "never").exists()


def test_a_damaged_config_is_put_back_before_it_is_read(runs_dir):
    assert invoke("sinc", *TINY, "--quiet", "--name", "hurt").exit_code == 0
    run = RunDirectory(runs_dir / "hurt")
    run.summary.unlink()
    whole = run.config.read_text()
    run.config.write_text(whole[: len(whole) // 2] + "{")
    result = invoke("--resume", "hurt", "--quiet")
    assert result.exit_code == 0, result.output
    assert "It is put back from the checkpoint" in result.stderr
    assert run.config.read_text() == whole


def test_quiet_says_nothing(runs_dir):
    result = invoke("sinc", *TINY, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_dry_run_shows_sizes_and_writes_nothing(runs_dir):
    result = invoke("sinc", "--dry-run")
    assert result.exit_code == 0
    assert "frequency: 10.0" in result.stdout
    assert "# parameters:    61" in result.stdout
    assert "9.3 MiB, worked through in chunks of " in result.stdout
    assert "# solver:        gram, " in result.stdout
    assert not runs_dir.exists()
    sizes = json.loads(invoke("sinc", "--dry-run", "--json").stdout)
    assert (sizes["jacobian"], sizes["gram"], sizes["rows"]) == (20_000 * 61 * 8, 61 * 61 * 8, 20_000)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "Name a config"),
        (("sinx",), 2, "sinc"),
        (("sinc", "model.hiden=[3]"), 2, "Did you mean 'hidden'?"),
        (("sinc", "device=gpu:7"), 2, "device"),
        (("sinc", "--seeds", "2", "--name", "x"), 2, "--name names one run"),
        (("--resume", "nothing"), 2, "nothing"),
        (("sinc", "--resume", "latest"), 2, "--resume takes a run"),
        (("mnist-cnn", "dataset.path=gone.npz"), 3, "gone.npz"),
        (("rosenbrock-mlp", "optimizer=gauss-newton", "--quiet"), 4, ""),
    ],
)
def test_exit_codes_and_sentences(runs_dir, arguments, code, words):
    result = invoke(*arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr + result.stdout


def test_gauss_newton_on_the_network_says_what_to_try(runs_dir):
    document = json.loads(invoke("rosenbrock-mlp", "optimizer=gauss-newton", "--json").stdout)
    assert document["status"] in ("singular", "diverged")
    assert "optimizer=lm" in document["message"]


def test_ctrl_c_checkpoints_and_exits_130(tmp_path):
    command = [sys.executable, "-m", "lmrun", "train", "sinc", "training={max_steps: 100000}"]
    process = subprocess.Popen(
        [*command, "--runs-dir", str(tmp_path), "--name", "long"], stderr=subprocess.PIPE, text=True
    )
    metrics = tmp_path / "long" / "metrics.csv"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (metrics.exists() and metrics.stat().st_size > 1000):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"lmrun train --resume {tmp_path / 'long'}" in errors
    assert "Traceback" not in errors
    assert json.loads((tmp_path / "long" / "summary.json").read_text())["status"] == "interrupted"
    assert metrics.read_text().endswith("\n")
