"""Small runs in a temporary folder."""

import pytest

from lmrun.config.load import load_config
from lmrun.runs.layout import RunDirectory
from lmrun.training.opening import prepare, reopen
from lmrun.training.progress import make_progress
from lmrun.training.session import execute


class Runs:
    """Train shipped configs, scaled down by overrides."""

    def __init__(self, folder):
        self.folder = folder

    def train(self, config, *overrides):
        experiment, run = prepare(load_config(config, overrides), self.folder, None, ["lmrun", "train"])
        return execute(experiment, run, make_progress(True, 10.0)), run

    def resume(self, run: RunDirectory):
        return execute(reopen(run), run, make_progress(True, 10.0))


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path)
