"""Fixtures that several rooms share: tiny models, and numbers made without any framework."""

import atexit
import gc
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lmrun  # noqa: F401 - first: it sets what NumPy and TensorFlow read from the environment
import numpy as np
import pytest
from finished_runs import result_maker
from hypothesis import settings
from numpy.typing import NDArray

from lmrun import c_compiler, compile_cache
from lmrun.compare.results import Result

# Tests neither read nor fill the user's cache of compiled functions; nor do the processes that they start.
os.environ["LMRUN_CACHE"] = "off"

SHARED = Path(tempfile.gettempdir(), f"lmrun-tests-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}")
"""What one of this run's processes has compiled in C, the others need not."""
atexit.register(shutil.rmtree, SHARED, ignore_errors=True)
c_compiler.folder = lambda environment: compile_cache.folder(environment) or SHARED

# What importing and collecting make stays to the end: the collector of garbage need never look at it again.
gc.disable()

settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=20)
settings.load_profile("repeatable")

Float64 = NDArray[np.float64]
Differences = Callable[[Callable[[Float64], Float64], Float64], Float64]


def pytest_collection_finish() -> None:
    gc.freeze()
    # Nor at all that is alive whenever 700 objects more are: a traced function is thousands.
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


def pytest_sessionfinish() -> None:
    # What the process holds at its end is given back by the system.
    gc.freeze()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture(scope="session")
def central_differences() -> Differences:
    """Return the derivative [..., n] of a function of one vector [n]."""

    def derivative(function: Callable[[Float64], Float64], point: Float64) -> Float64:
        steps = np.eye(len(point)) * 1e-6
        return np.stack([(function(point + h) - function(point - h)) / 2e-6 for h in steps], axis=-1)

    return derivative


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count everything that reads a tensor's value into Python, by name."""
    import tensorflow as tf

    count: Counter[str] = Counter()
    inside: list[str] = []
    kind = type(tf.constant(0.0))

    def watch(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def counting(value: Any, *args: Any, **kwargs: Any) -> Any:
            # One conversion may use another.
            if isinstance(value, kind) and not inside:
                count[name] += 1
            inside.append(name)
            try:
                return original(value, *args, **kwargs)
            finally:
                inside.pop()

        monkeypatch.setattr(owner, name, counting)

    for name in ("numpy", "__array__", "__float__", "__int__", "__bool__", "__index__", "__iter__"):
        watch(kind, name)
    # These read memory without asking the tensor.
    for name in ("asarray", "array"):
        watch(np, name)
    return count


@pytest.fixture(scope="session")
def make_mlp() -> Callable[..., Any]:
    """Return a function that builds an mlp; its biases are random too, so that no derivative vanishes."""
    from lmrun.config.models import MlpConfig
    from lmrun.models.mlp import build_mlp

    def make(inputs: int, hidden: Sequence[int], outputs: int = 1, *, seed: int = 1, **settings: Any) -> Any:
        generator = np.random.default_rng(seed)
        config = MlpConfig(name="mlp", hidden=tuple(hidden), **settings)
        network = build_mlp(config, (inputs,), outputs, dtype="float64", rng=generator)
        network.assign(network.params() + generator.normal(scale=0.1, size=network.size))
        return network

    return make


@pytest.fixture(scope="session")
def make_cnn() -> Callable[..., Any]:
    """Return a function that builds a cnn for images of 6 x 5 pixels with 2 channels."""
    from lmrun.config.models import CnnConfig
    from lmrun.models.cnn import build_cnn

    def make(layers: Sequence[Mapping[str, Any]], outputs: int = 2, *, seed: int = 1, **settings: Any) -> Any:
        generator = np.random.default_rng(seed)
        config = CnnConfig.model_validate({"name": "cnn", "layers": list(layers), **settings})
        network = build_cnn(config, (6, 5, 2), outputs, dtype="float64", rng=generator)
        network.assign(network.params() + generator.normal(scale=0.1, size=network.size))
        return network

    return make


@pytest.fixture(scope="session")
def make_formula() -> Callable[..., Any]:
    """Return a function that builds a formula over the columns x and y."""
    from lmrun.config.models import FormulaConfig
    from lmrun.models.formula import build_formula

    def make(expression: str, columns: Sequence[str] = ("x", "y"), **parameters: float) -> Any:
        config = FormulaConfig.model_validate(
            {"name": "formula", "expression": expression, "parameters": parameters}
        )
        return build_formula(config, columns, dtype="float64")

    return make


@pytest.fixture
def make_result(tmp_path: Path) -> Callable[..., Result]:
    """See `result_maker`."""
    return result_maker(tmp_path)
