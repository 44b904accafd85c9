"""When checkpoints are written."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from lmrun.runs.create import create_run
from lmrun.training import recorder as module
from lmrun.training.progress import SilentProgress
from lmrun.training.recorder import EARLY_SECONDS, Recorder


@pytest.fixture
def clock(monkeypatch):
    """The time as the recorder sees it."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: now.seconds)
    return now


def written(clock, monkeypatch, tmp_path, *, early):
    """The seconds at which checkpoints are written that are asked for every 50 ms for a minute."""
    run = create_run(
        tmp_path,
        dataset="sinc",
        optimizer="lm",
        seed=1,
        name="run",
        config_yaml="",
        source="",
        overrides=(),
        manifest={"started": ""},
    )
    found = []
    monkeypatch.setattr(module, "pack", lambda state, driver: ({}, {}))
    monkeypatch.setattr(module, "write_checkpoint", lambda *_: found.append(clock.seconds))
    recorder = Recorder(run, None, SilentProgress(), 10.0, 0, early=early)  # type: ignore[arg-type]
    for tick in range(1, 1200):
        clock.seconds = tick / 20
        recorder.checkpoint(SimpleNamespace(step=tick), clock.seconds)  # type: ignore[arg-type]
    recorder.close()
    return found


def test_checkpoints_come_at_their_interval(clock, monkeypatch, tmp_path):
    assert written(clock, monkeypatch, tmp_path, early=False) == pytest.approx([10, 20, 30, 40, 50])


def test_of_several_workers_the_first_ones_come_early(clock, monkeypatch, tmp_path):
    found = written(clock, monkeypatch, tmp_path, early=True)
    assert found[0] == pytest.approx(EARLY_SECONDS)
    # At any time half of what was done is kept at least, and in the end the interval counts.
    for one, other in pairwise(found):
        assert other - one <= max(one, EARLY_SECONDS) + 0.06
        assert other - one <= 10.06
    assert found[-1] - found[-2] == pytest.approx(10, abs=0.06)
    assert len(found) < 12
