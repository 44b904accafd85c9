"""Processes on this machine: those of a stub that loads no TensorFlow, and one sweep with real ones."""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmrun.cli import app
from lmrun.errors import UsageError
from lmrun.sweep.executors import local
from lmrun.sweep.executors.base import Demands
from lmrun.sweep.executors.devices import gpus_here
from lmrun.sweep.executors.local import LocalExecutor, make
from lmrun.sweep.job import Answer, Job, Kind
from lmrun.sweep.training import environment

SECONDS = 20.0


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalExecutor]:
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}")
    made = replace(make(Demands(2, 1, 0, None, tmp_path / "logs")), module="stub_worker")
    yield made
    made.close()


def job(name: str, what: str) -> Job:
    return Job(name, "runs", what, "", "", (), "tag", ())


def work(executor: LocalExecutor, *jobs: Job) -> dict[str, Answer]:
    """Train jobs as the driver does."""
    queue, found, end = list(jobs), {}, time.monotonic() + SECONDS
    while (queue or executor.running) and time.monotonic() < end:
        while queue and executor.free:
            executor.submit(queue.pop(0))
        found |= {answer.name: answer for answer in executor.poll(0.2)}
    return found


def test_a_process_trains_one_run_after_the_other(executor: LocalExecutor) -> None:
    answers = work(executor, *(job(str(number), "print") for number in range(8)))
    assert {answer.kind for answer in answers.values()} == {Kind.DONE}
    assert len(answers) == 8
    assert len({answer.reason for answer in answers.values()}) == 2


def test_a_process_that_dies_takes_its_own_run_alone(executor: LocalExecutor) -> None:
    jobs = [job("segv", f"signal {int(signal.SIGSEGV)}"), job("kill", "signal 9"), job("raise", "raise")]
    answers = work(executor, *jobs, *(job(str(number), "") for number in range(3)))
    assert [answers[str(number)].kind for number in range(3)] == [Kind.DONE] * 3
    assert answers["segv"].kind is Kind.CRASHED
    assert "SIGSEGV" in answers["segv"].reason
    assert answers["kill"].kind is Kind.CRASHED
    assert "SIGKILL; if nobody did that, the memory ran out" in answers["kill"].reason
    # What a program raises it raises again.
    assert (answers["raise"].kind, answers["raise"].code) == (Kind.FAILED, 1)
    assert "code 1: RuntimeError: what the user's code says" in answers["raise"].reason


def test_running_jobs_are_asked_to_stop(executor: LocalExecutor) -> None:
    executor.submit(job("a", "long"))
    while not executor.workers[0].answers:
        time.sleep(0.01)
    time.sleep(0.3)
    assert executor.stop() == [Answer("a", Kind.INTERRUPTED, str(executor.workers[0].process.pid))]


def test_one_that_was_asked_to_end_before_it_began_has_not_failed(executor: LocalExecutor) -> None:
    assert work(executor, job("a", "end")) == {"a": Answer("a", Kind.INTERRUPTED)}


def test_a_death_that_was_not_told_yet_is_not_forgotten(executor: LocalExecutor) -> None:
    """Two processes are killed at once; a new one is started for the run of the first."""
    executor.submit(job("first", "long"))
    executor.workers[0].process.kill()
    executor.workers[0].process.wait()
    answers = work(executor, job("second", ""))
    assert {name: answer.kind for name, answer in answers.items()} == {
        "first": Kind.CRASHED,
        "second": Kind.DONE,
    }


def test_closing_ends_what_runs(executor: LocalExecutor) -> None:
    executor.submit(job("a", "long"))
    process = executor.workers[0].process
    executor.close()
    assert process.poll() is not None
    assert not executor.workers


def test_gpus_are_dealt_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demands = Demands(None, 1, 2, None, tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 5,6,7,8")
    monkeypatch.setattr(local, "cores", lambda: 16)
    made = make(demands)
    assert made.slots == 2
    assert made._environment(1)["CUDA_VISIBLE_DEVICES"] == "6,7"
    assert environment(1, 0)["CUDA_VISIBLE_DEVICES"] == ""
    with pytest.raises(UsageError, match="3 runs with 2 GPUs each do not fit: there are 5 here"):
        make(replace(demands, workers=3))
    with pytest.raises(UsageError, match="whole GPUs"):
        make(replace(demands, gpus=0.5))
    with pytest.raises(UsageError, match="Ray cluster"):
        make(replace(demands, address="auto"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    assert gpus_here(tmp_path) == ["0", "1"]


def test_a_sweep_on_real_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process trains four runs, and what a run prints is no answer."""
    monkeypatch.chdir(tmp_path)
    Path("d.csv").write_text("x,y\n1,2\n2,3\n3,5\n4,4\n")
    Path("losses.py").write_text(
        "print('x' * 99)\n\n\ndef residual(outputs, targets):\n    return outputs - targets\n"
    )
    Path("s.yaml").write_text(
        "base:\n"
        "  dataset: {name: table, path: d.csv, inputs: [x], targets: [y]}\n"
        "  model: {name: mlp, hidden: [2]}\n"
        "  loss: {name: custom, residual: 'losses.py:residual'}\n"
        "  training: {max_steps: 2}\n"
        "grid: {dataset.path: [d.csv, none.csv]}\n"
        "seeds: 2\n"
    )
    result = CliRunner().invoke(app, ["sweep", "s.yaml", "--workers", "1", "--json"])
    assert result.exit_code == 3, result.output
    document = json.loads(result.stdout)
    assert [run["status"] for run in document["runs"]] == ["max_steps"] * 2 + ["failed"] * 2
    log = next(Path("runs").glob("sweep-s-*/logs/worker-0.txt")).read_text()
    assert log.count("x" * 99) >= 1
    manifest = json.loads(next(Path("runs").glob("sweep-s-*-0001/manifest.json")).read_text())
    assert manifest["command"][0] == "lmrun"
