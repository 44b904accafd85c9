"""A sample of each fault against whole processes; `python -m benchmarks.reliability` injects hundreds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = {
    "moments": 1,
    "operations": 2,
    "full-disk": 1,
    "read-only": 1,
    "clock": 1,
    "two-processes": 1,
    "weights": 1,
    "loss": 1,
}
"""How often each fault is injected; damaged files have tests of their own."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults are injected by means of Linux")


def test_nothing_is_lost(tmp_path):
    """All of them in one process: each fault is then a fork instead of a start of TensorFlow."""
    wanted = [word for name, times in SAMPLE.items() for word in ("--only", f"{name}={times}")]
    command = [sys.executable, "-m", "benchmarks.reliability", *wanted, "--folder", str(tmp_path)]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "page.md")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    for name, times in SAMPLE.items():
        faults = json.loads((tmp_path / f"{name}.json").read_text())["faults"]
        assert faults, name
        for fault in faults:
            assert fault["injected"] >= times, name
            assert not fault["lost"], name
            assert fault["clumsy"] == 0, (name, fault["says"])
            assert fault["unsaid"] == 0, (name, fault["says"])
            assert fault["fine"], name
    page = (tmp_path / "page.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) == len(SAMPLE) + 1
    assert "| SIGKILL at a random moment |" in page
