"""Small samples of what `python -m benchmarks.fuzz` does: nothing crashes, every error says where."""

import os
from pathlib import Path

import pytest

from benchmarks.fuzz_configs import Course, send
from benchmarks.fuzz_guard import Guard
from benchmarks.fuzz_texts import PARSERS, fuzz


class Quick(Course):
    """Leaves the images out, which take a second to load."""

    def take(self, data):
        if "mnist" not in str(data.get("dataset")):
            super().take(data)


def test_random_configs_run_or_say_where_they_are_wrong(tmp_path):
    course = Quick(tmp_path, train=False)
    send(course, 60, 1)
    assert course.found.crashes == []
    assert course.found.unlocated == []
    assert course.found.outcomes["built"] > 3
    assert sum(course.found.outcomes.values()) > 30


@pytest.mark.parametrize("parser", PARSERS)
def test_random_texts(parser):
    seen = fuzz(parser, 20.0, 3, most=150)
    assert seen.failures == []
    assert 0 < seen.taken < seen.texts == 150


def test_the_course_notes_a_crash(tmp_path, monkeypatch):
    course = Course(tmp_path, train=False)
    monkeypatch.setattr(course, "_build", lambda loaded: 1 / 0)
    course.take({"dataset": "sinc", "model": "mlp", "optimizer": "lm"})
    assert course.found.outcomes == {"CRASH when built: ZeroDivisionError": 1}
    assert "optimizer: lm" in course.found.crashes[0]["config"]


@pytest.mark.parametrize("what", [lambda: eval("1"), lambda: Path(os.devnull).read_bytes()])
def test_the_guard_notes_what_a_parser_must_not_do(what):
    guard = Guard()
    assert guard.read(lambda text: True, "")
    with pytest.raises(AssertionError, match="reading did"):
        guard.read(lambda text: bool(what()), "")
