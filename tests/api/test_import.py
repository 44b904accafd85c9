"""`import lmrun` is light, and every name of the API is there when it is asked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lmrun

PROGRAM = """
import sys
import lmrun
heavy = [name for name in ("numpy", "tensorflow", "keras", "pydantic", "scipy") if name in sys.modules]
assert not heavy, heavy
assert {*lmrun.LAZY, "keras"} <= set(dir(lmrun))
from lmrun.keras import LMModel
assert lmrun.keras.LMModel is LMModel
assert callable(lmrun.fit)
"""


def test_light_until_asked():
    paths = [str(Path(lmrun.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=False
    )
    # Nor does TensorFlow greet.
    assert (done.returncode, done.stderr) == (0, "")


def test_every_name_is_there():
    assert all(callable(getattr(lmrun, name)) for name in lmrun.LAZY)
    with pytest.raises(AttributeError, match="module 'lmrun' has no attribute 'fot'"):
        lmrun.fot  # noqa: B018 - asked for


LOADED_BEFORE = """
import os, sys, types
sys.modules["tensorflow"] = types.ModuleType("tensorflow")
import lmrun
print(os.environ.get("LMRUN_CACHE"))
"""


@pytest.mark.parametrize(("level", "cache"), [("0", "off"), ("3", "None")])
def test_no_compiled_functions_where_tensorflow_would_write_of_each(level, cache):
    environment = {name: value for name, value in os.environ.items() if name != "LMRUN_CACHE"}
    environment |= {"PYTHONPATH": str(Path(lmrun.__file__).parent.parent), "TF_CPP_MIN_LOG_LEVEL": level}
    done = subprocess.run(
        [sys.executable, "-c", LOADED_BEFORE], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == cache
