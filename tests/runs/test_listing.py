import json
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from lmrun.errors import RunDirectoryError, UsageError
from lmrun.runs.create import create_run
from lmrun.runs.labels import Labels, read_labels, write_labels
from lmrun.runs.layout import RunDirectory
from lmrun.runs.listing import SORTS, list_entries, read_entry, select
from lmrun.runs.lock import alone, is_held
from lmrun.runs.metrics import MetricsWriter, last_row
from lmrun.runs.remove import find_any, refuse_running, remove_run, sizes
from lmrun.runs.summary import write_summary


def make(folder, name, *, day=1, optimizer="lm", summary=None, named=True):
    names = {"dataset": "sinc", "optimizer": optimizer} if named else {}
    return (
        create_run(
            folder,
            dataset="sinc",
            optimizer=optimizer,
            seed=3,
            name=name,
            config_yaml=f"dataset: {{name: sinc}}\noptimizer: {{name: {optimizer}}}\n",
            source="",
            overrides=[],
            manifest={"started": f"2026-01-{day:02}", "seed": 3, **names},
        )
        if summary is None
        else _ended(make(folder, name, day=day, optimizer=optimizer, named=named), summary)
    )


def _ended(run, summary):
    write_summary(
        run, {"status": "max_steps", "steps": 5, "seconds": 2.5, "loss": 0.2, "best_loss": 0.1, **summary}
    )
    return run


@pytest.mark.parametrize("named", [True, False])
def test_an_ended_run(tmp_path, named):
    run = make(tmp_path, "a", summary={"test": {"r2": 0.5}}, named=named)
    write_labels(run, Labels(("x",), "mine"))
    entry = read_entry(run)
    assert entry.document == {
        "run": str(run.path), "name": "a", "status": "max_steps", "started": "2026-01-01", "dataset": "sinc",
        "optimizer": "lm", "seed": 3, "steps": 5, "seconds": 2.5, "loss": 0.2, "best_loss": 0.1,
        "test": {"r2": 0.5}, "tags": ["x"], "note": "mine", "problem": None,
    }  # fmt: skip


def test_a_running_and_a_killed_run(tmp_path):
    run = make(tmp_path, "a")
    with MetricsWriter(run) as writer:
        writer.write([{"step": step, "seconds": 0.5 * step, "loss": 1 / (step + 1)} for step in range(4)])
    assert not is_held(run)
    assert read_entry(run).state == "stopped"
    with alone(run):
        assert is_held(run)
        entry = read_entry(run)
    assert (entry.state, entry.steps, entry.seconds, entry.loss) == ("running", 3, 1.5, 0.25)
    write_summary(run, {"status": "interrupted", "steps": 3, "seconds": 1.5, "loss": 0.25, "best_loss": 0.25})
    assert read_entry(run).state == "interrupted"
    with alone(run):
        assert read_entry(run).state == "running", "resumed"


def test_a_run_without_rows(tmp_path):
    entry = read_entry(make(tmp_path, "a"))
    assert (entry.state, entry.steps, entry.loss) == ("stopped", None, None)


DAMAGES = {
    "no manifest": (lambda run: run.manifest.unlink(), "Missing: manifest.json."),
    "no config": (lambda run: run.config.unlink(), "Missing: config.yaml."),
    "a config without end": (
        lambda run: (run.manifest.write_text("{}"), run.config.write_text("[" * 100_000)),
        "config.yaml is damaged",
    ),
    "half a manifest": (lambda run: run.manifest.write_text('{"started": "20'), "manifest.json is damaged"),
    "a manifest of another kind": (lambda run: run.manifest.write_text("[1]"), "holds no object"),
    "no bytes in the summary": (lambda run: run.summary.write_bytes(b""), "summary.json is damaged"),
    "a summary of bytes": (lambda run: run.summary.write_bytes(b"\xff\x00"), "summary.json is damaged"),
    "a summary without a status": (lambda run: run.summary.write_text("{}"), "is no status"),
    "half of the labels": (lambda run: run.labels.write_text("{"), "labels.json is damaged"),
    "rows of another version": (lambda run: run.metrics.write_text("a,b\n1,2\n"), "other columns"),
    "numbers that are words": (lambda run: run.summary.write_text('{"status": ["x"]}'), "is no status"),
    "a row of something else": (
        lambda run: run.metrics.open("a").write("," * 11 + "x" + "," * 4 + "\n"), "metrics.csv is damaged"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_runs_are_listed_as_such(tmp_path, name):
    damage, text = DAMAGES[name]
    run, fine = make(tmp_path, "a"), make(tmp_path, "b", summary={})
    MetricsWriter(run).close()
    damage(run)
    entries = {entry.run.name: entry for entry in list_entries(tmp_path)}
    assert entries["a"].state == "damaged"
    assert text in entries["a"].problem
    assert entries["b"] == read_entry(fine)


def test_values_of_wrong_types_break_nothing(tmp_path):
    run = make(tmp_path, "a")
    run.manifest.write_text('{"started": 5, "dataset": [1], "optimizer": {}, "seed": "x"}')
    run.summary.write_text(
        '{"status": "max_steps", "steps": NaN, "loss": "x", "seconds": null, "test": {"r2": null, "a": 1}}'
    )
    entry = read_entry(run)
    assert (entry.state, entry.dataset, entry.optimizer, entry.seed) == ("max_steps", "sinc", "lm", None)
    assert (entry.steps, entry.loss, entry.seconds, entry.test) == (None, None, None, {"a": 1.0})
    assert select([entry], dataset="sinc") == [entry]


def test_a_folder_that_nobody_may_look_into_is_passed_over(tmp_path):
    make(tmp_path, "a")
    closed = make(tmp_path, "closed").path
    closed.chmod(0)
    try:
        names = [entry.run.name for entry in list_entries(tmp_path)]
    finally:
        closed.chmod(0o755)
    assert "a" in names


def test_a_run_killed_as_it_began_its_rows(tmp_path):
    run = make(tmp_path, "a")
    for text in ("", "step,epo"):
        run.metrics.write_text(text)
        assert last_row(run) == {}
        assert read_entry(run).state == "stopped"


def test_what_is_no_run_is_not_listed(tmp_path):
    make(tmp_path, "a")
    (tmp_path / "notes").mkdir()
    (tmp_path / ".tmp-1-x").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "config.yaml").write_text("")
    assert [entry.run.name for entry in list_entries(tmp_path)] == ["a"]
    assert list_entries(tmp_path / "nowhere") == []


def test_order_and_selection(tmp_path):
    make(tmp_path, "old", day=1, summary={"best_loss": 0.3, "seconds": 9.0})
    make(tmp_path, "new", day=3, summary={"best_loss": None})
    tagged = make(tmp_path, "middle", day=2, optimizer="adam", summary={"best_loss": 0.01, "seconds": 1.0})
    write_labels(tagged, Labels(("a", "b")))
    entries = list_entries(tmp_path)
    assert [entry.run.name for entry in entries] == ["new", "middle", "old"]
    by_loss = sorted(entries, key=SORTS["loss"])
    assert [entry.run.name for entry in by_loss] == ["middle", "old", "new"]
    by_time = sorted(entries, key=SORTS["seconds"])
    assert [entry.run.name for entry in by_time] == ["middle", "new", "old"]
    by_data = sorted(entries, key=SORTS["dataset"])
    assert [entry.run.name for entry in by_data] == ["middle", "old", "new"]
    assert [entry.run.name for entry in sorted(entries, key=SORTS["name"])] == ["middle", "new", "old"]
    for criteria in ({"optimizer": "adam"}, {"tags": ["b"]}, {"tags": ["a", "b"], "dataset": "sinc"}):
        assert [entry.run.name for entry in select(entries, **criteria)] == ["middle"]
    assert select(entries, tags=["a", "c"]) == []
    assert len(select(entries, state="max_steps")) == 3
    assert select(entries, dataset="mnist") == []


def test_the_last_row_is_found_at_the_end_of_a_long_file(tmp_path):
    run = make(tmp_path, "a")
    assert last_row(run) == {}
    with MetricsWriter(run) as writer:
        assert last_row(run) == {}
        writer.write([{"step": step, "loss": step / 7, "accepted": True} for step in range(2000)])
    assert last_row(run) == {"step": 1999, "loss": 1999 / 7}
    with run.metrics.open("a") as file:
        file.write("2000,half")
    assert last_row(run) == {"step": 1999, "loss": 1999 / 7}


def test_labels(tmp_path):
    run = make(tmp_path, "a")
    assert read_labels(run) == Labels()
    labels = Labels().with_tags(["b", "a", "b"])
    write_labels(run, labels)
    assert read_labels(run) == Labels(("a", "b"))
    assert labels.without_tags(["a", "c"]) == Labels(("b",))
    for wrong in ("", "two words", "-x", "x" * 41):
        with pytest.raises(UsageError, match="cannot be a tag"):
            labels.with_tags([wrong])


def test_removing(tmp_path):
    run, other = make(tmp_path, "a", summary={}), make(tmp_path, "b")
    assert sum(size for _, size in sizes(run)) > 100
    with alone(run), pytest.raises(RunDirectoryError, match="is being trained"):
        refuse_running(run)
    refuse_running(run)
    remove_run(run)
    assert [path.name for path in tmp_path.iterdir()] == [other.name]
    other.manifest.unlink()
    with pytest.raises(RunDirectoryError, match="There is no run"):
        find_any("b" * 300, tmp_path)
    assert find_any("b", tmp_path) == RunDirectory(tmp_path / "b"), "a damaged run is removed by its name"
    link = tmp_path / "link"
    link.symlink_to(other.path)
    with pytest.raises(RunDirectoryError, match="is a link"):
        remove_run(RunDirectory(link))
    (tmp_path / "mine").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "config.yaml").write_text("mine")
    for name in ("mine", "project", str(tmp_path / "mine"), ".", "", "..", str(tmp_path)):
        with pytest.raises(RunDirectoryError):
            find_any(name, tmp_path)


def test_a_look_at_the_lock_does_not_keep_a_run_from_starting(tmp_path):
    run = make(tmp_path, "a")
    code = (
        "import sys, time; from filelock import FileLock\n"
        "with FileLock(sys.argv[1]): print(1, flush=True); time.sleep(0.1)"
    )
    looker = subprocess.Popen([sys.executable, "-c", code, str(run.lock)], stdout=subprocess.PIPE)
    assert looker.stdout is not None
    looker.stdout.readline()
    with alone(run):
        pass
    looker.wait()
    with FileLock(run.lock), pytest.raises(RunDirectoryError, match="another process"), alone(run):
        pass


@pytest.fixture(scope="module")
def hundreds(tmp_path_factory):
    """500 runs, some of them damaged."""
    folder = tmp_path_factory.mktemp("many")
    manifest = {"started": "2026", "dataset": "sinc", "optimizer": "lm", "seed": 1}
    summary = {"status": "max_steps", "steps": 5, "seconds": 2.5, "loss": 0.2, "best_loss": 0.1, "test": None}
    for number in range(500):
        run = RunDirectory(folder / f"run-{number:04}")
        run.path.mkdir()
        run.config.write_text("")
        run.manifest.write_text(json.dumps(manifest) if number % 100 else "{")
        run.summary.write_text(json.dumps(summary))
    return folder


def test_many_runs_are_all_read(hundreds: Path):
    entries = list_entries(hundreds)
    assert len(entries) == 500
    assert sum(entry.state == "damaged" for entry in entries) == 5
