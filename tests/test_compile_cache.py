"""The cache on disk, with files of any content; one test with TensorFlow itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmrun import compile_cache
from lmrun.cli import app
from lmrun.compile_cache import FLAGS, SETTING, close_folder, key, open_cache, open_folder

GONE = 2**22 + 1
"""The number of no process: Linux counts up to 2^22."""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(compile_cache.atexit, "register", lambda *call: None)
    return tmp_path / "cache"


def opened(root, **more):
    environment = {SETTING: str(root), **more}
    return open_cache(environment), environment


def filled(root, name="a.pb", content=b"code"):
    """A store with one entry."""
    own, _ = opened(root)
    (own / name).write_bytes(content)
    close_folder(own)
    (entry,) = own.parent.glob(f"*-{name}")
    return entry


def test_tensorflow_is_told_the_folder_behind_the_flags_of_the_user(root):
    own, environment = opened(root, **{FLAGS: "--tf_xla_clustering_debug=false"})
    first, directory, _ = environment[FLAGS].split()
    assert first == "--tf_xla_clustering_debug=false"
    assert directory == f"--tf_xla_persistent_cache_directory='{own}'"
    assert own.is_dir()
    assert own.stat().st_mode & 0o077 == 0


def test_what_a_process_adds_the_next_one_finds(root):
    entry = filled(root)
    assert not list(root.glob("*/open-*"))
    own, _ = opened(root)
    assert (own / "a.pb").read_bytes() == b"code"
    close_folder(own)
    assert list(root.glob("*/*")) == [entry]


@pytest.mark.parametrize("damage", [b"", b"cod", b"codf", b"code" * 1000])
def test_a_damaged_entry_is_deleted(root, damage):
    entry = filled(root)
    entry.write_bytes(damage)
    own, _ = opened(root)
    assert not list(own.iterdir())
    assert not entry.exists()


def test_two_processes_at_once(root):
    store = filled(root).parent
    one, _ = opened(root)
    other = store / f"open-{os.getppid()}"
    os.rename(one, other)
    one, _ = opened(root)
    assert other.is_dir()
    (one / "b.pb").write_bytes(b"same")
    (other / "b.pb").write_bytes(b"same")
    close_folder(one)
    assert (other / "a.pb").read_bytes() == b"code"
    close_folder(other)
    assert sorted(path.name.partition("-")[2] for path in store.iterdir()) == ["a.pb", "b.pb"]


def test_a_killed_process_leaves_its_finished_entries(root):
    store = filled(root).parent
    abandoned = store / f"open-{GONE}"
    abandoned.mkdir()
    (abandoned / "b.pb").write_bytes(b"done")
    (abandoned / "c.pb-123.tmp").write_bytes(b"half")
    own, _ = opened(root)
    assert sorted(path.name for path in own.iterdir()) == ["a.pb", "b.pb"]
    assert not abandoned.exists()


def test_the_oldest_entries_go_first(root, monkeypatch):
    monkeypatch.setattr(compile_cache, "LIMIT_BYTES", 25)
    for number, name in enumerate(["c.pb", "a.pb", "b.pb"]):
        os.utime(filled(root, name, b"0123456789"), (number, number))
    own, _ = opened(root)
    assert sorted(path.name for path in own.iterdir()) == ["a.pb", "b.pb"]


def test_libraries_of_c_count_as_well(root, monkeypatch):
    monkeypatch.setattr(compile_cache, "LIMIT_BYTES", 25)
    (root / "native").mkdir(parents=True)
    for number in range(3):
        path = root / "native" / f"0-{number}.so"
        path.write_bytes(b"0123456789")
        os.utime(path, (number, number))
    opened(root)
    assert sorted(path.name for path in (root / "native").iterdir()) == ["0-1.so", "0-2.so"]


@pytest.mark.parametrize(
    "environment",
    [
        {SETTING: "off"},
        {SETTING: "OFF"},
        {FLAGS: "--tf_xla_persistent_cache_directory=/mine"},
        {FLAGS: "a_file_of_flags"},
        {SETTING: "/dev/null/cache"},
        {SETTING: "/tmp/the user's"},
    ],
)
def test_no_cache(root, environment):
    given = {SETTING: str(root), **environment}
    before = dict(given)
    assert open_cache(given) is None
    assert given == before
    assert not root.exists()


def test_no_cache_on_a_full_disk(root, monkeypatch):
    monkeypatch.setattr(compile_cache, "FREE_BYTES", 2**80)
    assert opened(root) == (None, {SETTING: str(root)})


def test_the_folder_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert compile_cache.folder({}) == tmp_path / ".cache" / "lmrun" / "xla"
    assert compile_cache.folder({"XDG_CACHE_HOME": "/caches"}) == Path("/caches/lmrun/xla")


def test_the_key_tells_processors_and_flags_apart(monkeypatch):
    mine = key({})
    assert mine == key({SETTING: "elsewhere"})
    assert mine != key({"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"})
    monkeypatch.setattr(compile_cache, "processor", lambda: "another")
    assert mine != key({})


def test_a_folder_that_vanishes_does_no_harm(root):
    own = open_folder(filled(root).parent)
    for path in own.iterdir():
        path.unlink()
    own.rmdir()
    close_folder(own)
    assert list(root.glob("*/*-a.pb"))


def test_a_second_run_reads_what_the_first_compiled_and_gets_the_same_bits(tmp_path, monkeypatch):
    model = "model={name: mlp, hidden: [3], activation: gelu}"
    arguments = ["sinc", "dataset.points=3000", model, "training={max_steps: 5}", "--quiet", "--json"]

    def params(name):
        return json.loads((tmp_path / "runs" / name / "summary.json").read_text())["params"]

    def train(name):
        subprocess.run(
            [sys.executable, "-m", "lmrun", "train", *arguments, "--name", name],
            env={**os.environ, SETTING: str(tmp_path / "cache")},
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        return params(name), {path: path.stat().st_ino for path in tmp_path.glob("cache/*/*-*.pb")}

    first, entries = train("first")
    assert entries
    assert train("second") == (first, entries)
    # The tests themselves run without a cache.
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["train", *arguments, "--name", "without"])
    assert result.exit_code == 0, result.output
    assert params("without") == first
    assert {path.stat().st_ino for path in tmp_path.glob("cache/*/*-*.pb")} == set(entries.values())
