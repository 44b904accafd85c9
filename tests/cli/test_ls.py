import json
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lmrun.cli import app
from lmrun.cli.choosing import complete_runs, complete_with_comparisons
from lmrun.runs import listing
from lmrun.runs.create import create_run
from lmrun.runs.layout import RunDirectory
from lmrun.runs.lock import alone
from lmrun.runs.metrics import MetricsWriter
from lmrun.runs.summary import write_summary

show_module = import_module("lmrun.cli.show")


def invoke(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=typed)


def make(name: str, day: int, optimizer: str, *, ended: bool = True) -> RunDirectory:
    run = create_run(
        Path("runs"),
        dataset="sinc",
        optimizer=optimizer,
        seed=day,
        name=name,
        config_yaml=f"seed: {day}\ndataset: {{name: sinc}}\noptimizer: {{name: {optimizer}}}\n",
        source="",
        overrides=[],
        manifest={
            "started": f"2026-01-{day:02}T10:00:00.5",
            "dataset": "sinc",
            "optimizer": optimizer,
            "seed": day,
            "versions": {"lmrun": "1", "scipy": None},
        },
    )
    with MetricsWriter(run) as writer:
        writer.write([{"step": step, "seconds": float(step), "loss": 10.0**-step} for step in range(9)])
    if ended:
        write_summary(
            run,
            {
                "status": "max_steps",
                "message": "Stopped at the limit.",
                "steps": 8,
                "seconds": 8.0,
                "loss": 1e-8,
                "best_loss": 1e-8 * day,
                "test": {"r2": 0.99},
                "params": {"b1": 238.94212918},
            },
        )
    return run


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make("first", 1, "lm")
    make("second", 2, "adam")
    make("third", 3, "lm", ended=False)
    RunDirectory(Path("runs/second")).manifest.write_text("{")


GOLDEN = """\
run     status     dataset  optimizer  seed  steps  seconds  best loss         test  tags and notes
third   stopped    sinc     lm            3      8      8.0   1.00e-08
first   max_steps  sinc     lm            1      8      8.0   1.00e-08  R² 0.990000  #a #b good
second  damaged                                                                      runs/second/manifest.
"""


def test_the_list() -> None:
    invoke("tag", "first", "b", "a")
    invoke("note", "first", "good")
    result = invoke("ls")
    assert result.exit_code == 0
    *lines, damaged = GOLDEN.splitlines()
    *shown, last = [line.rstrip() for line in result.stdout.splitlines()]
    assert shown == lines
    assert last.startswith(damaged)
    assert last.endswith("Restore it, or train again.")


def test_filters_order_and_limit() -> None:
    def names(*arguments: str) -> list[str]:
        return [run["name"] for run in json.loads(invoke("ls", "--json", *arguments).stdout)["runs"]]

    assert names() == ["third", "first", "second"]
    assert names("--status", "stopped") == ["third"]
    assert names("--status", "damaged") == ["second"]
    assert names("--optimizer", "lm", "--sort", "name") == ["first", "third"]
    assert names("--dataset", "mnist") == []
    assert names("--limit", "1") == ["third"]
    assert names("--limit", "0") == ["third", "first", "second"]
    for number in range(50):
        make(f"more-{number}", 4, "lm")
    assert len(names()) == 53, "JSON is never cut short by itself"
    invoke("tag", "first", "x")
    assert names("--tag", "x") == ["first"]
    shown = invoke("ls", "--limit", "1")
    assert "and 52 more: --limit 0 shows all" in shown.stderr


def test_nothing_to_list() -> None:
    assert "None of the 3 runs fits" in invoke("ls", "--tag", "none").stderr
    assert "nowhere holds no runs. Start one" in invoke("ls", "--runs-dir", "nowhere").stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--status", "runing"], "There is no status 'runing'. Did you mean 'running'?"),
        (["--sort", "los"], "Runs cannot be sorted by 'los'. Did you mean 'loss'?"),
    ],
)
def test_wrong_words(arguments: list[str], text: str) -> None:
    result = invoke("ls", *arguments)
    assert result.exit_code == 2
    assert text in result.stderr


def test_show() -> None:
    text = invoke("show", "first").stdout
    for expected in (
        "status     max_steps",
        "Stopped at the limit.",
        "loss       1 █▇▆▅▅▄▃▂▁ 1e-08",
        "test r2    0.99",
        "b1         238.94212918",
        "steps      8 in 8.00 s",
        "started    2026-01-01 10:00:00 UTC",
        "versions   lmrun 1",
        "runs/first/metrics.csv",
        "again      lmrun train runs/first/config.yaml",
        "optimizer: {name: lm}",
    ):
        assert expected in text, expected


def test_show_says_how_to_go_on() -> None:
    assert "resume     lmrun train --resume runs/third" in invoke("show", "third").stdout
    damaged = invoke("show", "second")
    assert damaged.exit_code == 0
    assert "manifest.json is damaged" in damaged.stdout
    assert "lmrun rm runs/second" in damaged.stdout
    with alone(RunDirectory(Path("runs/third"))):
        assert "lmrun show --follow runs/third" in invoke("show", "third").stdout


@pytest.mark.parametrize(
    "fit",
    [
        {"effective_parameters": "a"},
        {"estimates": {"a": {"value": 1}}, "level": "x"},
        {"estimates": {"a": {"value": "x"}}},
        {"estimates": {"a": {"value": 1.0}}, "reasons": 3, "profile": [1]},
    ],
)
def test_show_of_a_fit_that_somebody_has_edited(fit: dict[str, Any]) -> None:
    path = Path("runs/first/summary.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fit": fit}))
    result = invoke("show", "first")
    assert (result.exit_code, result.exception) == (0, None)
    assert "runs/first/summary.json is damaged: what the fit says has another shape" in result.stdout
    assert "again      lmrun train runs/first/config.yaml" in result.stdout


def test_show_as_json() -> None:
    document = json.loads(invoke("show", "first", "--json").stdout)
    assert document["schema_version"] == 1
    assert document["summary"]["message"] == "Stopped at the limit."
    assert document["manifest"]["seed"] == 1
    assert json.loads(invoke("show", "second", "--json").stdout)["manifest"] is None


def test_follow_looks_until_nobody_trains_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    with ExitStack() as training:
        training.enter_context(alone(RunDirectory(Path("runs/first"))))
        RunDirectory(Path("runs/first")).summary.unlink()

        def look(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 3:
                training.close()

        monkeypatch.setattr(show_module.time, "sleep", look)
        result = invoke("show", "first", "--follow")
    assert len(looks) == 3
    assert "status     stopped" in result.stdout


def test_rm_asks() -> None:
    refused = invoke("rm", "first", typed="n\n")
    assert (refused.exit_code, Path("runs/first").exists()) == (0, True)
    assert "Nothing is removed." in refused.stderr
    unanswered = invoke("rm", "first")
    assert (unanswered.exit_code, Path("runs/first").exists()) == (2, True)
    assert invoke("rm", "first", "second", typed="y\n").exit_code == 0
    assert [path.name for path in Path("runs").iterdir()] == ["third"]


def test_rm_never_removes_what_trains_or_what_is_no_run() -> None:
    with alone(RunDirectory(Path("runs/third"))):
        result = invoke("rm", "first", "third", "--yes")
    assert result.exit_code == 2
    assert "is being trained" in result.stderr
    Path("mine").mkdir()
    assert invoke("rm", "mine", "--yes").exit_code == 2
    assert sorted(path.name for path in Path("runs").iterdir()) == ["first", "second", "third"]
    assert Path("mine").exists()


def test_tags_and_notes() -> None:
    assert invoke("tag", "first").stderr == "first has no tags.\n"
    assert invoke("tag", "first", "b", "a").stdout == "a b\n"
    assert invoke("tag", "first", "--remove", "a").stdout == "b\n"
    assert invoke("tag", "first").stdout == "b\n"
    assert "cannot be a tag" in invoke("tag", "first", "two words").stderr
    assert invoke("note", "first").stderr == "first has no note.\n"
    assert invoke("note", "first", "slow minute ").stdout == "slow minute\n"
    assert invoke("note", "first").stdout == "slow minute\n"
    invoke("note", "first", "")
    assert invoke("note", "first").stderr == "first has no note.\n"


def test_names_are_completed() -> None:
    class Context:
        params: dict[str, object] = {}  # noqa: RUF012 - stands for Typer's

    stored = Path("runs/compare-1")
    stored.mkdir()
    (stored / "comparison.json").write_text("{}")
    assert complete_with_comparisons(Context(), "c") == ["compare-1"]  # type: ignore[arg-type]
    assert complete_runs(Context(), "c") == []  # type: ignore[arg-type]

    assert complete_runs(Context(), "") == ["third", "second", "first", "latest"]  # type: ignore[arg-type]
    assert complete_runs(Context(), "f") == ["first"]  # type: ignore[arg-type]
    Context.params = {"runs_dir": "nowhere"}
    assert complete_runs(Context(), "l") == ["latest"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("labels.json", "[", "labels.json is damaged"),
        ("metrics.csv", "step,loss\n1,2\n", "other columns"),
        ("summary.json", "[" * 100_000, "summary.json is damaged"),
        ("summary.json", "{}", "is no status"),
        ("manifest.json", "3", "manifest.json is damaged"),
    ],
)
def test_damage_is_listed_and_breaks_nothing(file: str, content: str, words: str) -> None:
    (Path("runs/first") / file).write_text(content)
    entries = {run["name"]: run for run in json.loads(invoke("ls", "--json").stdout)["runs"]}
    assert entries["first"]["status"] == "damaged"
    assert words in entries["first"]["problem"]
    assert entries["third"]["status"] != "damaged"
    kept = file in {"labels.json", "metrics.csv"}
    assert (entries["first"]["best_loss"] is not None) == kept, "what is known stays"
    assert invoke("show", "first").exit_code == 0


def test_a_number_beyond_all_floats_breaks_nothing() -> None:
    summary = Path("runs/first/summary.json")
    summary.write_text(json.dumps({**json.loads(summary.read_text()), "steps": 10**400, "loss": 10**400}))
    assert invoke("ls").exit_code == 0
    assert invoke("show", "first").exit_code == 0


def test_a_half_written_run_can_be_removed_by_what_is_printed() -> None:
    Path("runs/first/manifest.json").unlink()
    (entry,) = [run for run in json.loads(invoke("ls", "--json").stdout)["runs"] if run["name"] == "first"]
    command = entry["problem"].partition("lmrun ")[2].split()
    assert command == ["rm", "runs/first"]
    assert invoke("show", str(Path("runs/first").resolve())).exit_code == 0
    assert invoke("rm", "./runs/first/", "--yes").exit_code == 0
    assert not Path("runs/first").exists()


def test_ended_runs_are_not_asked_for_their_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(listing, "is_held", lambda run: asked.append(run.name))
    invoke("ls")
    assert "first" not in asked
