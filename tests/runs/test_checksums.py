import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.errors import RunDirectoryError
from lmrun.runs.checksums import checksums_of, damaged_files, seal, seal_holds
from lmrun.runs.files import read_json, to_json, write_sealed_json
from lmrun.runs.layout import RunDirectory
from lmrun.runs.summary import check_result, write_summary

DOCUMENT = {"schema_version": 1, "loss": 1 / 3, "words": "λ → 0", "params": {"a": 1e-300}}


def test_a_sealed_document_reads_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    write_sealed_json(path, DOCUMENT)
    assert read_json(path) == DOCUMENT
    assert set(json.loads(path.read_text())) == {"checksum", *DOCUMENT}


def test_a_document_of_an_earlier_version_has_no_seal(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(to_json({"checksum": "of something else", **DOCUMENT}))
    assert read_json(path)["checksum"] == "of something else"


@given(st.data())
def test_no_changed_byte_behind_the_seal_goes_unnoticed(data: st.DataObject) -> None:
    text = seal(to_json(DOCUMENT))
    start = text.index("\n", 2) + 1
    where = data.draw(st.integers(start, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda letter: letter != text[where]))
    assert seal_holds(text)
    assert not seal_holds(text[:where] + other + text[where + 1 :])


def test_a_changed_document_is_told(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    write_sealed_json(path, DOCUMENT)
    path.write_text(path.read_text().replace("0.33", "0.34"))
    with pytest.raises(RunDirectoryError, match=r"d\.json is damaged: .* \(SHA-256\)"):
        read_json(path)


def ended(run: RunDirectory, status: str = "max_steps") -> None:
    run.metrics.write_bytes(b"a" * 100)
    run.model.write_bytes(b"b" * 100)
    write_summary(run, {"status": status, "files": checksums_of(run, (run.metrics, run.model))})


@pytest.mark.parametrize("content", [b"a" * 99, b"a" * 101, b"a" * 99 + b"b", b""])
def test_a_result_that_was_changed_is_refused(run: RunDirectory, content: bytes) -> None:
    ended(run)
    check_result(run, run.metrics)
    run.metrics.write_bytes(content)
    with pytest.raises(RunDirectoryError, match=r"metrics\.csv is damaged.*lmrun train --resume"):
        check_result(run, run.metrics)
    check_result(run, run.model)


def test_a_run_that_goes_on_changes_its_results(run: RunDirectory) -> None:
    ended(run, "interrupted")
    run.metrics.write_bytes(b"more")
    check_result(run, run.metrics)


def test_a_look_at_sizes_sees_what_is_cut(run: RunDirectory) -> None:
    ended(run)
    summary = read_json(run.summary)
    run.metrics.write_bytes(b"c" * 100)
    os.truncate(run.model, 50)
    assert list(damaged_files(run, summary, None, thorough=False)) == [run.model]
    assert list(damaged_files(run, summary, None, thorough=True)) == [run.metrics, run.model]
    run.model.unlink()
    assert list(damaged_files(run, summary, thorough=False)) == []
    assert list(damaged_files(run, summary, thorough=False, missing=True)) == [run.model]


def test_marks_of_another_shape_say_nothing(run: RunDirectory) -> None:
    ended(run)
    for files in (None, [1], "x", {"metrics.csv": 3}):
        assert list(damaged_files(run, {"status": "max_steps", "files": files}, thorough=True)) == []
