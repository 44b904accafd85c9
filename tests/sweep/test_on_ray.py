"""A local Ray cluster trains what this process trains, to the same bits."""

import json
from pathlib import Path

import pytest
from test_drive import invoke, same
from typer.testing import CliRunner

from lmrun.cli import app
from lmrun.errors import UsageError
from lmrun.sweep.executors.base import Demands

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'lmrun[ray]'")

SWEEP = """\
base:
  dataset: {name: table, path: d.csv, inputs: [x], targets: [y]}
  model: {name: formula, expression: a*x + b, parameters: {a: 1, b: 1}}
grid: {dataset.path: [d.csv, none.csv], loss: [mse, mae]}
executor: ray
workers: 1
"""


def test_a_sweep_on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # Processes for tasks, of which there are none: each takes seconds to start.
    monkeypatch.setenv("RAY_prestart_worker_first_driver", "0")
    monkeypatch.setenv("RAY_enable_worker_prestart", "0")
    Path("d.csv").write_text("x,y\n1,2\n2,3\n3,5\n4,4\n")
    Path("s.yaml").write_text(SWEEP)
    result = CliRunner().invoke(app, ["sweep", "s.yaml", "--name", "a", "--json"])
    assert result.exit_code == 3, result.output
    runs = json.loads(result.stdout)["runs"]
    assert [run["status"] == "failed" for run in runs] == [False, False, True, True]
    assert "none.csv" in runs[2]["reason"]
    for run in ("sweep-a-0001", "sweep-a-0002"):
        invoke("train", f"runs/{run}/config.yaml", "--name", f"{run}-alone", "--quiet")
        assert same(Path("runs", run), Path("runs", f"{run}-alone"))


@pytest.mark.parametrize("address", ["localhost:1", "ray://localhost:1", "localhost:99999", "localhost:x"])
def test_where_nobody_listens_is_said_at_once(address, tmp_path, monkeypatch):
    """Without Ray's own two minutes."""
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("it was asked"))
    from lmrun.sweep.executors.on_ray import make

    with pytest.raises(UsageError, match=f"There is no Ray cluster at {address}: "):
        make(Demands(1, 1, 0, address, tmp_path))
