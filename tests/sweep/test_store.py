"""What a sweep writes down of its failures."""

from pathlib import Path

import pytest

from lmrun.errors import RunDirectoryError, UsageError
from lmrun.sweep.layout import SweepDirectory, find_sweep
from lmrun.sweep.store import CRASHED, FAILED, RETRIED, Failure, append, driving, failures, read_plan


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDirectory:
    folder = SweepDirectory(tmp_path / "sweep-a")
    folder.path.mkdir()
    return folder


def test_a_failure_stays_until_it_is_tried_again(sweep: SweepDirectory) -> None:
    assert failures(sweep) == {}
    append(sweep, FAILED, ["a", "b"], "no data: é", 3)
    assert failures(sweep) == {name: Failure("no data: é", 3) for name in ("a", "b")}
    append(sweep, RETRIED, ["a"])
    assert set(failures(sweep)) == {"b"}


def test_only_a_second_crash_is_a_failure(sweep: SweepDirectory) -> None:
    append(sweep, CRASHED, ["a"], "SIGSEGV", 1)
    append(sweep, CRASHED, ["b"], "SIGKILL", 1)
    assert failures(sweep) == {}
    append(sweep, CRASHED, ["a"], "SIGKILL", 1)
    assert failures(sweep) == {"a": Failure("SIGKILL", 1)}
    append(sweep, RETRIED, ["a"])
    append(sweep, CRASHED, ["a"], "SIGKILL", 1)
    assert failures(sweep) == {}


def test_a_half_written_line_takes_no_other_with_it(sweep: SweepDirectory) -> None:
    append(sweep, FAILED, ["a"], "one", 1)
    whole = sweep.events.read_bytes()
    for cut in range(len(whole)):
        sweep.events.write_bytes(whole[:cut])
        append(sweep, FAILED, ["b"], "two", 1)
        assert failures(sweep)["b"] == Failure("two", 1)


@pytest.mark.parametrize(
    "line", ['{"event": "failed", "run": "b", "code": "x"}', "[" * 100_000, '{"event": 3}']
)
def test_a_damaged_line_takes_no_other_with_it(sweep: SweepDirectory, line: str) -> None:
    append(sweep, FAILED, ["a"], "one", 3)
    with sweep.events.open("a") as file:
        file.write(line + "\n")
    assert failures(sweep)["a"] == Failure("one", 3)


def test_one_process_drives_a_sweep(sweep: SweepDirectory) -> None:
    with driving(sweep), pytest.raises(RunDirectoryError, match="another process"), driving(sweep):
        pass
    with driving(sweep):
        pass


def test_a_damaged_plan_says_so(sweep: SweepDirectory) -> None:
    for content in ("{", "{}", '{"settings": {}, "base": "", "base_path": "x", "runs": [{}]}'):
        sweep.plan.write_text(content)
        sweep.source.write_text("")
        with pytest.raises(RunDirectoryError, match="damaged"):
            read_plan(sweep)


def test_sweeps_are_found_by_path_name_and_prefix(sweep: SweepDirectory, tmp_path: Path) -> None:
    assert find_sweep("sweep-a", tmp_path) is None
    sweep.plan.write_text("{}")
    for name in (str(sweep.path), "sweep-a", "sweep-"):
        assert find_sweep(name, tmp_path) == sweep, name
    assert find_sweep("a", tmp_path) is None
    assert find_sweep("sweep-a-0001", tmp_path) is None
    other = SweepDirectory(tmp_path / "sweep-ab")
    other.path.mkdir()
    other.plan.write_text("{}")
    assert find_sweep("sweep-a", tmp_path) == sweep
    with pytest.raises(UsageError, match="fits 2 sweeps"):
        find_sweep("sweep-", tmp_path)
