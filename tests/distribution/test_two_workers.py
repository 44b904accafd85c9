"""Two processes on the loopback make the steps of a single one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import worker

from lmrun.distribution.reducer import Alone
from lmrun.runs.checkpoints import read_checkpoint
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics
from lmrun.runs.summary import read_summary
from lmrun.training.opening import prepare, reopen
from lmrun.training.progress import SilentProgress
from lmrun.training.session import execute

CONFIG = """
dataset:
  {name: table, path: part-*.npz, inputs: [x], targets: [y],
   split: {by: random, validation: 0.1, test: 0.1}}
model: {name: mlp, hidden: [4]}
optimizer: {name: lm}
training: {max_steps: 8}
"""
PARAMETERS = 13
TOLERANCE = 1e-10
# A last layer that is all but undamped amplifies the rounding of sums, which is 1e-7 in float32.
COARSER = {"projection": 1e-6, "float32": 1e-4, "reproducible": 0.0}


class Launch(NamedTuple):
    folder: Path
    codes: list[int]
    said: str


@pytest.fixture(scope="module")
def launch(tmp_path_factory, free_ports):
    """Train all cases by two workers, of which the second one leaves the last run."""
    folder = tmp_path_factory.mktemp("workers")
    x = np.linspace(-1, 1, 75)
    for number, piece in enumerate(np.array_split(x, 3)):
        np.savez(folder / f"part-{number}.npz", x=piece, y=np.sin(3 * piece))
    np.savez(folder / "whole.npz", x=x, y=np.sin(3 * x))
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
    command = [sys.executable, str(Path(worker.__file__)), addresses, str(folder)]
    # As users do it: both processes are started by one command.
    with (folder / "said").open("w+", encoding="utf-8") as said:
        processes = [subprocess.Popen(command, stderr=said, env={**os.environ}) for _ in range(2)]
        try:
            codes = [process.wait(timeout=120) for process in processes]
        finally:
            for process in processes:
                process.kill()
        said.seek(0)
        return Launch(folder, codes, said.read())


def run_of(launch, name):
    return RunDirectory(launch.folder / "two" / name)


@pytest.fixture
def alone(launch, tmp_path):
    """Return a function that trains a case in this process."""

    def train(name):
        experiment, run = prepare(worker.configs(launch.folder)[name], tmp_path, name, ["lmrun"], Alone())
        return execute(experiment, run, SilentProgress()), run

    return train


@pytest.mark.parametrize("name", worker.TRAINED)
def test_two_workers_make_the_steps_of_one(launch, alone, name):
    summary, run = alone(name)
    single, shared = read_metrics(run), read_metrics(run_of(launch, name))
    tolerance = COARSER.get(name, TOLERANCE)
    for column in ("loss", "validation_loss"):
        np.testing.assert_allclose(
            shared[column], single[column], rtol=0, atol=tolerance, err_msg=launch.said
        )
    found = read_summary(run_of(launch, name))
    assert found is not None
    assert found["status"] == summary["status"]
    assert found["test"]["rmse"] == pytest.approx(summary["test"]["rmse"], abs=10 * tolerance)
    assert found["distribution"]["workers"] == 2
    assert summary["distribution"] is None


def test_a_step_moves_no_more_than_n_squared_plus_n_numbers(launch):
    found = read_summary(run_of(launch, "lm"))
    assert found is not None
    per_step = found["distribution"]["numbers_per_step"]
    # One triangle with the gradient, loss and what goes along with it, a bend, the loss of a trial at least.
    triangle = PARAMETERS * (PARAMETERS + 1) // 2 + PARAMETERS + 1
    assert triangle + 3 < per_step <= PARAMETERS**2 + PARAMETERS


def test_the_answers_are_of_all_rows(launch, alone):
    summary, _ = alone("qr")
    found = read_summary(run_of(launch, "qr"))
    assert found is not None
    assert found["fit"]["observations"] == summary["fit"]["observations"] == 59
    assert found["fit"]["effective_parameters"] == pytest.approx(
        summary["fit"]["effective_parameters"], rel=1e-6
    )


def test_any_worker_can_be_interrupted(launch):
    found = read_summary(run_of(launch, "interrupted"))
    assert found is not None
    assert (found["status"], found["steps"]) == ("interrupted", worker.AT_STEP + 1)


def test_a_lost_worker_ends_the_run_with_a_checkpoint_that_goes_on(launch, alone):
    run = run_of(launch, "lost")
    assert sorted(launch.codes) == [6, 9]
    assert "The connection to worker 1 (127.0.0.1:" in launch.said
    assert f"The run stands at step {worker.AT_STEP}, in a checkpoint" in launch.said
    assert f"lmrun train --resume {run.path} --workers" in launch.said
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    assert checkpoint.step == worker.AT_STEP
    execute(reopen(run), run, SilentProgress())
    whole = read_metrics(alone("lost")[1])
    np.testing.assert_allclose(read_metrics(run)["loss"], whole["loss"], rtol=0, atol=TOLERANCE)
