"""Problems for optimizers: evaluated by Python where compiling would cost more than it tests."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

KERNELS = ("value", "value_and_gradient", "jacobian_and_residual", "gradient_and_hessian", "bend")


@pytest.fixture(scope="session")
def make_problem() -> Callable[..., Any]:
    """Return a function that makes a problem over all rows; nothing in it is compiled.

    On the host's algebra, if no other is asked for, it has the kernels that `build` takes there.
    """
    from lmrun.curvature.batch import split_batch
    from lmrun.curvature.compiled import Compiled
    from lmrun.curvature.host.formula import formula_kernels
    from lmrun.curvature.host.kernels import host_kernels
    from lmrun.curvature.kernels import Kernels
    from lmrun.curvature.problem import Problem
    from lmrun.datasets.base import Split
    from lmrun.linalg.host import HostAlgebra
    from lmrun.losses.elementwise import MeanSquaredError

    def make(network: Any, inputs: Any, targets: Any, *, loss: Any = None, algebra: Any = None) -> Problem:
        loss, own = loss or MeanSquaredError(), None
        if algebra is None:
            own = host_kernels(network, loss) or formula_kernels(network, loss)
        kernels = own or Kernels(network, loss)
        # Points stay tensors, whatever the kernels make of them.
        kernels.point = tf.convert_to_tensor
        for name in KERNELS:
            if isinstance(getattr(kernels, name), Compiled):
                setattr(kernels, name, getattr(kernels, f"plain_{name}"))
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
