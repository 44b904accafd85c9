"""Damage of every kind to runs that were stopped or have ended; whole trainings are in tests/faults."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lmrun.errors import RunDirectoryError
from lmrun.runs.checkpoints import read_checkpoint, write_checkpoint
from lmrun.runs.checksums import checksums_of
from lmrun.runs.columns import HEADER
from lmrun.runs.create import create_run
from lmrun.runs.layout import RunDirectory
from lmrun.runs.listing import read_entry
from lmrun.runs.mend import mend
from lmrun.runs.metrics import MetricsWriter, read_metrics
from lmrun.runs.summary import read_summary, write_summary

CONFIG = "seed: 10\noptimizer: {name: lm}\n"
STEPS = 6


@pytest.fixture
def stopped(tmp_path: Path) -> RunDirectory:
    """A run with a checkpoint after each of its steps, of which two are left."""
    run = create_run(
        tmp_path,
        dataset="sinc",
        optimizer="lm",
        seed=10,
        name="stopped",
        config_yaml=CONFIG,
        source="mine\r\n",
        overrides=["a=1"],
        manifest={"started": "2026-01-01", "dataset": "sinc", "optimizer": "lm", "seed": 10},
    )
    documents = {path.name: path.read_bytes().decode() for path in run.documents}
    with MetricsWriter(run) as writer:
        for step in range(STEPS):
            writer.write([{"step": step, "loss": 1 / (step + 3)}])
            marks = {"rows": writer.rows, "rows_checksum": writer.checksum}
            write_checkpoint(run, step, {"params": np.full(3, float(step))}, marks, documents)
    return run


@pytest.fixture
def ended(stopped: RunDirectory) -> RunDirectory:
    for path in (stopped.best_weights, stopped.last_weights, stopped.model):
        path.write_bytes(path.name.encode())
    files = checksums_of(stopped, stopped.results)
    write_summary(stopped, {"status": "max_steps", "files": files})
    return stopped


def flip(path: Path, where: int = -3) -> None:
    content = bytearray(path.read_bytes())
    content[where] ^= 4
    path.write_bytes(content)


def newest(run: RunDirectory) -> int:
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    return checkpoint.step


def test_a_good_run_needs_nothing(stopped: RunDirectory) -> None:
    assert mend(stopped) == []
    assert newest(stopped) == STEPS - 1


def test_a_run_without_a_checkpoint_begins_anew(stopped: RunDirectory) -> None:
    for path in stopped.checkpoints.iterdir():
        path.unlink()
    assert mend(stopped) == []
    flip(stopped.config)
    with pytest.raises(RunDirectoryError, match=r"config\.yaml is damaged, and there is no checkpoint"):
        mend(stopped)


def test_the_checkpoint_before_takes_the_place_of_a_damaged_one(stopped: RunDirectory) -> None:
    damaged = stopped.checkpoint(STEPS - 1)
    os.truncate(damaged, 100)
    assert read_entry(stopped).state == "stopped"
    assert read_entry(stopped, thorough=True).state == "damaged"
    (said,) = mend(stopped)
    assert said.startswith(f"{damaged} is damaged")
    assert "good checkpoint of step 4" in said
    assert newest(stopped) == STEPS - 2
    assert damaged.with_name(damaged.name + ".damaged").stat().st_size == 100
    assert mend(stopped) == []


def test_an_older_damaged_checkpoint_changes_nothing(stopped: RunDirectory) -> None:
    os.truncate(stopped.checkpoint(STEPS - 2), 100)
    (said,) = mend(stopped)
    assert "The newer one is good" in said
    assert newest(stopped) == STEPS - 1


def test_all_checkpoints_damaged_cannot_be_mended(stopped: RunDirectory) -> None:
    for path in stopped.checkpoints.iterdir():
        os.truncate(path, 10)
    with pytest.raises(RunDirectoryError, match="All checkpoints"):
        mend(stopped)


@pytest.mark.parametrize("name", ["config", "source", "overrides", "manifest"])
@pytest.mark.parametrize("damage", [flip, lambda path: os.truncate(path, 0)])
def test_what_a_run_began_with_is_put_back(
    stopped: RunDirectory, name: str, damage: Callable[[Path], None]
) -> None:
    path: Path = getattr(stopped, name)
    before = path.read_bytes()
    damage(path)
    found = path.read_bytes()
    assert read_entry(stopped, thorough=True).state == "damaged"
    (said,) = mend(stopped)
    assert said.startswith(f"{path} was not the one that the run began with")
    assert path.read_bytes() == before
    assert path.with_name(path.name + ".damaged").read_bytes() == found
    assert read_entry(stopped, thorough=True).state == "stopped"
    # A second time, the first is not overwritten.
    damage(path)
    mend(stopped)
    assert path.with_name(path.name + ".damaged-2").read_bytes() == found


def test_config_and_manifest_damaged_together(stopped: RunDirectory) -> None:
    flip(stopped.config)
    flip(stopped.manifest)
    assert len(mend(stopped)) == 2
    assert stopped.config.read_text() == CONFIG
    assert read_entry(stopped, thorough=True).state == "stopped"


def test_rows_younger_than_a_good_checkpoint_are_made_again(stopped: RunDirectory) -> None:
    flip(stopped.metrics)
    assert read_entry(stopped, thorough=True).state == "damaged"
    (said,) = mend(stopped)
    assert "in rows after step 4" in said
    assert newest(stopped) == STEPS - 2
    # What is beyond the checkpoint is cut off where the run goes on.
    with MetricsWriter.resume(stopped, STEPS - 1) as writer:
        assert writer.rows == STEPS - 1
    assert mend(stopped) == []


def test_rows_that_can_be_read_are_kept(stopped: RunDirectory) -> None:
    lines = stopped.metrics.read_text().splitlines(keepends=True)
    damaged = "".join([*lines[:2], lines[2].replace(",", ";"), *lines[3:]])
    stopped.metrics.write_text(damaged)
    assert read_entry(stopped, thorough=True).state == "damaged"
    (said,) = mend(stopped)
    assert "5 of 6 rows can be read" in said
    assert newest(stopped) == STEPS - 1
    assert read_metrics(stopped)["step"].tolist() == [0, 2, 3, 4, 5]
    assert stopped.metrics.with_name("metrics.csv.damaged").read_text() == damaged
    # The checkpoint knows of it: the run goes on.
    assert mend(stopped) == []
    with MetricsWriter.resume(stopped, 5) as writer:
        writer.write([{"step": 6}])


@pytest.mark.parametrize("content", [None, b"", b"\xff\x00", b"nonsense\n1,2\n"])
def test_metrics_of_which_nothing_is_left(stopped: RunDirectory, content: bytes | None) -> None:
    stopped.metrics.unlink()
    if content is not None:
        stopped.metrics.write_bytes(content)
    assert "0 of 6 rows" in mend(stopped)[0]
    assert len(read_metrics(stopped)) == 0
    assert mend(stopped) == []


def test_a_run_that_has_ended_well_is_left_alone(ended: RunDirectory) -> None:
    with pytest.raises(RunDirectoryError, match=r"has ended \(max_steps\); there is nothing to resume"):
        mend(ended)
    assert read_summary(ended) is not None


@pytest.mark.parametrize("name", ["best_weights", "last_weights", "model"])
@pytest.mark.parametrize("damage", [flip, lambda path: os.truncate(path, 3), Path.unlink])
def test_a_damaged_result_is_to_be_written_again(
    ended: RunDirectory, name: str, damage: Callable[[Path], None]
) -> None:
    path: Path = getattr(ended, name)
    damage(path)
    (said,) = mend(ended)
    assert said == f"{path} is damaged or missing. It is written again from the last checkpoint."
    assert read_summary(ended) is None


def test_a_damaged_summary_is_to_be_written_again(ended: RunDirectory) -> None:
    flip(ended.summary)
    (said,) = mend(ended)
    assert said.endswith("It is written again.")
    assert not ended.summary.exists()


def test_a_killed_mend_is_done_again(stopped: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two changes of names."""
    flip(stopped.config)
    flip(stopped.manifest)
    flip(stopped.metrics, len(HEADER) + 7)
    os.truncate(stopped.checkpoint(STEPS - 2), 50)
    replace, rename = os.replace, os.rename
    for allowed in range(20):
        left = iter(range(allowed))

        def dying(change: Callable[[Path, Path], None], source: Path, target: Path, left=left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            change(source, target)

        monkeypatch.setattr(os, "replace", lambda *paths, dying=dying: dying(replace, *paths))
        monkeypatch.setattr(os, "rename", lambda *paths, dying=dying: dying(rename, *paths))
        try:
            mend(stopped)
            break
        except KeyboardInterrupt:
            assert stopped.exists
    assert allowed > 1
    assert stopped.config.read_text() == CONFIG
    assert newest(stopped) == STEPS - 1
    assert len(read_metrics(stopped)) >= STEPS - 1
    assert mend(stopped) == []
