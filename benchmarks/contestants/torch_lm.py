"""torch-levenberg-marquardt: vmap and jacrev over the rows, a dense solve.

Settings: `dtype`, `batch` (rows, or null for all), `learning_rate`, `solve`, `damping` (arguments of
`StandardDampingStrategy`), `attempts`, `rows_at_once` (null: all).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import torch_levenberg_marquardt as tlm

from benchmarks.contestants.protocol import CHECKED, Array, Recorder, batches, check, read_job

THREADS = 2
ACTIVATIONS = {"tanh": torch.nn.Tanh, "elu": torch.nn.ELU}


class Convolution(torch.nn.Conv2d):
    """A convolution whose weights come from Keras' layout [kh, kw, c, filters]."""

    def __init__(self, kernel: Array, strides: list[int]) -> None:
        height, width, channels, filters = kernel.shape
        super().__init__(channels, filters, (height, width), stride=tuple(strides))


def build(layers: list[dict[str, Any]], weights: list[Array], dtype: torch.dtype) -> torch.nn.Sequential:
    """Build the network with Keras' weights; images are [rows, channels, h, w] here."""
    modules: list[torch.nn.Module] = []
    rest = iter(weights)
    for layer in layers:
        match layer["kind"]:
            case "dense":
                kernel, _ = next(rest), next(rest)
                modules.append(torch.nn.Linear(*kernel.shape))
            case "conv":
                kernel, _ = next(rest), next(rest)
                modules.append(Convolution(kernel, layer["strides"]))
            case "activation":
                modules.append(ACTIVATIONS[layer["function"]]())
            case "flatten":
                modules.append(torch.nn.Flatten())
    model = torch.nn.Sequential(*modules).to(dtype)
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), to_torch(layers, weights), strict=True):
            parameter.copy_(torch.tensor(array, dtype=dtype))
    return model


def _channels(layers: list[dict[str, Any]], weights: list[Array]) -> int:
    """Return the channels of the image that is flattened, 0 where there is none."""
    kernels = [array for array in weights if array.ndim == 4]
    return kernels[-1].shape[3] if kernels else 0


def to_torch(layers: list[dict[str, Any]], weights: list[Array]) -> list[Array]:
    """Turn Keras' layout into PyTorch's: kernels transposed, rows after the flattening in channel order."""
    channels, arrays = _channels(layers, weights), []
    for array in weights:
        if array.ndim == 4:
            arrays.append(array.transpose(3, 2, 0, 1))
        elif array.ndim == 2 and channels:
            inputs, outputs = array.shape
            arrays.append(array.reshape(-1, channels, outputs).transpose(2, 1, 0).reshape(outputs, inputs))
        else:
            arrays.append(array.T)
    return arrays


def to_keras(layers: list[dict[str, Any]], weights: list[Array], model: torch.nn.Module) -> list[Array]:
    """Return the model's weights in Keras' layout; `weights` gives the shapes."""
    channels, arrays = _channels(layers, weights), []
    for parameter, shape in zip(model.parameters(), (array.shape for array in weights), strict=True):
        array = parameter.detach().numpy()
        if len(shape) == 4:
            arrays.append(array.transpose(2, 3, 1, 0))
        elif len(shape) == 2 and channels:
            arrays.append(array.reshape(shape[1], channels, -1).transpose(2, 1, 0).reshape(shape))
        else:
            arrays.append(array.T.copy())
    return arrays


def main() -> None:
    """Train until the job is over, or the package wants to stop."""
    job = read_job()
    settings = job.settings
    torch.set_num_threads(THREADS)
    torch.manual_seed(job.seed)
    dtype = getattr(torch, settings["dtype"])
    inputs, targets = (torch.from_numpy(array) for array in job.training())
    inputs = inputs.to(dtype)
    if inputs.ndim == 4:
        inputs = inputs.permute(0, 3, 1, 2).contiguous()
    classes = job.measure == "accuracy"
    targets = targets.to(torch.int64 if classes else dtype)
    start = job.weights()
    model = build(job.layers, start, dtype)
    with torch.no_grad():
        check(job, job.training()[0][:CHECKED], model(inputs[:CHECKED]).numpy())
    recorder = Recorder(job)
    module = tlm.training.LevenbergMarquardtModule(
        model=model,
        loss_fn=tlm.loss.CrossEntropyLoss() if classes else tlm.loss.MSELoss(),
        damping_strategy=tlm.damping.StandardDampingStrategy(**settings["damping"]),
        learning_rate=settings["learning_rate"],
        attempts_per_step=settings["attempts"],
        solve_method=settings["solve"],
        max_batch_size=settings["rows_at_once"],
    )
    order = batches(len(inputs), settings["batch"], job.seed) if settings["batch"] else None
    message = ""
    while not recorder.over():
        if order is None:
            _, loss, stop, _ = module.training_step(inputs, targets)
        else:
            rows = torch.from_numpy(next(order))
            _, loss, stop, _ = module.training_step(inputs[rows], targets[rows])
        recorder.stepped()
        if order is None and not classes:
            recorder.value(loss.item())
        elif not classes or recorder.due():
            recorder.evaluate(lambda: to_keras(job.layers, start, model))
        if stop:
            message = "stopped by itself: damping at its maximum"
            break
    recorder.evaluate(lambda: to_keras(job.layers, start, model))
    recorder.write(
        {
            "torch": torch.__version__,
            "torch-levenberg-marquardt": version("torch-levenberg-marquardt"),
            "numpy": np.__version__,
        },
        message,
    )


if __name__ == "__main__":
    main()
