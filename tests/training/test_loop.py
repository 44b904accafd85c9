"""The loop and what a run leaves behind."""

import itertools
import json
import math

import keras
import numpy as np
import pandas as pd
import pytest

from lmrun.build import build
from lmrun.config.load import load_config
from lmrun.errors import ConfigError, DataError, MemoryRefusedError, RunDirectoryError
from lmrun.runs.lock import alone
from lmrun.runs.metrics import read_metrics
from lmrun.training import memory, session
from lmrun.training.first_order import FirstOrderDriver
from lmrun.training.opening import prepare
from lmrun.training.progress import make_progress

TINY = ("dataset.points=60", "model.hidden=[3]")


def test_a_run_directory_is_complete(runs):
    summary, run = runs.train("sinc", *TINY, "training={max_steps: 5}")
    names = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    assert names >= {
        "config.yaml",
        "source.yaml",
        "overrides.txt",
        "manifest.json",
        "metrics.csv",
        "summary.json",
        "weights/best.weights.h5",
        "weights/last.weights.h5",
        "model.keras",
        "log.txt",
        "checkpoints/step-000000000005.npz",
    }
    assert json.loads(run.summary.read_text())["steps"] == summary["steps"] == 5
    manifest = json.loads(run.manifest.read_text())
    assert manifest["seed"] == 10
    assert manifest["finished"] is not None
    metrics = read_metrics(run)
    assert list(metrics["step"]) == [0, 1, 2, 3, 4, 5]
    assert metrics["loss"].iloc[0] == summary["initial_loss"]
    assert metrics["loss"].iloc[-1] == summary["loss"]
    assert metrics["loss"].is_monotonic_decreasing
    assert metrics["seconds"].is_monotonic_increasing


def test_the_saved_config_repeats_the_run(runs):
    first, run = runs.train("sinc", *TINY, "training={max_steps: 4}", "seed=3")
    again, repeated = runs.train(str(run.config))
    assert again["loss"] == first["loss"]
    assert repeated.config.read_text() == run.config.read_text()


@pytest.mark.parametrize("optimizer", ["lm", "adam"])
def test_mini_batches_train_and_end_where_they_should(runs, optimizer):
    summary, run = runs.train(
        "sinc", *TINY, f"optimizer={{name: {optimizer}}}", "training={batch_size: 25, max_epochs: 3}"
    )
    assert summary["status"] == "max_epochs"
    assert summary["steps"] == 9
    assert summary["epochs"] == 3
    rows = read_metrics(run)
    expected = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] if optimizer == "lm" else [0, 3, 6, 9]
    assert list(rows["step"]) == expected
    assert list(rows["epoch"])[-1] == 3
    assert summary["loss"] < summary["initial_loss"]


def test_the_target_of_mini_batches_is_confirmed_on_all_rows(runs):
    summary, _ = runs.train(
        "sinc",
        *TINY,
        "optimizer={name: adam, learning_rate: 0.05}",
        "training={batch_size: 20, max_epochs: 500, target_loss: 0.06}",
    )
    assert summary["status"] == "target_reached"
    assert summary["loss"] <= 0.06


def test_validation_with_patience_keeps_the_best(runs):
    summary, run = runs.train(
        "sinc",
        "dataset={name: sinc, points: 12, validation_points: 30, noise: 0.3}",
        "model.hidden=[6]",
        "training={max_steps: 200, patience: 4, target_loss: null}",
    )
    assert summary["status"] == "patience"
    rows = read_metrics(run)
    best = int(rows["validation_loss"].idxmin())
    assert summary["best_step"] == rows["step"][best]
    assert summary["best_validation_loss"] == rows["validation_loss"].min()
    assert summary["steps"] == summary["best_step"] + 4


def test_first_order_validation_happens_at_the_interval(runs):
    _, run = runs.train(
        "sinc",
        "dataset={name: sinc, points: 12, validation_points: 5}",
        "optimizer={name: sgd, learning_rate: 0.01}",
        "training={max_steps: 25, validation_interval: 10}",
    )
    rows = read_metrics(run)
    assert list(rows["step"][rows["validation_loss"].notna()]) == [0, 10, 20, 25], "and at the end"


def test_steps_keep_to_max_seconds(runs):
    summary, _ = runs.train(
        "sinc", *TINY, "optimizer={name: sgd, learning_rate: 1e-6}", "training={max_seconds: 1.0}"
    )
    assert summary["status"] == "max_seconds"
    assert summary["seconds"] >= 1.0


@pytest.mark.parametrize(
    ("overrides", "status"),
    [
        (("optimizer={name: sgd, learning_rate: 1000}", "model.activation=linear"), "diverged"),
        (("optimizer={name: sgd, learning_rate: 1e300}", "model.activation=linear"), "non_finite"),
        (("optimizer={name: gauss-newton}",), "singular"),
    ],
)
def test_a_failing_run_has_its_status_and_keeps_everything(runs, overrides, status):
    summary, run = runs.train("sinc", *TINY, *overrides, "training={max_steps: 500}")
    assert summary["status"] == status
    assert "Try" in summary["message"]
    assert run.model.exists()
    assert len(read_metrics(run)) >= 1


def test_a_start_that_is_not_finite_is_named(runs, tmp_path):
    (tmp_path / "d.csv").write_text("x,y\n" + "".join(f"{x},{2 * x + 1}\n" for x in range(5)))
    config = tmp_path / "log.yaml"
    config.write_text(
        "dataset: {name: table, path: d.csv, inputs: [x], targets: [y]}\n"
        "model: {name: formula, expression: log(a) + x, parameters: {a: -1}}\n"
    )
    summary, _ = runs.train(str(config))
    assert summary["status"] == "non_finite"
    assert "initial parameters" in summary["message"]
    assert summary["steps"] == 0


def table(tmp_path, rows=40):
    rng = np.random.default_rng(0)
    x = rng.uniform(100, 200, (rows, 2))
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": 1000 + 5 * x[:, 0] - 3 * x[:, 1]})
    frame.to_csv(tmp_path / "d.csv", index=False)
    return frame


def test_the_saved_model_speaks_the_users_units(runs, tmp_path):
    frame = table(tmp_path)
    config = tmp_path / "c.yaml"
    config.write_text(
        "dataset: {name: table, path: d.csv, inputs: [a, b], targets: [y], split: {by: random}}\n"
        "model: {name: mlp, hidden: [4]}\n"
        "training: {max_steps: 60}\n"
    )
    summary, run = runs.train(str(config))
    model = keras.models.load_model(run.model)
    predicted = np.asarray(model(frame[["a", "b"]].to_numpy()))[:, 0]
    # The test rows are the ones that the split drew; their residuals must give the summary's rmse.
    dataset = build(load_config(str(config)).config).dataset
    test = dataset.input_map.inverse(dataset.test.inputs)[:, 0]
    rows = [int(np.argmin(np.abs(frame["a"] - a))) for a in test]
    residual = (predicted - frame["y"].to_numpy())[rows]
    assert np.sqrt(np.mean(residual**2)) == pytest.approx(summary["test"]["rmse"], rel=1e-6)
    assert summary["test"]["r2"] > 0.9999
    assert summary["validation_loss"] < 1e-4


def test_data_that_does_not_fit_trains_nothing(runs, tmp_path):
    table(tmp_path)
    config = tmp_path / "c.yaml"
    config.write_text("dataset: {name: table, path: d.csv, inputs: [a], targets: [q]}\nmodel: mlp\n")
    with pytest.raises(DataError, match="q"):
        runs.train(str(config))
    assert not list(tmp_path.glob("*/config.yaml"))


def test_a_run_beyond_the_memory_is_refused(runs, monkeypatch):
    class Machine:
        available = 1000

    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: Machine)
    with pytest.raises(MemoryRefusedError, match="1000 B of this machine are free"):
        prepare(load_config("sinc", TINY), runs.folder, None, [])


def test_a_finished_run_is_not_resumed(runs):
    _, run = runs.train("rosenbrock-curve", "optimizer=gauss-newton")
    with pytest.raises(RunDirectoryError, match="nothing to resume"):
        runs.resume(run)


def curve_config(tmp_path, data, expression, parameters, extra=""):
    (tmp_path / "curve.csv").write_text(data)
    path = tmp_path / "curve.yaml"
    path.write_text(
        f"dataset: {{name: table, path: curve.csv, inputs: [x], targets: [y]{extra}}}\n"
        f"model: {{name: formula, expression: {expression}, parameters: {parameters}}}\n"
    )
    return str(path)


SATURATION = "x,y\n" + "".join(f"{x},{3 * (1 - math.exp(-0.7 * x))!r}\n" for x in range(6))


@pytest.mark.parametrize("optimizer", ["lm", "adam"])
def test_the_best_of_mini_batches_is_never_worse_than_the_start_or_the_end(runs, optimizer):
    summary, run = runs.train(
        "sinc", *TINY, f"optimizer={{name: {optimizer}}}", "training={batch_size: 25, max_epochs: 6}"
    )
    assert summary["best_loss"] <= min(summary["initial_loss"], summary["loss"])
    assert summary["improved"] is (summary["best_loss"] < summary["initial_loss"])
    losses = read_metrics(run)["loss"]
    assert losses.iloc[1] > 0.5 * summary["initial_loss"], "the loss before the first step, not after it"


def test_a_batch_without_information_does_not_end_the_run(runs, tmp_path):
    # The row x = 0 alone has a zero Jacobian.
    config = curve_config(tmp_path, SATURATION, "b1*(1 - exp(-b2*x))", "{b1: 2, b2: 0.5}")
    summary, _ = runs.train(config, "training={batch_size: 1, max_epochs: 20, shuffle: false}")
    assert summary["status"] == "max_epochs"
    assert summary["loss"] < 1e-6


@pytest.mark.parametrize("optimizer", ["lm", "adam"])
def test_batches_of_weight_zero_change_nothing(runs, tmp_path, optimizer):
    rows = SATURATION.splitlines()
    data = "\n".join([rows[0] + ",w", *(f"{row},{int(k > 3)}" for k, row in enumerate(rows[1:]))])
    config = curve_config(tmp_path, data, "b1*(1 - exp(-b2*x))", "{b1: 2, b2: 0.5}", ", sample_weight: w")
    summary, _ = runs.train(
        config, f"optimizer={optimizer}", "training={batch_size: 2, max_epochs: 5, shuffle: false}"
    )
    assert summary["status"] == "max_epochs"
    assert summary["loss"] < summary["initial_loss"]


def test_a_start_at_the_solution_has_converged(runs):
    overrides = ("model.parameters={a: 2.5, b: 2.5}", "training.target_loss=null")
    summary, _ = runs.train("rosenbrock-curve", *overrides)
    assert summary["status"] == "converged_gradient"


def test_adam_may_leave_a_good_start(runs):
    summary, _ = runs.train(
        "rosenbrock-curve",
        "model.parameters={a: 2.50001, b: 2.5}",
        "optimizer={name: adam, learning_rate: 0.5}",
        "training={max_steps: 20}",
    )
    assert summary["status"] == "max_steps"


def test_a_first_order_run_that_only_rises_has_not_improved(runs):
    summary, _ = runs.train(
        "sinc", *TINY, "optimizer={name: sgd, learning_rate: 1000}", "training={max_steps: 500}"
    )
    assert summary["status"] in ("diverged", "non_finite")
    assert (summary["improved"], summary["best_step"]) == (False, 0)
    assert summary["best_loss"] == summary["initial_loss"]


def test_the_best_step_of_first_order_is_that_of_the_lowest_row(runs):
    summary, run = runs.train(
        "sinc", *TINY, "optimizer={name: adam, learning_rate: 0.3}", "training={max_steps: 200}"
    )
    rows = read_metrics(run)
    assert summary["best_step"] == rows["step"][int(rows["loss"].idxmin())]


def test_the_end_is_validated_whatever_the_interval(runs):
    summary, run = runs.train(
        "sinc",
        "dataset={name: sinc, points: 40, validation_points: 20}",
        "optimizer={name: adam, learning_rate: 0.05}",
        "training={max_steps: 99}",
    )
    rows = read_metrics(run)
    assert summary["validation_loss"] == rows["validation_loss"].iloc[-1]
    assert summary["best_step"] == 99


def test_the_end_inside_an_epoch_has_its_row_and_its_validation(runs):
    summary, run = runs.train(
        "sinc",
        "dataset={name: sinc, points: 40, validation_points: 20}",
        "optimizer={name: adam}",
        "training={batch_size: 8, max_steps: 7}",
    )
    rows = read_metrics(run)
    assert list(rows["step"]) == [0, 5, 7]
    assert rows["validation_loss"].iloc[-1] == summary["validation_loss"]


def test_a_start_that_cannot_be_validated_is_no_best(runs, tmp_path):
    data = "x,y,part\n" + "".join(f"{x},{math.sqrt(2 + x)!r},{'v' if x < 0 else 't'}\n" for x in range(-1, 8))
    split = ", split: {by: column, column: part, validation: [v]}"
    config = curve_config(tmp_path, data, "a*sqrt(b + x)", "{a: 1, b: 0.1}", split)
    summary, _ = runs.train(config)
    assert summary["best_validation_loss"] < 1e-10
    assert summary["params"] == pytest.approx({"a": 1, "b": 2}, abs=1e-5)


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.hidden=[9999999999]",),
        ("model.hidden=[20000, 20000]",),
        ("dataset.points=99999999999",),
        ("dataset.validation_points=99999999999",),
        ("dataset={name: rosenbrock, dimension: 1000000, points: 1000000}",),
    ],
)
def test_sizes_that_cannot_be_built_are_refused_at_once(runs, overrides):
    with pytest.raises(MemoryRefusedError, match="are free"):
        prepare(load_config("sinc", overrides), runs.folder, None, [])


def test_one_process_at_a_time_trains_a_run(runs):
    _, run = runs.train("rosenbrock-curve", "optimizer=newton")
    experiment = build(load_config(str(run.config)).config)
    with alone(run), pytest.raises(RunDirectoryError, match="another process"):
        session.execute(experiment, run, make_progress(True, 10.0))


def test_arguments_that_keras_refuses_are_a_config_error(runs):
    with pytest.raises(ConfigError, match="ftrl refuses its arguments"):
        runs.train("sinc", *TINY, "optimizer={name: ftrl, learning_rate_power: 5}")


def test_the_first_call_of_a_first_order_optimizer_is_one_step(runs, monkeypatch):
    """It compiles, and a comparison leaves its time out of that of a step."""
    counts = []
    advance = FirstOrderDriver.advance

    def counting(self, params, state, step, count):
        counts.append(count)
        return advance(self, params, state, step, count)

    monkeypatch.setattr(FirstOrderDriver, "advance", counting)
    summary, _ = runs.train("rosenbrock-curve", "optimizer=sgd", "training.max_steps=9")
    assert sum(counts) == 9, summary
    assert counts[0] == 1
    assert sum(counts) == 9


def test_peak_memory_is_that_of_the_first_run_of_a_process_alone(runs, monkeypatch):
    monkeypatch.setattr(session, "_trained", itertools.count())
    first, _ = runs.train("rosenbrock-curve", "training.max_steps=1")
    second, _ = runs.train("rosenbrock-curve", "training.max_steps=1")
    assert first["peak_memory_bytes"] > 2**20
    assert second["peak_memory_bytes"] is None
