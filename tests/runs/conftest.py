from pathlib import Path

import pytest

from lmrun.runs.layout import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    path = tmp_path / "a-run"
    path.mkdir()
    return RunDirectory(path)
