"""Problems for optimizers: evaluated by Python where compiling would cost more than it tests."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_problem() -> Callable[..., Any]:
    """Return a function that makes a problem over all rows; nothing in it is compiled."""
    from lmrun.curvature.batch import split_batch
    from lmrun.curvature.kernels import Kernels
    from lmrun.curvature.problem import Problem
    from lmrun.datasets.base import Split
    from lmrun.linalg.host import HostAlgebra
    from lmrun.losses.elementwise import MeanSquaredError

    def make(network: Any, inputs: Any, targets: Any, *, loss: Any = None, algebra: Any = None) -> Problem:
        kernels = Kernels(network, loss or MeanSquaredError())
        kernels.value = kernels.plain_value
        kernels.value_and_gradient = kernels.plain_value_and_gradient
        kernels.jacobian_and_residual = kernels.plain_jacobian_and_residual
        kernels.gradient_and_hessian = kernels.plain_gradient_and_hessian
        kernels.bend = kernels.plain_bend
        split = Split(np.asarray(inputs, float), np.asarray(targets, float))
        batch = split_batch(split, "float64", split.rows)
        return Problem(kernels, batch, algebra or HostAlgebra("float64"))

    return make


@pytest.fixture(scope="session")
def make_driver() -> Callable[..., Any]:
    """Return a function that builds an experiment and its driver from a shipped config and overrides."""
    from lmrun.build import as_params, build
    from lmrun.config.load import load_config
    from lmrun.training.drivers import make_driver
    from lmrun.training.schedule import Schedule

    def make(name: str, *overrides: str) -> Any:
        experiment = build(load_config(name, overrides).config)
        training = experiment.config.training
        rows = experiment.dataset.train.rows
        schedule = Schedule(rows, training.batch_size, training.shuffle, experiment.config.seed)
        return make_driver(experiment, schedule), as_params(experiment)

    return make
