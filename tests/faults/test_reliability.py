"""A sample of each fault against whole processes; `python -m benchmarks.reliability` injects hundreds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = {
    "moments": 2,
    "operations": 3,
    "full-disk": 2,
    "read-only": 2,
    "clock": 1,
    "two-processes": 1,
    "weights": 2,
    "loss": 1,
}
"""How often each fault is injected; damaged files have tests of their own."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults are injected by means of Linux")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """All of them in one process: each fault is then a fork instead of a start of TensorFlow."""
    folder = tmp_path_factory.mktemp("faults")
    wanted = [word for name, times in SAMPLE.items() for word in ("--only", f"{name}={times}")]
    command = [sys.executable, "-m", "benchmarks.reliability", *wanted, "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--output", str(folder / "page.md")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    return folder


@pytest.mark.parametrize("name", SAMPLE)
def test_nothing_is_lost(results, name):
    faults = json.loads((results / f"{name}.json").read_text())["faults"]
    assert faults
    for fault in faults:
        assert fault["injected"] >= SAMPLE[name]
        assert not fault["lost"]
        assert fault["clumsy"] == 0, fault["says"]
        assert fault["unsaid"] == 0, fault["says"]
        assert fault["fine"]


def test_the_page_has_a_row_for_each(results):
    page = (results / "page.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) == len(SAMPLE) + 1
    assert "| SIGKILL at a random moment |" in page
