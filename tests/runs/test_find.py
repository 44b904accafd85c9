from pathlib import Path

import pytest

from lmrun.errors import RunDirectoryError
from lmrun.runs.files import write_json_atomically
from lmrun.runs.find import find_run, list_runs
from lmrun.runs.layout import RunDirectory


def make(runs_dir: Path, name: str, started: str | None = None) -> RunDirectory:
    run = RunDirectory(runs_dir / name)
    run.path.mkdir(parents=True)
    run.config.write_text("")
    write_json_atomically(run.manifest, {"started": started})
    return run


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    make(folder, "20260101-sinc-lm-a", "2026-01-01T00:00:00+00:00")
    make(folder, "20260102-sinc-adam-b", "2026-01-02T00:00:00+00:00")
    make(folder, "mine", "2026-01-03T00:00:00+00:00")
    make(folder, "mine-2", "2025-01-01T00:00:00+00:00")
    (folder / ".gitkeep").write_text("")
    (folder / "notes").mkdir()
    make(folder, ".tmp-20270101-x", "2027-01-01T00:00:00+00:00")
    return folder


def test_the_list_is_in_the_order_of_the_start(runs_dir: Path) -> None:
    assert [run.name for run in list_runs(runs_dir)] == [
        "mine-2",
        "20260101-sinc-lm-a",
        "20260102-sinc-adam-b",
        "mine",
    ]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("latest", "mine"),
        ("mine", "mine"),
        ("mine-", "mine-2"),
        ("mine-2", "mine-2"),
        ("20260102", "20260102-sinc-adam-b"),
        ("20260101-sinc-lm-a", "20260101-sinc-lm-a"),
    ],
)
def test_names_and_prefixes(runs_dir: Path, name: str, found: str) -> None:
    assert find_run(name, runs_dir) == RunDirectory(runs_dir / found)


def test_paths(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs_dir / "mine-2"
    assert find_run(str(run), runs_dir / "elsewhere") == RunDirectory(run)
    monkeypatch.chdir(run)
    assert find_run(".", Path("none")).name == "mine-2"


def test_a_name_goes_before_a_folder_of_the_working_directory(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(runs_dir.parent, "mine")
    monkeypatch.chdir(runs_dir.parent)
    assert find_run("mine", runs_dir).path == runs_dir / "mine"


def test_ambiguous(runs_dir: Path) -> None:
    with pytest.raises(RunDirectoryError) as caught:
        find_run("2026", runs_dir)
    assert str(caught.value) == (
        f"'2026' fits 2 runs in {runs_dir}: 20260102-sinc-adam-b, 20260101-sinc-lm-a. Type more of the name."
    )
    assert caught.value.exit_code == 2


def test_ambiguous_among_many_shows_the_newest(tmp_path: Path) -> None:
    for number in range(12):
        make(tmp_path, f"r{number:02}", f"2026-01-{number + 1:02}")
    with pytest.raises(RunDirectoryError, match=r"fits 12 runs in .*: r11, r10, .*, r02 and 2 older ones\."):
        find_run("r", tmp_path)


def test_unknown_names_the_nearest(runs_dir: Path) -> None:
    with pytest.raises(RunDirectoryError) as caught:
        find_run("nime-2", runs_dir)
    assert str(caught.value) == f"There is no run 'nime-2' in {runs_dir}. Nearest: mine-2, mine."


def test_unknown_with_nothing_near_lists_what_there_is(runs_dir: Path) -> None:
    with pytest.raises(
        RunDirectoryError, match=r"Known: mine, 20260102-sinc-adam-b, 20260101-sinc-lm-a, mine-2\."
    ):
        find_run("zzz", runs_dir)


@pytest.mark.parametrize("name", ["latest", "x", ""])
def test_no_runs_at_all(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunDirectoryError, match=r"holds no runs\. Start one with `lmrun train sinc`\."):
        find_run(name, tmp_path / "runs")


def test_the_empty_name_finds_nothing(runs_dir: Path) -> None:
    with pytest.raises(RunDirectoryError, match="There is no run ''"):
        find_run("", runs_dir)


def test_a_folder_that_is_no_run(runs_dir: Path) -> None:
    with pytest.raises(
        RunDirectoryError, match=r"is not a run directory: config\.yaml or manifest\.json is missing"
    ):
        find_run(str(runs_dir / "notes"), runs_dir)


def test_a_damaged_manifest_hides_no_run(runs_dir: Path) -> None:
    run = make(runs_dir, "new")
    run.manifest.write_text("{")
    assert find_run("latest", runs_dir) == run
