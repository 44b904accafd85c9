"""What doctor finds, and what it makes of it."""

import tomllib
from pathlib import Path

import pytest

from lmrun.diagnosis import facts as module
from lmrun.diagnosis.facts import (
    EXTRAS,
    c_compiler,
    cache,
    disk,
    extras,
    facts,
    installed,
    processor_fact,
    unwritable,
)

ROOT = Path(__file__).parent.parent.parent


def test_all_facts(tmp_path):
    found = {fact.name: fact for fact in facts(tmp_path)}
    assert set(found) >= {"versions", "processor", "devices", "blas", "memory", "compile cache", "runs"}
    assert found["versions"].values["tensorflow"] in found["versions"].words
    assert found["devices"].values["devices"][0]["name"] == "CPU:0"
    assert found["blas"].values["libraries"]
    assert found["memory"].values["total"] >= found["memory"].values["free"] > 0
    assert found["runs"].values["folder"] == str(tmp_path)


def test_a_processor_without_avx2_is_noted():
    assert processor_fact("flags : fpu sse2 avx", "x86_64").state == "note"
    assert processor_fact("flags : fpu avx avx2 fma", "x86_64").values["instructions"] == [
        "avx",
        "avx2",
        "fma",
    ]
    assert processor_fact("", "arm64").state == "ok"


def test_places_that_cannot_be_written(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setattr(module.tempfile, "TemporaryFile", _refused)
    assert unwritable(tmp_path) == "cannot be written (No space left on device)"
    assert disk(tmp_path).state == "note"
    assert cache({"LMRUN_CACHE": str(tmp_path)}).state == "note"
    assert cache({"LMRUN_CACHE": "off"}).words == "switched off"


def _refused(**_):
    raise OSError(28, "No space left on device")


def test_a_folder_that_is_not_there_yet(tmp_path):
    place = tmp_path / "a" / "b"
    assert disk(place).state == "ok"
    assert not place.exists()


def test_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LITTLE_DISK", 2**80)
    assert disk(tmp_path).state == "note"


def test_extras_are_those_of_the_package(monkeypatch):
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, packages in EXTRAS.items():
        assert [line.partition(">")[0] for line in declared[extra]] == list(packages)
    monkeypatch.setattr(module, "installed", lambda package: package != "onnx")
    assert {fact.name: fact.state for fact in extras()} == {
        "extra onnx": "note",
        "extra tflite": "ok",
        "extra ray": "ok",
    }


@pytest.mark.parametrize(("package", "there"), [("numpy", True), ("no-such-package", False)])
def test_installed(package, there):
    assert installed(package) is there


def test_the_c_compiler(monkeypatch):
    assert c_compiler({"LMRUN_COMPILER": "off"}).words == "switched off"
    assert "install gcc" in c_compiler({"LMRUN_COMPILER": "no-such-compiler"}).words
    failing = c_compiler({"LMRUN_COMPILER": "false"})
    assert (failing.state, failing.values["failure"]) == ("note", "exit code 1")
