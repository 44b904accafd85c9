"""`lmrun sweep` from its file to its table, with real runs of a formula, which take milliseconds."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lmrun.cli import app
from lmrun.runs.checkpoints import read_checkpoint
from lmrun.runs.labels import read_labels
from lmrun.runs.layout import RunDirectory
from lmrun.runs.listing import read_entry
from lmrun.runs.metrics import read_metrics
from lmrun.sweep.job import Kind
from lmrun.sweep.layout import list_sweeps

GRID = """\
base: rosenbrock-curve
grid:
  optimizer.damping.initial: [1e-4, 1e-2, 1, 100]
  optimizer.damping.update: [nielsen, factor]
"""
HALVING = GRID + "stop_early: {name: halving, first: 2, factor: 2}\n"


@pytest.fixture
def grid(sweeps):
    Path("grid.yaml").write_text(GRID)
    return sweeps


@pytest.fixture
def halving(sweeps):
    Path("halving.yaml").write_text(HALVING)
    return sweeps


def invoke(*arguments: str):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, (arguments, result.output, result.exception)
    return result


def same(run: Path, other: Path) -> bool:
    """Whether two runs have the same rows, but for the time, and the same parameters, bit for bit."""
    rows, others = (read_metrics(RunDirectory(one)).drop(columns="seconds") for one in (run, other))
    mine, theirs = (read_checkpoint(RunDirectory(one)) for one in (run, other))
    assert mine is not None
    assert theirs is not None
    return bool(rows.equals(others)) and all(
        np.array_equal(mine.arrays[name], theirs.arrays[name]) for name in theirs.arrays
    )


def test_a_sweep_from_its_file_to_its_table(grid) -> None:
    result = grid("grid.yaml")
    assert result.exit_code == 0, result.output
    assert grid.trained == [f"{number:04}" for number in range(1, 9)]
    assert grid.executor.closed
    (sweep,) = list_sweeps(grid.runs)
    for text in ("8 runs", "8 of 8: ", "8 target_reached", f"lmrun compare runs/{sweep.name}"):
        assert text in result.stderr, text
    assert not result.stdout
    lines = sweep.table.read_text().splitlines()
    assert lines[0].startswith("run,seed,optimizer.damping.initial,optimizer.damping.update,status,steps")
    assert len(lines) == 9

    # Its runs are runs like any others.
    listed = json.loads(invoke("ls", "--tag", sweep.name, "--json").stdout)["runs"]
    assert len(listed) == 8
    assert {run["status"] for run in listed} == {"target_reached"}
    assert len(json.loads(invoke("ls", "--json").stdout)["runs"]) == 8
    document = json.loads(invoke("compare", sweep.name, "--json").stdout)
    assert len(document["groups"]) == 8
    assert document["groups"][0]["label"].startswith("lm, damping.")
    assert invoke("report", sweep.name, "-o", "page.html").stdout.strip() == "page.html"
    assert invoke("plot", sweep.name, "-o", "loss.png").stdout.strip() == "loss.png"

    # The same command, and the sweep's name, train nothing again.
    for again in ("grid.yaml", sweep.name, str(sweep.path)):
        document = grid.read(again)
        assert grid.trained == []
        assert document["status"] == "finished"
    assert document["counts"] == {"target_reached": 8}
    assert document["best"]["runs"] == [min(document["runs"], key=lambda run: run["best_loss"])["name"]]


def test_what_is_swept_differs_in_nothing_from_what_is_trained(grid) -> None:
    grid("grid.yaml", "--name", "a")
    run = grid.runs / "sweep-a-0003"
    invoke("train", str(run / "config.yaml"), "--name", "alone", "--quiet")
    assert same(run, grid.runs / "alone")
    assert (run / "overrides.txt").read_text().splitlines() == [
        "optimizer.damping.initial=0.01",
        "optimizer.damping.update=nielsen",
    ]


def test_an_interrupted_sweep_goes_on_where_it_was(grid) -> None:
    result = grid("grid.yaml", "--json", interrupt=3)
    assert result.exit_code == 130
    document = json.loads(result.stdout)
    assert document["status"] == "interrupted"
    assert document["counts"] == {"target_reached": 3, "waiting": 5}
    assert f"lmrun sweep {document['sweep']}" in result.stderr
    # One that a kill left between two steps is resumed, one that was not begun is begun.
    (sweep,) = list_sweeps(grid.runs)
    RunDirectory(grid.runs / f"{sweep.name}-0002").summary.unlink()
    assert grid("grid.yaml").exit_code == 0
    assert grid.trained == ["0002", "0004", "0005", "0006", "0007", "0008"]


def test_failed_runs_are_listed_with_their_reason_and_the_rest_goes_on(grid) -> None:
    # The sixth job is the second attempt of the run whose process has died.
    script = {2: Kind.FAILED, 5: Kind.CRASHED, 6: Kind.CRASHED, 8: Kind.CRASHED}
    result = grid("grid.yaml", "--json", script=script)
    assert result.exit_code == 3
    assert grid.trained == ["0001", "0002", "0003", "0004", "0005", "0005", "0006", "0007", "0007", "0008"]
    runs = json.loads(result.stdout)["runs"]
    assert [run["name"][-4:] for run in runs if run["status"] == "failed"] == ["0002", "0005"]
    assert [run["reason"] for run in runs if run["reason"]] == ["scripted failed", "scripted crashed"]
    assert "-0002: failed. scripted failed" in result.stderr
    # They are not tried again before somebody asks for that.
    assert grid("grid.yaml").exit_code == 3
    assert grid.trained == []
    document = grid.read("grid.yaml", "--retry")
    assert grid.trained == ["0002", "0005"]
    assert document["counts"] == {"target_reached": 8}


def test_a_damaged_summary_is_written_again(grid) -> None:
    grid("grid.yaml", "--name", "a")
    run = RunDirectory(grid.runs / "sweep-a-0003")
    whole = run.summary.read_text()
    run.summary.write_text(whole[: len(whole) // 2])
    assert grid("grid.yaml", "--name", "a").exit_code == 0
    assert grid.trained == ["0003"]
    assert read_entry(run).state == "target_reached"


def test_a_run_that_a_kill_left_without_its_tag_gets_it(grid) -> None:
    grid("grid.yaml", "--name", "a")
    run = RunDirectory(grid.runs / "sweep-a-0003")
    run.labels.unlink()
    run.summary.unlink()
    grid("grid.yaml", "--name", "a")
    assert read_labels(run).tags == ("sweep-a",)


def test_a_damaged_plan_is_made_again_from_the_file_that_names_it(grid) -> None:
    grid("grid.yaml", interrupt=1)
    (sweep,) = list_sweeps(grid.runs)
    content = bytearray(sweep.plan.read_bytes())
    content[len(content) // 2] ^= 1
    sweep.plan.write_bytes(content)
    assert grid(str(sweep.path)).exit_code == 2
    result = grid("grid.yaml")
    assert result.exit_code == 0, result.output
    assert "plan.json is damaged" in result.stderr
    assert len(grid.trained) == 7


def test_another_rule_is_another_sweep(halving) -> None:
    halving("halving.yaml", "--name", "a", interrupt=1)
    Path("halving.yaml").write_text(GRID)
    assert "is another sweep" in halving("halving.yaml", "--name", "a").stderr


def test_a_run_that_cannot_be_trained_says_why(sweeps) -> None:
    Path("d.csv").write_text("x,y\n1,2\n2,3\n3,5\n")
    Path("s.yaml").write_text(
        "base:\n"
        "  dataset: {name: table, path: d.csv, inputs: [x], targets: [y]}\n"
        "  model: {name: formula, expression: a*x + b, parameters: {a: 1, b: 1}}\n"
        "grid: {dataset.path: [d.csv, none.csv]}\n"
    )
    result = sweeps("s.yaml")
    assert result.exit_code == 3
    assert "none.csv" in result.stderr.split("-0002: failed.")[1]


def test_half_of_the_settings_go_on_each_time(halving) -> None:
    document = halving.read("halving.yaml")
    # All to the second step, four of them to the fourth; most have converged by then.
    assert len(halving.executor.jobs) > 8
    assert {job.until for job in halving.executor.jobs[:8]} == {2.0}
    assert document["counts"]["pruned"] >= 1
    for run in document["runs"]:
        assert run["steps"] == 2 or run["status"] != "pruned" or run["steps"] == 4
    best = document["best"]["runs"][0]
    invoke("train", str(halving.runs / best / "config.yaml"), "--name", "alone", "--quiet")
    # A run that has paused is the run that has not.
    assert same(halving.runs / best, halving.runs / "alone")
    assert halving.read("halving.yaml") == document
    assert halving.executor.jobs == []
    listed = json.loads(invoke("ls", "--status", "pruned", "--json").stdout)["runs"]
    assert len(listed) == document["counts"]["pruned"]


def test_a_sweep_that_ends_runs_early_decides_the_same_after_every_interruption(halving) -> None:
    whole = halving.read("halving.yaml", "--name", "whole")
    jobs = len(halving.executor.jobs)
    for _ in range(jobs):
        if halving("halving.yaml", "--name", "parts", interrupt=4).exit_code == 0:
            break
    parts = halving.read("halving.yaml", "--name", "parts")
    states = [[(run["status"], run["steps"], run["loss"]) for run in one["runs"]] for one in (whole, parts)]
    assert states[0] == states[1]


def test_the_plan_can_be_looked_at(grid) -> None:
    shown = grid("grid.yaml", "--dry-run")
    assert shown.exit_code == 0
    assert len(shown.stdout.splitlines()) == 8
    assert shown.stdout.splitlines()[0].endswith(
        "-0001 optimizer.damping.initial=0.0001 optimizer.damping.update=nielsen"
    )
    assert len(grid.read("grid.yaml", "--dry-run")["runs"]) == 8
    assert not grid.runs.exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["grit.yaml"], "There is no file 'grit.yaml', and no sweep of that name. Did you mean 'grid.yaml'?"),
        (["grid.yaml", "--executor", "rai"], "There is no executor 'rai'. Did you mean 'ray'?"),
        (["sweep-a", "seed=3"], "sweep-a has begun"),
        (["grid.yaml", "seed=3", "--name", "a"], "is another sweep"),
        (["grid.yaml", "sead=3"], "Did you mean 'seed'?"),
        (["grid.yaml", "--workers", "0"], "--workers"),
    ],
)
def test_errors(arguments: list[str], text: str, grid) -> None:
    if "a" in arguments or "sweep-a" in arguments:
        grid("grid.yaml", "--name", "a", interrupt=1)
    result = grid(*arguments)
    assert result.exit_code == 2
    assert text in result.stderr


def test_a_comparison_needs_a_run_that_has_ended(grid) -> None:
    grid("grid.yaml", "--name", "a", interrupt=1)
    shutil.rmtree(grid.runs / "sweep-a-0001")
    result = CliRunner().invoke(app, ["compare", "sweep-a"])
    assert result.exit_code == 2
    assert "None of the runs of sweep-a has come to an end" in result.stderr


def test_a_sweep_is_removed_with_its_runs(grid) -> None:
    grid("grid.yaml", "--name", "a", interrupt=2)
    grid("grid.yaml", "--name", "ab", interrupt=1)
    assert "sweep-a-0002" in invoke("rm", "sweep-a", "--yes").stderr
    assert sorted(path.name for path in grid.runs.iterdir()) == ["sweep-ab", "sweep-ab-0001"]
