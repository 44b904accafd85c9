"""What a config means for the parts that it does not name."""

from __future__ import annotations

import numpy as np

from lmrun.config.datasets import TableConfig
from lmrun.config.models import FormulaConfig
from lmrun.config.optimizers import GaussNewtonConfig, LmConfig
from lmrun.config.schema import Config
from lmrun.config.solvers import CgSolver
from lmrun.curvature.bounds import Bounds
from lmrun.curvature.forms import Forms
from lmrun.curvature.host.base import NumpyKernels
from lmrun.curvature.host.formula import FormulaKernels
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.summation import PLAIN, Reproducible, Summation, block_rows
from lmrun.errors import ConfigError
from lmrun.linalg.truncation import TRUNCATION, Truncation


def has_sigma(config: Config) -> bool:
    """Whether a column has the standard deviations of a table's targets."""
    return isinstance(config.dataset, TableConfig) and config.dataset.sigma is not None


def refuse_sigma_without_kernels(config: Config, kernels: Kernels) -> None:
    """Refuse a sigma that is more than weights of rows under mse where the kernels know no more than these.

    Raises:
        ConfigError: They are those of a GPU, or of the solver cg.
    """
    assert config.loss is not None, "a resolved config has a loss"
    if not has_sigma(config) or isinstance(kernels, FormulaKernels):
        return
    several = not isinstance(config.dataset, TableConfig) or not isinstance(config.dataset.sigma, str)
    if several or config.loss.name != "mse":
        what = "one column for each target" if several else f"with loss: {config.loss.name}"
        words = "is for fits on the CPU by a solver other than cg; set device: cpu and optimizer.solver: qr"
        raise ConfigError([f"dataset.sigma: {what} {words}, or use a single column and loss: mse."])


def bounds_of(config: Config) -> Bounds | None:
    """Return the bounds of a formula's free parameters; None where it has none."""
    if not isinstance(config.model, FormulaConfig):
        return None
    free = config.model.free.values()
    if not any(parameter.bounded for parameter in free):
        return None
    lower = [-np.inf if parameter.min is None else parameter.min for parameter in free]
    upper = [np.inf if parameter.max is None else parameter.max for parameter in free]
    return Bounds(np.array(lower, config.precision), np.array(upper, config.precision))


def steps_by_tables(config: Config, forms: Forms, rows: int) -> bool:
    """Whether a config's steps need nothing of a model but its Jacobian, loss and derivatives along a line.

    Blocks of first-order steps, Hessians and matrix-free products are compiled for every model.
    """
    if not isinstance(config.optimizer, LmConfig | GaussNewtonConfig):
        return False
    batch = config.training.batch_size
    return forms.name(min(batch, rows) if isinstance(batch, int) else rows) != "cg"


def is_reproducible(config: Config) -> bool:
    """Whether a config wants sums of the same bits, whatever the numbers of workers and threads."""
    return config.training.summation == "reproducible"


def summation_of(config: Config, rows: int) -> Summation:
    """Return how a config wants sums over training rows to be made, whose number is that of all workers."""
    return Reproducible(block_rows(rows)) if is_reproducible(config) else PLAIN


def refuse_rounding_by_order(config: Config, kernels: Kernels) -> None:
    """Refuse reproducible sums by kernels whose own sums depend on the number of threads, or on the worker.

    Raises:
        ConfigError: They are compiled, on whatever device, or the loss draws numbers for each worker.
    """
    if not is_reproducible(config) or (isinstance(kernels, NumpyKernels) and not kernels.loss.random):
        return
    words = (
        "its loss draws random numbers for each worker"
        if kernels.loss.random
        else ("this model and loss are compiled, and such sums depend on the number of threads")
    )
    raise ConfigError(
        [
            "training.summation: reproducible is for formulas, and for networks of dense, convolutional and "
            f"pooling layers under mse or a crossentropy, on the CPU: {words}. Use summation: plain."
        ]
    )


def projects(config: Config) -> bool:
    """Whether a config's optimizer solves for the last layer."""
    return isinstance(config.optimizer, LmConfig) and config.optimizer.projection == "variable"


def solver_of(config: Config) -> str:
    """Return the solver of a config's optimizer; others than Gauss-Newton and LM need none."""
    optimizer = config.optimizer
    if is_reproducible(config):
        return "blocks"
    if isinstance(optimizer, LmConfig):
        # J J^T divides by D, which is next to nothing for a layer that is solved for.
        projects_directly = projects(config) and optimizer.solver.name in {"auto", "cholesky"}
        # J J^T leaves no room for a price of the parameters.
        penalized = optimizer.regularization.name != "none" and optimizer.solver.name != "qr"
        if optimizer.memory or projects_directly or penalized:
            return "matrix"
    return optimizer.solver.name if isinstance(optimizer, GaussNewtonConfig | LmConfig) else "cholesky"


def truncation_of(config: Config) -> Truncation:
    """Return where the conjugate gradients of a config's optimizer end."""
    solver = getattr(config.optimizer, "solver", None)
    if not isinstance(solver, CgSolver):
        return TRUNCATION
    return Truncation(solver.tolerance, solver.progress, solver.max_products)
