import math
import struct
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmrun.errors import RunDirectoryError
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import COLUMNS, MetricsWriter, check_columns, last_row, read_metrics

HEADER = (
    "step,epoch,seconds,loss,validation_loss,validation_accuracy,damping,gain_ratio,step_norm,"
    "gradient_norm,accepted,attempts,invalid_attempts,effective_parameters,alpha,beta\n"
)
WHOLE = ("step", "epoch", "attempts", "invalid_attempts")
FLOATS = tuple(column for column in COLUMNS if column not in (*WHOLE, "accepted"))

rows_strategy = st.lists(
    st.fixed_dictionaries(
        {"step": st.integers(0, 2**62)},
        optional={
            **{name: st.none() | st.integers(0, 2**62) for name in WHOLE[1:]},
            **{name: st.none() | st.floats() for name in FLOATS},
            "accepted": st.none() | st.booleans(),
        },
    ),
    max_size=5,
)


def bits(value: float) -> bytes:
    # All NaN are one value in the file.
    return b"nan" if math.isnan(value) else struct.pack("<d", value)


def write(run: RunDirectory, count: int) -> None:
    with MetricsWriter(run) as writer:
        writer.write([{"step": step, "loss": 1 / (step + 1)} for step in range(count)])


def test_the_bytes_of_a_file(run: RunDirectory) -> None:
    with MetricsWriter(run) as writer:
        writer.write(
            [
                {
                    "step": 1,
                    "epoch": 1,
                    "seconds": 0.1,
                    "loss": np.float64(1 / 3),
                    "accepted": np.bool_(True),
                    "attempts": np.int64(2),
                    "invalid_attempts": 0,
                },
                {"step": 2, "loss": float("nan"), "damping": float("inf"), "accepted": False},
            ]
        )
    assert run.metrics.read_text() == (
        HEADER + "1,1,0.1,0.3333333333333333,,,,,,,true,2,0,,,\n" + "2,,,nan,,,inf,,,,false,,,,,\n"
    )


@given(rows_strategy)
@settings(max_examples=60, deadline=None)
def test_round_trip_of_every_bit(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        with MetricsWriter(run) as writer:
            writer.write(rows[:2])
            writer.write(rows[2:])
            assert writer.rows == len(rows)
        table = read_metrics(run)
        assert tuple(table.columns) == COLUMNS
        assert len(table) == len(rows)
        for name in FLOATS:
            assert table[name].dtype == "float64"
            expected = [float("nan") if row.get(name) is None else row[name] for row in rows]
            assert [bits(value) for value in table[name]] == [bits(value) for value in expected]
        for name in (*WHOLE, "accepted"):
            got = [None if value is pd.NA else value for value in table[name]]
            assert got == [row.get(name) for row in rows]


def test_rows_are_with_the_system_at_once(run: RunDirectory) -> None:
    writer = MetricsWriter(run)
    assert run.metrics.read_text() == HEADER
    writer.write([{"step": 1}])
    assert run.metrics.read_text() == HEADER + "1" + "," * 15 + "\n"
    writer.sync()
    writer.close()
    writer.close()


def test_a_file_is_continued(run: RunDirectory) -> None:
    write(run, 2)
    with MetricsWriter(run) as writer:
        assert writer.rows == 2
        writer.write([{"step": 2}])
        assert writer.rows == 3
    assert list(read_metrics(run)["step"]) == [0, 1, 2]


@given(st.integers(0, 6), st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_resume_after_the_file_was_cut_anywhere(rows: int, cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        write(run, 6)
        whole = run.metrics.read_bytes()
        run.metrics.write_bytes(whole[: len(whole) - cut])
        complete = max(run.metrics.read_bytes().count(b"\n") - 1, 0)
        assert len(read_metrics(run)) == complete
        if rows > complete:
            with pytest.raises(
                RunDirectoryError, match=f"has {complete} rows where the checkpoint counts {rows}"
            ):
                MetricsWriter.resume(run, rows)
            return
        with MetricsWriter.resume(run, rows) as writer:
            assert writer.rows == rows
            writer.write([{"step": step, "loss": 1 / (step + 1)} for step in range(rows, 6)])
        assert run.metrics.read_bytes() == whole


def test_a_new_writer_cuts_a_half_written_line(run: RunDirectory) -> None:
    write(run, 2)
    run.metrics.write_bytes(run.metrics.read_bytes()[:-3])
    with MetricsWriter(run) as writer:
        assert writer.rows == 1
        writer.write([{"step": 1}])
    assert list(read_metrics(run)["step"]) == [0, 1]


@pytest.mark.parametrize("content", ["", "step,epo"])
def test_a_header_that_is_missing_or_half_written(run: RunDirectory, content: str) -> None:
    run.metrics.write_text(content)
    assert len(read_metrics(run)) == 0
    with MetricsWriter.resume(run, 0) as writer:
        assert writer.rows == 0
    assert run.metrics.read_text() == HEADER


def test_a_run_without_the_file_has_no_rows(run: RunDirectory) -> None:
    table = read_metrics(run)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 0
    with pytest.raises(RunDirectoryError, match="has 0 rows where the checkpoint counts 1"):
        MetricsWriter.resume(run, 1)


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "a,b"])
def test_other_columns_are_refused_and_kept(run: RunDirectory, content: str) -> None:
    run.metrics.write_text(content)
    with pytest.raises(RunDirectoryError, match="other columns"):
        MetricsWriter(run)
    assert run.metrics.read_text() == content


def test_reading_other_columns(run: RunDirectory) -> None:
    run.metrics.write_text("a,b\n1,2\n")
    with pytest.raises(RunDirectoryError, match="other columns"):
        read_metrics(run)


def test_a_file_of_an_earlier_version_is_read_and_not_continued(run: RunDirectory) -> None:
    earlier = HEADER.split(",effective", maxsplit=1)[0] + "\n1,1,0.5,0.25,,,,,,,true,2,0\n"
    run.metrics.write_text(earlier)
    check_columns(run)
    table = read_metrics(run)
    assert tuple(table.columns) == COLUMNS
    assert (table["loss"][0], table["attempts"][0]) == (0.25, 2)
    assert math.isnan(table["alpha"][0])
    assert last_row(run) == {
        "step": 1,
        "epoch": 1,
        "seconds": 0.5,
        "loss": 0.25,
        "attempts": 2,
        "invalid_attempts": 0,
    }
    with pytest.raises(RunDirectoryError, match="other columns"):
        MetricsWriter(run)
    assert run.metrics.read_text() == earlier
    run.metrics.write_text("step,epoch\n1,1\n")
    with pytest.raises(RunDirectoryError, match="other columns"):
        read_metrics(run)


def test_a_damaged_line_in_the_middle(run: RunDirectory) -> None:
    run.metrics.write_text(HEADER + "1,1,x" + "," * 14 + "\n" + "2" + "," * 15 + "\n")
    with pytest.raises(RunDirectoryError, match="is damaged"):
        read_metrics(run)


def test_what_is_refused_writes_nothing(run: RunDirectory) -> None:
    with MetricsWriter(run) as writer:
        with pytest.raises(ValueError, match=r"unknown columns \['los'\]"):
            writer.write([{"step": 1}, {"los": 1.0}])
        with pytest.raises(TypeError):
            writer.write([{"step": 1.5}])
        assert writer.rows == 0
    assert run.metrics.read_text() == HEADER


def test_ten_thousand_rows_in_a_fifth_of_a_second(run: RunDirectory) -> None:
    row = dict.fromkeys(FLOATS, 1 / 3) | dict.fromkeys(WHOLE, 7) | {"accepted": True}
    block = [row] * 100
    best = float("inf")
    for _ in range(3):
        run.metrics.unlink(missing_ok=True)
        start = time.process_time()
        with MetricsWriter(run) as writer:
            for _ in range(100):
                writer.write(block)
        best = min(best, time.process_time() - start)
    assert len(read_metrics(run)) == 10_000
    assert best < 0.2


def test_a_file_that_cannot_be_written(run: RunDirectory) -> None:
    run.metrics.mkdir()
    with pytest.raises(RunDirectoryError, match="Cannot write"):
        MetricsWriter(run)
