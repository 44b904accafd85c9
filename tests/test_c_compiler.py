"""Compiling C: kept, damaged, refused."""

import shutil

import pytest

from lmrun import c_compiler as module
from lmrun import compile_cache
from lmrun.c_compiler import FOLDER, SETTING, compiler, failure, library

SOURCE = "int answer(void) { return ANSWER; }\n"
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A source, and a cache of its own."""
    monkeypatch.setenv(compile_cache.SETTING, str(tmp_path / "cache"))
    monkeypatch.setattr(module, "folder", compile_cache.folder)
    path = tmp_path / "answer.c"
    path.write_text(SOURCE)
    library.cache_clear()
    yield path
    library.cache_clear()


def again(source, **constants):
    """As another process would ask."""
    library.cache_clear()
    return library(source, **constants)


def test_what_was_compiled_is_found_again(source, tmp_path, monkeypatch):
    assert library(source, ANSWER=42).answer() == 42
    (kept,) = (tmp_path / "cache" / FOLDER).iterdir()
    monkeypatch.setattr(module, "_compiled", None)
    assert again(source, ANSWER=42).answer() == 42
    assert [kept] == list(kept.parent.iterdir())


def test_other_constants_are_another_library(source, tmp_path):
    assert (library(source, ANSWER=1).answer(), library(source, ANSWER=2).answer()) == (1, 2)
    assert len(list((tmp_path / "cache" / FOLDER).iterdir())) == 2


def test_another_header_is_another_library(source):
    header = source.with_name("answer.h")
    source.write_text('#include "answer.h"\n' + SOURCE)
    header.write_text("#define ANSWER 5\n")
    assert library(source).answer() == 5
    header.write_text("#define ANSWER 6\n")
    assert again(source).answer() == 6


def test_a_damaged_library_is_not_run(source, tmp_path):
    library(source, ANSWER=3)
    (kept,) = (tmp_path / "cache" / FOLDER).iterdir()
    damaged = bytearray(kept.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    # Under a new file: the old one is still loaded.
    kept.unlink()
    kept.write_bytes(damaged)
    assert again(source, ANSWER=3).answer() == 3
    (anew,) = kept.parent.iterdir()
    assert anew.read_bytes() != bytes(damaged)


def test_without_a_cache_nothing_is_kept(source, tmp_path, monkeypatch):
    monkeypatch.setenv(compile_cache.SETTING, "off")
    assert library(source, ANSWER=4).answer() == 4
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written(source, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert library(source, ANSWER=5).answer() == 5


def test_no_compiler(source, monkeypatch):
    monkeypatch.setenv(SETTING, "off")
    assert (compiler(), library(source, ANSWER=6)) == (None, None)
    monkeypatch.setenv(SETTING, "no-such-compiler")
    assert (compiler(), again(source, ANSWER=6)) == (None, None)


def test_a_compiler_that_fails(source, monkeypatch):
    monkeypatch.setenv(SETTING, "false")
    assert again(source, ANSWER=7) is None
    assert failure(compiler()) == "exit code 1"
    monkeypatch.delenv(SETTING)
    assert failure(compiler()) is None
