"""lmrun: train small networks and formulas to instrument accuracy.

The package imports neither TensorFlow nor NumPy here: `lmrun --help` answers at once. What both read from the
environment while they load is set here, before either can load; a value that the user has set stays.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmrun import keras as keras
    from lmrun.api.fit import fit as fit
    from lmrun.api.least_squares import least_squares as least_squares
    from lmrun.api.result import Result as Result
    from lmrun.api.trainer import Trainer as Trainer

__version__ = "0.1.0"

os.environ["KERAS_BACKEND"] = "tensorflow"
# lmrun's own threads work side by side, each with one of BLAS: see `linalg.threads`.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Those of TensorFlow are as many as lmrun's own, where somebody has asked for a number.
if os.environ.get("LMRUN_THREADS"):
    for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(_name, os.environ["LMRUN_THREADS"])
if "tensorflow" in sys.modules and os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") < "3":
    # It keeps its log level, at which it writes pages about each function that was compiled before.
    os.environ.setdefault("LMRUN_CACHE", "off")
# TensorFlow's greetings (missing GPU, CPU features) are not for users; its errors come as exceptions anyway.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

LAZY = {
    "fit": "lmrun.api.fit",
    "Result": "lmrun.api.result",
    "Trainer": "lmrun.api.trainer",
    "least_squares": "lmrun.api.least_squares",
}
"""The names of the Python API and where they are defined; `lmrun.keras` is a module."""


def __getattr__(name: str) -> Any:
    """Import a part of the Python API when a program first asks for it."""
    if name not in LAZY and name != "keras":
        raise AttributeError(f"module 'lmrun' has no attribute '{name}'")
    module = importlib.import_module(LAZY.get(name, "lmrun.keras"))
    value = globals()[name] = module if name == "keras" else getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *LAZY, "keras"])
