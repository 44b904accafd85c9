import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import lmrun
from lmrun.errors import RunDirectoryError
from lmrun.runs.files import read_json, write_json_atomically
from lmrun.runs.layout import RunDirectory
from lmrun.runs.manifest import build_manifest, finish_manifest


def build() -> dict[str, Any]:
    return build_manifest(
        command=["lmrun", "train", "sinc"],
        dataset="sinc",
        optimizer="lm",
        device="cpu",
        data_checksum="ab",
        seed=11,
        precision="float64",
        user_code={"/a/b.py": "cd"},
        columns={"inputs": ["x"], "targets": ["y"], "classes": 0},
    )


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    before = datetime.now(UTC)
    manifest = build()
    assert manifest["schema_version"] == 1
    assert manifest["command"] == ["lmrun", "train", "sinc"]
    assert (manifest["device"], manifest["data_checksum"]) == ("cpu", "ab")
    assert (manifest["dataset"], manifest["optimizer"]) == ("sinc", "lm")
    assert (manifest["seed"], manifest["precision"]) == (11, "float64")
    assert list(manifest["versions"]) == ["lmrun", "python", "tensorflow", "keras", "numpy", "scipy"]
    assert manifest["versions"]["lmrun"] == lmrun.__version__
    assert manifest["versions"]["numpy"] == version("numpy")
    assert manifest["user_code"] == {"/a/b.py": "cd"}
    assert manifest["columns"] == {"inputs": ["x"], "targets": ["y"], "classes": 0}
    assert manifest["cpus"] == os.cpu_count()
    assert manifest["git"] is None
    assert manifest["finished"] is None
    assert before <= datetime.fromisoformat(manifest["started"]) <= datetime.now(UTC)
    assert json.loads(json.dumps(manifest)) == manifest


def test_commit_and_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "first")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "untracked").write_text("1")
    assert build()["git"] == {"commit": git(tmp_path, "rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "a").write_text("2")
    assert build()["git"]["dirty"] is True


def test_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert build()["git"] is None


def test_a_package_that_is_absent_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmrun.runs.manifest._PACKAGES", ("no-such-package-xyz",))
    assert build()["versions"]["no-such-package-xyz"] is None


def test_the_end_is_added(run: RunDirectory) -> None:
    write_json_atomically(run.manifest, build())
    started = read_json(run.manifest)
    finish_manifest(run)
    finished = read_json(run.manifest)
    assert finished.pop("finished") > started["started"]
    assert finished == {key: value for key, value in started.items() if key != "finished"}


def test_no_manifest_to_finish(run: RunDirectory) -> None:
    with pytest.raises(RunDirectoryError, match=r"manifest\.json"):
        finish_manifest(run)


def test_the_rooms_import_no_tensorflow() -> None:
    code = (
        "import sys, lmrun.runs.manifest, lmrun.runs.create, lmrun.runs.find, lmrun.runs.metrics\n"
        "import lmrun.runs.summary\n"
        "heavy = {'numpy', 'pandas', 'matplotlib', 'tensorflow'} & set(sys.modules)\n"
        "import lmrun.runs.checkpoints, lmrun.plotting.loss, lmrun.training.progress, lmrun.cli.plot\n"
        "sys.exit(str(heavy or {'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr.strip() == ""
