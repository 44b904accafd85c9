"""How many threads there are."""

import os

import pytest

from lmrun.errors import UsageError
from lmrun.linalg.threads import THREADS, count


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS, "3")
    assert count() == 3
    monkeypatch.delenv(THREADS)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 4}, raising=False)
    assert count() == 2


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_other_words_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS, text)
    with pytest.raises(UsageError, match=r"LMRUN_THREADS=.* should be a whole number above 0"):
        count()
