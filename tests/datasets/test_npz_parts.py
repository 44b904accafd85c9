"""An NPZ file by parts: the same columns as the file as a whole, without all of it in memory."""

import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmrun.datasets.columns import Columns
from lmrun.datasets.npz_parts import ACROSS, members_of, read_npz_parts, stream_of
from lmrun.datasets.read_arrays import Samples, read_npz
from lmrun.errors import DataError

RNG = np.random.default_rng(1)
ROWS = 23


def joined(path: Path, samples: Samples = "rows", rows: int = 5) -> tuple[list[Columns], dict[str, Any]]:
    parts = list(read_npz_parts(str(path), rows, samples))
    return parts, {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("samples", ["rows", "columns"])
def test_the_parts_are_the_whole(save: Any, order: str, samples: Samples, tmp_path: Path) -> None:
    def lying(array: np.ndarray) -> np.ndarray:
        return np.array(array.T if samples == "columns" else array, order=order)

    save(
        tmp_path / "a.npz",
        x=RNG.normal(size=ROWS),
        many=lying(RNG.normal(size=(ROWS, ACROSS + 1)).astype(np.float32)),
        few=lying(RNG.integers(9, size=(ROWS, 3))),
        one=lying(RNG.normal(size=(ROWS, 1)).astype(">f8")),
        text=np.array([f"no {number}" for number in range(ROWS)]),
        when=np.arange(ROWS).astype("datetime64[s]"),
        image=np.zeros((ROWS, 2, 2)),
        objects=np.array([{}] * ROWS),
        number=np.float64(3),
    )
    whole = read_npz(str(tmp_path / "a.npz"), samples)
    parts, found = joined(tmp_path / "a.npz", samples)
    assert len(parts) == 5
    assert [part.before for part in parts] == [0, 5, 10, 15, 20]
    for part in parts:
        assert (part.groups, part.shapes) == (whole.groups, {**whole.shapes, **part.shapes})
        assert part.unusable == dict(whole.unusable)
        assert part.length("x") == ROWS
    assert list(found) == list(whole.values)
    for name, column in whole.values.items():
        np.testing.assert_array_equal(found[name], column)
        # `concatenate` puts the bytes into the order of the machine.
        assert found[name].dtype == column.dtype.newbyteorder("=")


def test_arrays_of_other_lengths_end_where_they_end(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(7), short=np.arange(2), none=np.zeros(0), y=np.arange(6))
    parts, found = joined(tmp_path / "a.npz")
    assert len(parts) == 2
    assert {name: parts[0].length(name) for name in found} == {"x": 7, "short": 2, "none": 0, "y": 6}
    np.testing.assert_array_equal(found["short"], [0, 1])
    assert parts[1].rows(["x"]) == 2
    with pytest.raises(DataError, match="the column 'x' has 7 rows and the column 'y' 6"):
        parts[0].rows(["x", "y"])
    np.savez(tmp_path / "b.npz", x=np.zeros(0))
    (only,) = read_npz_parts(str(tmp_path / "b.npz"), 5)
    with pytest.raises(DataError, match="the file has no rows"):
        only.rows(["x"])


def test_other_files_in_the_archive_are_no_columns(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("about.txt", "from the bench")
    for columns in (read_npz(str(tmp_path / "a.npz")), next(read_npz_parts(str(tmp_path / "a.npz"), 5))):
        assert list(columns.values) == ["x"]
        assert columns.unusable == {"about.txt": "it is no array"}


def test_a_file_without_arrays_says_what_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(DataError, match="holds a single array, not NPZ"):
        next(read_npz_parts(str(tmp_path / "a.npy"), 5))
    (tmp_path / "a.npz").write_text("x")
    with pytest.raises(DataError, match="is damaged or is not NPZ"):
        next(read_npz_parts(str(tmp_path / "a.npz"), 5))


def test_a_damaged_number_is_not_passed_on(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(100.0))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    place = data.index(np.float64(57).tobytes())
    data[place : place + 8] = np.float64(58).tobytes()
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(DataError, match="is damaged"):
        joined(tmp_path / "a.npz")


def test_an_array_that_ends_early(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("x.npy", "w") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (9,)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(np.zeros(8).tobytes())
    with pytest.raises(DataError, match="is damaged"):
        joined(tmp_path / "a.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_memory_is_that_of_a_part(save: Any, tmp_path: Path) -> None:
    save(tmp_path / "a.npz", x=np.ones((200_000, 3)), y=np.ones(200_000))
    with members_of(str(tmp_path / "a.npz")) as (members, _, files):
        # What opening costs once.
        stream_of(members["y"], 0, files).take(1)
    tracemalloc.start()
    count = sum(len(part.values["x1"]) for part in read_npz_parts(str(tmp_path / "a.npz"), 1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 200_000
    # The file has 6.4 MB.
    assert peak < 1e6
