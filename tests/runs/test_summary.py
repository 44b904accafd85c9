import math

import pytest

from lmrun.errors import RunDirectoryError
from lmrun.runs.layout import RunDirectory
from lmrun.runs.summary import read_summary, write_summary


def test_round_trip_with_the_version_of_the_schema(run: RunDirectory) -> None:
    write_summary(run, {"status": "target", "loss": 1e-9, "validation_loss": math.nan})
    assert read_summary(run) == {
        "schema_version": 1,
        "status": "target",
        "loss": 1e-9,
        "validation_loss": None,
    }


def test_a_run_that_has_not_ended_has_none(run: RunDirectory) -> None:
    assert read_summary(run) is None


def test_damage_is_not_silence(run: RunDirectory) -> None:
    run.summary.write_text("{")
    with pytest.raises(RunDirectoryError, match=r"summary\.json is damaged"):
        read_summary(run)
