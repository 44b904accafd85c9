"""From a config to an experiment: the only module that knows all registries."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.choices import (
    bounds_of,
    has_sigma,
    projects,
    refuse_rounding_by_order,
    refuse_sigma_without_kernels,
    solver_of,
    steps_by_tables,
    summation_of,
    truncation_of,
)
from lmrun.config.models import FormulaConfig
from lmrun.config.optimizers import LmConfig
from lmrun.config.schema import Config
from lmrun.curvature.bounds import Bounds
from lmrun.curvature.forms import Forms
from lmrun.curvature.host.formula import formula_kernels
from lmrun.curvature.host.kernels import host_kernels
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.projection import Projection
from lmrun.curvature.summation import PLAIN, Summation
from lmrun.datasets import Dataset, TargetKind, load_dataset
from lmrun.datasets.pool import Pool
from lmrun.distribution.messages import exchange
from lmrun.distribution.mirrored import mirrors_of
from lmrun.distribution.reducer import Alone, Reducer
from lmrun.distribution.shares import share_of
from lmrun.errors import ConfigError, DataError, MemoryRefusedError
from lmrun.linalg.algebra import Algebra
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra
from lmrun.losses.base import Loss
from lmrun.losses.registry import build_loss
from lmrun.losses.rehearsal import Sample
from lmrun.models.adopted import AdoptedNetwork
from lmrun.models.cnn import build_cnn
from lmrun.models.formula import build_formula
from lmrun.models.mlp import build_mlp
from lmrun.models.network import Network, stacked
from lmrun.optimizers.base import SecondOrder
from lmrun.optimizers.convergence import tolerances_of
from lmrun.optimizers.first_order import FirstOrder
from lmrun.optimizers.registry import build_optimizer
from lmrun.optimizers.restarts import Restarted, starts_of
from lmrun.seeding import Stream, generator


@dataclass(frozen=True)
class Experiment:
    """All parts of one run, ready to train.

    Attributes:
        config: The resolved config.
        device: TensorFlow's name of the device, such as `/CPU:0`.
        dataset: The data in the units of the training.
        network: The model with its initial weights.
        loss: The loss.
        kernels: Compiled functions of model and loss.
        algebra: Host algebra on a CPU, device algebra elsewhere.
        forms: The forms of J^T J that the optimizer's solver takes.
        optimizer: The optimizer.
        projection: Solves for the last layer after every step, where the config asks for that.
        bounds: Of the parameters, where a formula has any.
        reducer: The workers of the fit; the dataset has this worker's share of the rows.
        summation: How sums over the rows are made.
    """

    config: Config
    device: str
    dataset: Dataset
    network: Network
    loss: Loss
    kernels: Kernels
    algebra: Algebra
    forms: Forms
    optimizer: FirstOrder | SecondOrder
    projection: Projection | None = None
    bounds: Bounds | None = None
    reducer: Reducer = field(default_factory=Alone)
    summation: Summation = PLAIN

    @property
    def regularized(self) -> bool:
        """Whether the optimizer minimizes more than the loss: then the last parameters are the best."""
        optimizer = self.config.optimizer
        return isinstance(optimizer, LmConfig) and optimizer.regularization.name != "none"

    @property
    def targets(self) -> TargetKind:
        """What the loss expects the targets to be."""
        assert self.config.loss is not None, "a resolved config has a loss"
        return self.config.loss.targets


def choose_device(name: str) -> str:
    """Turn the config's `device` into TensorFlow's name of it.

    Raises:
        ConfigError: A GPU is asked for that TensorFlow does not see.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if name == "cpu" or (name == "auto" and not gpus):
        return "/CPU:0"
    index = int(name.partition(":")[2] or 0)
    if index >= len(gpus):
        raise ConfigError(
            [
                f"device: '{name}' is not there: TensorFlow sees {len(gpus)} GPU(s). Set device: cpu, or "
                "install the GPU build: pip install 'lmrun[gpu]'."
            ]
        )
    return f"/GPU:{index}"


def build_network(config: Config, dataset: Dataset, rng: np.random.Generator | None = None) -> Network:
    """Build the config's model for a dataset, with the initial weights of the config's seed or of `rng`."""
    shape, outputs = dataset.train.inputs.shape[1:], dataset.outputs
    rng = rng or generator(config.seed, Stream.WEIGHTS)
    match config.model.name:
        case "mlp":
            return build_mlp(config.model, shape, outputs, dtype=config.precision, rng=rng)
        case "cnn":
            return build_cnn(config.model, shape, outputs, dtype=config.precision, rng=rng)
        case "formula":
            if len(shape) != 1 or outputs != len(config.model.expressions):
                raise DataError(
                    f"model.name: a formula predicts each target from named columns, but the dataset "
                    f"{dataset.name} has {outputs} outputs and samples of the shape {shape}; use mlp, "
                    "or name a single target."
                )
            return build_formula(
                config.model, dataset.input_names, dataset.target_names, dtype=config.precision
            )


def first_rows(dataset: Dataset, network: Network) -> Sample:
    """Return the outputs of the initial network for the first rows, and their targets."""
    rows = slice(0, 3)
    outputs = stacked(network.model(tf.constant(dataset.train.inputs[rows])))
    return Sample(outputs, tf.constant(dataset.train.targets[rows]))


def build(config: Config, reducer: Reducer | None = None) -> Experiment:
    """Build every part of an experiment, for one of several workers with its share of the rows.

    Raises:
        ConfigError: The device is not there, an optimizer's argument does not suit it, or code of the user's
            own cannot be used.
        DataError: The data cannot be read, or does not fit the model.
        MemoryRefusedError: There is no memory for data or weights.
    """
    try:
        return _build(config, reducer or Alone())
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        words = " ".join(str(error).split())[:200]
        raise MemoryRefusedError(
            f"The data or the model do not fit into memory ({words}). Use fewer points or parameters."
        ) from error


def _build(config: Config, reducer: Reducer) -> Experiment:
    device = choose_device(config.device)
    if reducer.workers > 1 and device != "/CPU:0":
        # A worker sees its own GPU only.
        device = "/GPU:0"
    # GPUs would round the factors of float32 products to 10 bits, which makes J^T J useless.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    assert config.loss is not None, "a resolved config has a loss"
    dataset = load_dataset(
        config.dataset,
        seed=config.seed,
        precision=config.precision,
        targets=config.loss.targets,
        pool=Pool(partial(exchange, reducer), reducer.index, reducer.workers),
    )
    dataset = share_of(dataset, reducer, summation_of(config, dataset.training_rows).unit)
    with tf.device(device):
        network = build_network(config, dataset)
    return assemble(config, device, dataset, network, reducer)


def assemble(
    config: Config, device: str, dataset: Dataset, network: Network, reducer: Reducer | None = None
) -> Experiment:
    """Build every part of an experiment but its data and its model.

    Args:
        config: Resolved.
        device: See `Experiment`.
        dataset: The data.
        network: The model, with its initial weights.
        reducer: See `Experiment`; left out, there is one worker.

    Raises:
        ConfigError: An optimizer's argument does not suit it, or code of the user's own cannot be used.
    """
    assert config.loss is not None, "a resolved config has a loss"
    reducer = reducer or Alone()
    with tf.device(device):
        loss = build_loss(config.loss, lambda: first_rows(dataset, network))
        mirrors = mirrors_of(device) if config.distribution == "mirrored" else None
        on_host = device == "/CPU:0" and mirrors is None
        algebra: Algebra = HostAlgebra(config.precision, truncation_of(config))
        if mirrors is not None:
            algebra = DeviceAlgebra(config.precision, truncation_of(config), mirrors.places, mirrors.summed)
        elif not on_host:
            algebra = DeviceAlgebra(config.precision, truncation_of(config))
        kernels = Kernels(network, loss)
        shared = reducer.workers > 1 or mirrors is not None
        solver = shared_solver(config, kernels, algebra, reducer) if shared else solver_of(config)
        summation = summation_of(config, dataset.training_rows)
        forms = Forms(kernels, algebra, solver, summation)
        if on_host and steps_by_tables(config, forms, dataset.train.rows):
            by_sigma = has_sigma(config)
            own = host_kernels(network, loss) or formula_kernels(network, loss, by_sigma=by_sigma)
            kernels = own or kernels
            forms = Forms(kernels, algebra, solver, summation)
        refuse_sigma_without_kernels(config, kernels)
        refuse_rounding_by_order(config, kernels)
        tolerances = tolerances_of(config.training)
        optimizer = build_optimizer(config.optimizer, kernels, tolerances)
        if not isinstance(optimizer, FirstOrder):
            optimizer = restarted(config, dataset, network, optimizer)
        projection = Projection(kernels, algebra) if projects(config) else None
    return Experiment(
        config,
        device,
        dataset,
        network,
        loss,
        kernels,
        algebra,
        forms,
        optimizer,
        projection=projection,
        bounds=bounds_of(config),
        reducer=reducer,
        summation=summation,
    )


def shared_solver(config: Config, kernels: Kernels, algebra: Algebra, reducer: Reducer) -> str:
    """Return the solver of a fit by several workers: never one with J J^T, which is of all rows.

    Memory and cores of the first worker decide for all.

    Raises:
        ConfigError: It is cg on GPUs, whose products are inside of a compiled loop.
    """
    forms = Forms(kernels, algebra, solver_of(config))
    # As if there were many rows, as there should be.
    name = forms.name(kernels.network.size)
    (first, *_) = reducer.gather(name.encode())
    if first == b"cg" and not isinstance(algebra, HostAlgebra):
        words = f"cg is not for GPUs with distribution: {config.distribution}"
        raise ConfigError([f"optimizer.solver: {words}; use cholesky or qr, or device: cpu."])
    return {"gram": "matrix"}.get(first.decode(), first.decode())


def restarted(config: Config, dataset: Dataset, network: Network, optimizer: SecondOrder) -> SecondOrder:
    """Return an optimizer that begins as often as a config says."""
    tolerances, starts = tolerances_of(config.training), starts_of(config)
    if starts is not None:
        return Restarted(optimizer, tolerances, starts)
    others = config.model.restarts
    if isinstance(config.model, FormulaConfig) or not others:
        return optimizer
    steps = config.training.max_steps
    assert steps is not None, "the starts of a network share it"
    return Restarted(optimizer, tolerances, network_starts(config, dataset, network), steps // (1 + others))


def network_starts(config: Config, dataset: Dataset, network: Network) -> NDArray[np.floating]:
    """Return further initial weights of a network [restarts, n], each from a random stream of its own."""
    draws = (generator(config.seed, Stream.STARTS, number) for number in range(config.model.restarts))
    if isinstance(network, AdoptedNetwork):
        return np.array([network.drawn(int(draw.integers(2**31))) for draw in draws])
    return np.array([build_network(config, dataset, draw).params() for draw in draws])


def as_params(experiment: Experiment) -> Any:
    """Return the network's present parameters as a tensor [n] on the experiment's device."""
    params: np.ndarray = experiment.network.params()
    with tf.device(experiment.device):
        return tf.constant(params)
