"""lmrun: train small networks and formulas to instrument accuracy.

The package imports neither TensorFlow nor NumPy here: `lmrun --help` answers at once. What both read from the
environment while they load is set here, before either can load; a value that the user has set stays.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmrun.api.least_squares import least_squares as least_squares

__version__ = "0.1.0"

os.environ["KERAS_BACKEND"] = "tensorflow"
# lmrun's own threads work side by side, each with one of BLAS: see `linalg.host.WORKERS`.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# TensorFlow's greetings (missing GPU, CPU features) are not for users; its errors come as exceptions anyway.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FROM_PYTHON = {"least_squares": "lmrun.api.least_squares"}
"""What Python code uses by `lmrun.NAME`, and its module, which is imported by the first use."""


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name not in FROM_PYTHON:
        raise AttributeError(f"module 'lmrun' has no attribute '{name}'")
    return getattr(importlib.import_module(FROM_PYTHON[name]), name)


def __dir__() -> list[str]:
    """List what there is, imported or not."""
    return [*globals(), *FROM_PYTHON]
