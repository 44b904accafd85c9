import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from lmrun.errors import RunDirectoryError
from lmrun.runs.checkpoints import read_checkpoint, write_checkpoint
from lmrun.runs.layout import RunDirectory

SPECIAL = np.array([np.nan, -np.nan, -0.0, 0.0, 5e-324, -2.2e-308, np.inf, -np.inf, 1 / 3])


def saved(run: RunDirectory) -> list[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in run.checkpoints.glob("*"))


def save(run: RunDirectory, step: int) -> None:
    write_checkpoint(run, step, {"params": np.full(4, float(step))}, {"damping": step / 3})


@given(
    st.dictionaries(
        st.text(max_size=8),
        arrays_of.arrays(
            st.sampled_from(["<f8", "<f4", "<i8", "?", "u1", "<u4", "<U3"]),
            arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        ),
        max_size=3,
    ),
    st.dictionaries(st.text(max_size=5), st.none() | st.floats(allow_nan=False) | st.text() | st.integers()),
)
@settings(max_examples=60, deadline=None)
def test_round_trip_of_every_bit(arrays: dict[str, Any], metadata: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        write_checkpoint(run, 7, arrays, metadata)
        checkpoint = read_checkpoint(run)
        assert checkpoint is not None
        assert checkpoint.step == 7
        assert checkpoint.metadata == metadata
        assert list(checkpoint.arrays) == list(arrays)
        for name, array in arrays.items():
            again = checkpoint.arrays[name]
            assert (again.dtype, again.shape) == (array.dtype, array.shape)
            assert again.tobytes() == array.tobytes()


def test_special_floats_transposes_and_metadata(run: RunDirectory) -> None:
    grid = np.arange(6.0).reshape(2, 3).T
    names = {"file": SPECIAL, "allow_pickle": grid, "checkpoint": np.float32(0.1), "a/../b": SPECIAL[::2]}
    write_checkpoint(run, 0, names, {"best": float("inf"), "zero": -0.0, "state": {"pos": [1, 2**100]}})
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    for name, array in names.items():
        assert checkpoint.arrays[name].tobytes() == np.asarray(array).tobytes()
    assert np.array_equal(checkpoint.arrays["allow_pickle"], grid)
    assert checkpoint.metadata["best"] == float("inf")
    assert str(checkpoint.metadata["zero"]) == "-0.0"
    assert checkpoint.metadata["state"] == {"pos": [1, 2**100]}


def test_none_before_the_first(run: RunDirectory) -> None:
    assert read_checkpoint(run) is None


def test_the_newest_two_are_kept(run: RunDirectory) -> None:
    for step in (1, 9, 10, 10, 100):
        save(run, step)
    assert saved(run) == [10, 100]
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    assert checkpoint.step == 100
    assert checkpoint.metadata == {"damping": 100 / 3}
    assert checkpoint.arrays["params"].tolist() == [100.0] * 4


def test_those_of_an_abandoned_course_go(run: RunDirectory) -> None:
    save(run, 50)
    save(run, 80)
    run.checkpoint(80).write_bytes(b"damaged")
    save(run, 60)
    assert saved(run) == [50, 60]


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_damaged_one_is_passed_over(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        save(run, 1)
        save(run, 2)
        path = run.checkpoint(2)
        content = bytearray(path.read_bytes())
        if data.draw(st.booleans(), label="cut"):
            content = content[: data.draw(st.integers(0, len(content) - 1))]
        else:
            where = data.draw(st.integers(0, len(content) - 1))
            content[where] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
        checkpoint = read_checkpoint(run)
        assert checkpoint is not None
        # A bit that no reader looks at, as in a time stamp, may leave the newest readable, but never wrong.
        assert checkpoint.step in (1, 2)
        assert checkpoint.arrays["params"].tolist() == [float(checkpoint.step)] * 4
        assert checkpoint.metadata == {"damping": checkpoint.step / 3}


def test_every_bit_of_the_arrays_is_guarded(run: RunDirectory) -> None:
    save(run, 1)
    save(run, 2)
    path = run.checkpoint(2)
    content = path.read_bytes()
    start = content.index(np.full(4, 2.0).tobytes())
    for where in range(start, start + 32):
        path.write_bytes(content[:where] + bytes([content[where] ^ 16]) + content[where + 1 :])
        checkpoint = read_checkpoint(run)
        assert checkpoint is not None
        assert checkpoint.step == 1


def test_all_damaged_is_not_none(run: RunDirectory) -> None:
    save(run, 1)
    run.checkpoint(1).write_bytes(b"")
    with pytest.raises(RunDirectoryError, match=r"All checkpoints in .* are damaged"):
        read_checkpoint(run)


def test_a_crash_while_writing_leaves_the_one_before(run: RunDirectory) -> None:
    save(run, 1)
    code = """
import os, sys
from pathlib import Path
import numpy as np
from lmrun.runs.checkpoints import write_checkpoint
from lmrun.runs.layout import RunDirectory
os.replace = lambda source, target: os._exit(9)
write_checkpoint(RunDirectory(Path(sys.argv[1])), 2, {"params": np.zeros(3)}, {})
"""
    done = subprocess.run([sys.executable, "-c", code, str(run.path)], check=False)
    assert done.returncode == 9
    assert len(os.listdir(run.checkpoints)) == 2
    checkpoint = read_checkpoint(run)
    assert checkpoint is not None
    assert checkpoint.step == 1


def test_objects_are_refused(run: RunDirectory) -> None:
    with pytest.raises(TypeError, match="not objects"):
        write_checkpoint(run, 1, {"x": np.array([object()])}, {})
    with pytest.raises(TypeError):
        write_checkpoint(run, 1, {}, {"x": object()})
    assert read_checkpoint(run) is None
