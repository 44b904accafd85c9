import subprocess
import sys
from pathlib import Path

import pytest

from lmrun.build import build
from lmrun.config.load import load_config
from lmrun.errors import ConfigError


def test_replicas_make_the_step_of_one_device():
    script = Path(__file__).parent / "mirrors.py"
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    apart = [float(line) for line in done.stdout.split()]
    assert len(apart) == 2
    assert max(apart) < 1e-10


def test_without_gpus_nothing_is_mirrored():
    config = load_config("sinc", ["distribution=mirrored", "device=cpu", "dataset.points=20"]).config
    with pytest.raises(ConfigError, match="distribution: mirrored is for the GPUs of a machine"):
        build(config)
