import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lmrun.errors import RunDirectoryError, UsageError
from lmrun.runs import create
from lmrun.runs.checksums import checksums_of
from lmrun.runs.create import create_run
from lmrun.runs.files import read_json
from lmrun.runs.layout import RunDirectory


def make(runs_dir: Path, name: str | None = None, manifest: Mapping[str, Any] | None = None) -> RunDirectory:
    return create_run(
        runs_dir,
        dataset="sinc",
        optimizer="lm",
        seed=10,
        name=name,
        config_yaml="seed: 10\n",
        source="# mine\nseed: 1\n",
        overrides=["seed=10", "optimizer=lm"],
        manifest={"schema_version": 1} if manifest is None else manifest,
    )


def test_the_run_is_complete_and_alone(tmp_path: Path) -> None:
    runs_dir = tmp_path / "deep" / "runs"
    run = make(runs_dir)
    assert re.fullmatch(r"\d{8}-\d{6}-sinc-lm-s10-[0-9a-f]{4}", run.name)
    assert os.listdir(runs_dir) == [run.name]
    assert run.exists
    assert run.config.read_text() == "seed: 10\n"
    assert run.source.read_text() == "# mine\nseed: 1\n"
    assert run.overrides.read_text() == "seed=10\noptimizer=lm\n"
    manifest = read_json(run.manifest)
    assert manifest.pop("files") == checksums_of(run, (run.config, run.source, run.overrides))
    assert manifest == {"schema_version": 1}
    assert sorted(os.listdir(run.path)) == [
        "checkpoints",
        "config.yaml",
        "manifest.json",
        "overrides.txt",
        "plots",
        "source.yaml",
        "weights",
    ]


def test_a_run_of_the_same_name_is_refused_and_kept(tmp_path: Path) -> None:
    first = make(tmp_path, "mine", {"run": 1})
    with pytest.raises(RunDirectoryError) as caught:
        make(tmp_path, "mine", {"run": 2})
    assert (
        str(caught.value)
        == f"{first.path} exists and is not overwritten. Choose another name, or remove it first."
    )
    assert read_json(first.manifest)["run"] == 1
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize("kind", ["file", "empty folder", "dangling link", "link to a folder"])
def test_nothing_of_the_same_name_is_replaced(tmp_path: Path, kind: str) -> None:
    target, runs_dir = tmp_path / "runs" / "mine", tmp_path / "runs"
    runs_dir.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    makers = {
        "file": lambda: target.write_text("precious"),
        "empty folder": target.mkdir,
        "dangling link": lambda: target.symlink_to(tmp_path / "nowhere"),
        "link to a folder": lambda: target.symlink_to(elsewhere),
    }
    makers[kind]()
    before = os.lstat(target).st_ino
    with pytest.raises(RunDirectoryError, match="exists and is not overwritten"):
        make(runs_dir, "mine")
    assert os.lstat(target).st_ino == before
    assert os.listdir(runs_dir) == ["mine"]
    assert os.listdir(elsewhere) == []


def test_a_run_made_between_the_look_and_the_rename_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = os.path.lexists

    def look_then_lose_the_race(path: Path) -> bool:
        found = look(path)
        monkeypatch.setattr(os.path, "lexists", look)
        if not found:
            make(tmp_path, "mine", {"run": 1})
        return found

    monkeypatch.setattr(os.path, "lexists", look_then_lose_the_race)
    with pytest.raises(RunDirectoryError, match="exists and is not overwritten"):
        make(tmp_path, "mine", {"run": 2})
    assert read_json(tmp_path / "mine" / "manifest.json")["run"] == 1
    assert os.listdir(tmp_path) == ["mine"]


def test_drawn_names_that_collide_are_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "_draws", lambda *_: ["a", "b"])
    runs = [make(tmp_path, manifest={"run": number}) for number in range(2)]
    assert [run.name for run in runs] == ["a", "b"]
    with pytest.raises(RunDirectoryError):
        make(tmp_path, manifest={"run": 2})
    assert [read_json(run.manifest)["run"] for run in runs] == [0, 1]


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "-x", "a/b", "a b", "ä", "a\n", "latest", "a" * 121, "a\\b"]
)
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a run"):
        make(tmp_path, name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a", "A.b_c-1", "1", "a" * 120])
def test_names_that_are_taken(tmp_path: Path, name: str) -> None:
    assert make(tmp_path, name).path == tmp_path / name


def test_a_kill_on_the_way_leaves_nothing_to_be_seen(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from lmrun.runs.create import create_run
os.rename = lambda source, target: os._exit(9)
create_run(Path(sys.argv[1]), dataset="sinc", optimizer="lm", seed=1, name=None, config_yaml="", source="",
           overrides=[], manifest={})
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == 9
    [left] = os.listdir(tmp_path)
    assert left.startswith(".")


def test_an_error_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        make(tmp_path, manifest={"x": object()})
    assert os.listdir(tmp_path) == []


def test_runs_dir_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "runs"
    path.write_text("")
    with pytest.raises(RunDirectoryError, match="Choose another folder with --runs-dir"):
        make(path)
