"""What an optimizer asks of the other sections of a config; see `config.consistency`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lmrun.config.base import Problem
from lmrun.config.datasets import MnistConfig
from lmrun.config.models import FormulaConfig
from lmrun.config.optimizers import LmConfig


def rate_can_decay(optimizer: Any, training: Any) -> Iterator[Problem]:
    """A rate that decays needs to know how many steps there will be."""
    limits = (training.max_steps, training.max_epochs)
    if not isinstance(optimizer, LmConfig) or optimizer.learning_rate_decay == "none":
        return
    # Without any limit the resolved config has max_steps.
    if training.max_seconds is not None and limits == (None, None):
        words = "needs training.max_steps or training.max_epochs: how many steps fit into max_seconds differs"
        yield Problem(("optimizer", "learning_rate_decay"), f"{words} from run to run")


def average_is_over_batches(optimizer: Any, training: Any) -> Iterator[Problem]:
    """Parameters are averaged over batches, not over steps on all rows."""
    averages = isinstance(optimizer, LmConfig) and optimizer.averaging.name != "none"
    if averages and isinstance(training.batch_size, str):
        words = "is for mini-batches; set training.batch_size to a number of rows, or averaging: none"
        yield Problem(("optimizer", "averaging"), words)


def last_layer_can_be_solved_for(
    optimizer: Any, model: Any, dataset: Any, loss: Any, training: Any
) -> Iterator[Problem]:
    """Variable projection is for networks under mse over all rows."""
    if not isinstance(optimizer, LmConfig) or optimizer.projection == "none":
        return
    path, name = ("optimizer", "projection"), "mse" if loss is None else loss.name
    if isinstance(model, FormulaConfig):
        yield Problem(path, "solves for the last layer of a network, and a formula has none; use none")
    if name != "mse" or (loss is None and isinstance(dataset, MnistConfig)):
        words = "is for loss: mse, of which alone a linear system gives the best last layer; use none"
        yield Problem(path, words)
    if not isinstance(training.batch_size, str):
        words = "would solve for the layer of each mini-batch; set training.batch_size to full or growing"
        yield Problem(path, f"{words}, or projection: none")


def bounds_are_kept(optimizer: Any, model: Any) -> Iterator[Problem]:
    """Only steps by lm of all rows and parameters keep to bounds."""
    if not isinstance(model, FormulaConfig):
        return
    bounded = [name for name, parameter in model.free.items() if parameter.bounded]
    if not bounded:
        return
    whole = isinstance(optimizer, LmConfig) and (optimizer.rows, optimizer.subset.by) == (1, "none")
    if not whole:
        words = "steps by lm, of all rows and parameters, keep to bounds; use optimizer: lm, or remove them"
        side = "min" if model.parameters[bounded[0]].min is not None else "max"
        yield Problem(("model", "parameters", bounded[0], side), words)


def restarts_are_by_lm(optimizer: Any, model: Any, training: Any) -> Iterator[Problem]:
    """Restarts are by lm over all rows; those of networks share the steps."""
    if not model.restarts:
        return
    path = ("model", "restarts")
    if not (isinstance(optimizer, LmConfig) and training.batch_size == "full"):
        words = "are for lm over all rows; use optimizer: lm and training.batch_size: full, or remove them"
        yield Problem(path, words)
    if isinstance(model, FormulaConfig):
        return
    # A fit of a formula converges; the training of a network may go on for ever.
    steps, limits = training.max_steps, (training.max_epochs, training.max_seconds)
    if steps is None and limits != (None, None):
        words = "share training.max_steps, without which the first start would take all; set it"
        yield Problem(path, words)
    if steps is not None and steps <= model.restarts:
        words = f"and the first start share training.max_steps: {steps}; give each at least one step"
        yield Problem(path, words)
    if training.patience is not None:
        words = "would all end where the patience with one of them does; remove training.patience"
        yield Problem(path, words)


def regularization_fits(
    optimizer: Any, model: Any, dataset: Any, loss: Any, training: Any
) -> Iterator[Problem]:
    """Regularization is for networks; the Bayesian one estimates from all rows under mse."""
    if not isinstance(optimizer, LmConfig) or optimizer.regularization.name == "none":
        return
    path = ("optimizer", "regularization")
    if isinstance(model, FormulaConfig):
        words = (
            "draws all parameters towards 0 alike, and those of a formula have units of their own; use none"
        )
        yield Problem(path, f"{words}, and bounds where they are known")
    if optimizer.regularization.name != "bayesian":
        return
    if (loss is not None and loss.name != "mse") or (loss is None and isinstance(dataset, MnistConfig)):
        words = "estimates the variance of normal errors, which only mse has; use loss: mse"
        yield Problem(path, f"bayesian {words}, or {{name: decay}}")
    if training.batch_size != "full":
        words = "estimates from all rows how strong it is; set training.batch_size: full"
        yield Problem(path, f"bayesian {words}, or {{name: decay}}")
