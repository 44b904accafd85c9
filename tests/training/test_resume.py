"""A stopped run continues as if it had never stopped, bit for bit."""

import math

import h5py
import numpy as np
import pytest

from lmrun.errors import RunDirectoryError, WorkerLostError
from lmrun.runs.checkpoints import read_checkpoint
from lmrun.runs.find import list_runs
from lmrun.runs.metrics import read_metrics
from lmrun.training import loop, opening, session

SMALL = (
    "dataset.points=90",
    "model.hidden=[4]",
    "training={batch_size: full, target_loss: null}",
)
CASES = {
    "lm": ("optimizer=lm", "training.max_steps=12", "training.checkpoint_seconds=0"),
    "lm-batches": (
        "optimizer=lm",
        "training.batch_size=40",
        "training.max_epochs=4",
        "training.checkpoint_seconds=0",
    ),
    "trust-region": (
        "optimizer={name: lm, damping: {update: trust-region, scaling: more}, acceptance: gain-ratio}",
        "training={max_steps: 12, checkpoint_seconds: 0}",
    ),
    "variable-projection": (
        "optimizer={name: lm, projection: variable}",
        "training={batch_size: growing, max_steps: 12, checkpoint_seconds: 0}",
    ),
    "adam": ("optimizer={name: adam}", "training.max_steps=700", "training.checkpoint_seconds=0"),
    "adam-batches": (
        "optimizer={name: adam}",
        "training={batch_size: 20, max_epochs: 30, checkpoint_seconds: 0}",
    ),
    "muon": ("optimizer={name: muon}", "training={max_steps: 300, checkpoint_seconds: 0}"),
    "newton": ("optimizer=newton", "training.max_steps=12", "training.checkpoint_seconds=0"),
    "bayesian": (
        "dataset={name: sine}",
        "optimizer={name: lm, regularization: bayesian}",
        "training={max_steps: 12, checkpoint_seconds: 0}",
    ),
    "decay-restarts": (
        "optimizer={name: lm, regularization: decay}",
        "model.restarts=3",
        "training={max_steps: 12, checkpoint_seconds: 0}",
    ),
    "growing": ("optimizer=lm", "training={batch_size: growing, max_steps: 12, checkpoint_seconds: 0}"),
}


class PowerFailureError(Exception):
    """Stands for a power failure."""


def weights(path):
    values = []

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            values.append(item[()])

    with h5py.File(path) as file:
        file.visititems(collect)
    return values


def assert_same(run, other):
    for path, reference in ((run.last_weights, other.last_weights), (run.best_weights, other.best_weights)):
        for mine, theirs in zip(weights(path), weights(reference), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    columns = read_metrics(run).drop(columns="seconds")
    assert columns.equals(read_metrics(other).drop(columns="seconds"))


@pytest.mark.parametrize("case", CASES)
def test_a_crash_between_any_two_calls_changes_nothing(runs, monkeypatch, case):
    overrides = (*SMALL, *CASES[case])
    _, whole = runs.train("sinc", *overrides)
    calls = iter(range(1000))
    advance = loop.Loop._advance

    def failing(self):
        if next(calls) == 4:
            raise PowerFailureError
        return advance(self)

    monkeypatch.setattr(loop.Loop, "_advance", failing)
    with pytest.raises(PowerFailureError):
        runs.train("sinc", *overrides)
    monkeypatch.undo()
    stopped = next(run for run in list_runs(runs.folder) if run.name != whole.name)
    assert read_checkpoint(stopped).step < read_checkpoint(whole).step
    runs.resume(stopped)
    assert_same(stopped, whole)


def test_a_crash_after_the_last_step_changes_nothing(runs, monkeypatch):
    overrides = ("optimizer=lm", "training.target_loss=null", "training.max_steps=60")
    expected, whole = runs.train("rosenbrock-curve", *overrides)
    assert expected["status"].startswith("converged")

    def failing(*_, **__):
        raise PowerFailureError

    monkeypatch.setattr(session, "summarize", failing)
    with pytest.raises(PowerFailureError):
        runs.train("rosenbrock-curve", *overrides)
    monkeypatch.undo()
    stopped = next(run for run in list_runs(runs.folder) if run.name != whole.name)
    summary = runs.resume(stopped)
    assert_same(stopped, whole)
    for summaries in (summary, expected):
        summaries.pop("run")
        summaries.pop("seconds")
    changing = {"peak_memory_bytes": None}
    assert {**summary, **changing} == {**expected, **changing}


def interrupted_table(runs, tmp_path, monkeypatch):
    """A run on a table, interrupted after its second step."""
    (tmp_path / "d.csv").write_text("x,y\n" + "".join(f"{x},{math.sin(x)!r}\n" for x in range(8)))
    config = tmp_path / "d.yaml"
    config.write_text(
        "dataset: {name: table, path: d.csv, inputs: [x], targets: [y]}\nmodel: {name: mlp, hidden: [3]}\n"
    )
    advance = loop.Loop._advance

    def interrupted(self):
        status = advance(self)
        self.interruption.asked = self.state.step == 2
        return status

    monkeypatch.setattr(loop.Loop, "_advance", interrupted)
    _, run = runs.train(str(config), "training.max_steps=5")
    monkeypatch.undo()
    return run


@pytest.mark.parametrize("module", ["tracker.Tracker.settle_best", "session.save_models"])
def test_a_worker_lost_at_the_end_takes_no_step_back(runs, monkeypatch, module):
    arguments = ("sinc", *SMALL, "training={max_steps: 6, checkpoint_seconds: 0}")
    _, whole = runs.train(*arguments)

    def lost(*_):
        raise WorkerLostError("The connection is lost.")

    with monkeypatch.context() as patch:
        patch.setattr(f"lmrun.training.{module}", lost)
        with pytest.raises(
            WorkerLostError, match=r"stands at step 6, in a checkpoint.*--resume .* --workers"
        ):
            runs.train(*arguments)
    (stopped,) = [run for run in list_runs(runs.folder) if run.name != whole.name]
    assert runs.resume(stopped)["steps"] == 6
    rows, others = (read_metrics(run).drop(columns="seconds") for run in (stopped, whole))
    assert rows.equals(others)


def test_changed_data_is_not_resumed(runs, tmp_path, monkeypatch):
    run = interrupted_table(runs, tmp_path, monkeypatch)
    data = tmp_path / "d.csv"
    data.write_text(data.read_text().replace("0,0.0", "0,0.5"))
    with pytest.raises(RunDirectoryError, match="data of the run"):
        runs.resume(run)


def test_a_changed_config_is_put_back_and_told(runs, tmp_path, monkeypatch, caplog):
    run = interrupted_table(runs, tmp_path, monkeypatch)
    text = run.config.read_text()
    assert "[3]" in text
    run.config.write_text(text.replace("[3]", "[4]"))
    assert runs.resume(run)["steps"] == 5
    assert run.config.read_text() == text
    assert "config.yaml was not the one that the run began with" in caplog.text
    assert "config.yaml was not the one that the run began with" in run.log.read_text()


@pytest.mark.parametrize("change", [("[3]", "[4]"), ("name: lm", "name: adam")])
def test_a_config_that_was_changed_unseen_is_not_resumed(runs, tmp_path, monkeypatch, change):
    """As where a run of an earlier version has no checksums."""
    run = interrupted_table(runs, tmp_path, monkeypatch)
    text = run.config.read_text()
    assert change[0] in text
    if change[1].endswith("adam"):
        start = text.index("optimizer:")
        end = text.index("training:")
        text = text[:start] + "optimizer: {name: adam}\n" + text[end:]
    else:
        text = text.replace(*change)
    run.config.write_text(text)
    monkeypatch.setattr(opening, "put_right", lambda run, tell: None)
    with pytest.raises(RunDirectoryError, match="does not fit"):
        runs.resume(run)


def test_ctrl_c_finishes_the_step_and_the_run_can_go_on(runs, monkeypatch):
    overrides = (*SMALL, "optimizer=lm", "training.max_steps=6")
    _, whole = runs.train("sinc", *overrides)
    advance = loop.Loop._advance

    def interrupted(self):
        status = advance(self)
        self.interruption.asked = self.state.step == 3
        return status

    monkeypatch.setattr(loop.Loop, "_advance", interrupted)
    summary, run = runs.train("sinc", *overrides)
    monkeypatch.undo()
    assert summary["status"] == "interrupted"
    assert summary["steps"] == 3
    assert runs.resume(run)["steps"] == 6
    assert_same(run, whole)
