import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.errors import RunDirectoryError
from lmrun.runs.files import (
    read_json,
    remove_leftovers,
    replacing,
    to_json,
    write_json_atomically,
    write_text_atomically,
)

CRASH = """
import os, sys
from pathlib import Path
from lmrun.runs.files import write_text_atomically
os.replace = lambda source, target: os._exit(9)
write_text_atomically(Path(sys.argv[1]), "new")
"""


def test_text_is_written_with_its_line_ends_as_given(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text_atomically(path, "old\n")
    write_text_atomically(path, "é\r\nnew\n")
    assert path.read_bytes() == "é\r\nnew\n".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_crash_between_write_and_rename_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", CRASH, str(path)], check=False)
    assert done.returncode == 9
    assert path.read_text() == "old"
    [leftover] = [name for name in os.listdir(tmp_path) if name != "a.txt"]
    assert leftover.startswith(".tmp-")
    assert leftover.endswith("a.txt")
    remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as temporary:
            assert temporary.suffix == ".keras"
            assert temporary.parent == tmp_path
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.keras"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.txt"
    with pytest.raises(RunDirectoryError) as caught:
        write_text_atomically(path, "x")
    assert str(caught.value) == (
        f"Cannot write {path}: No such file or directory. Check the folder's permissions and the free space."
    )


def test_json_is_strict_and_knows_numpy(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json_atomically(
        path,
        {
            "nan": math.nan,
            "inf": [math.inf, (-math.inf, np.float64("nan"))],
            "loss": np.float64(0.1),
            "single": np.float32(0.5),
            "count": np.int64(3),
            "flag": np.bool_(True),
            "array": np.array([[1.0, np.nan]]),
            "path": Path("a/b"),
            "none": None,
            "text": "λ",
        },
    )

    def refuse(word: str) -> None:
        raise AssertionError(word)

    assert json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse) == {
        "nan": None,
        "inf": [None, [None, None]],
        "loss": 0.1,
        "single": 0.5,
        "count": 3,
        "flag": True,
        "array": [[1.0, None]],
        "path": "a/b",
        "none": None,
        "text": "λ",
    }
    assert read_json(path)["flag"] is True


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_json_gives_back_the_same_float(value: float) -> None:
    again = json.loads(to_json({"x": value}))["x"]
    assert math.copysign(1, again) == math.copysign(1, value)
    assert again == value


def test_what_json_cannot_say_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="object has no meaning in JSON"):
        write_json_atomically(tmp_path / "a.json", {"x": object()})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00"])
def test_damaged_json_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(RunDirectoryError, match="is damaged"):
        read_json(path)


def test_missing_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="No such file or directory"):
        read_json(tmp_path / "a.json")


def test_leftovers_of_a_folder_that_may_only_be_read_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".tmp-1-a").write_text("half")

    def forbidden(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", forbidden)
    remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == [".tmp-1-a"]
