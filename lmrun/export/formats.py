"""The formats, each a function from a run's model to a file or folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

import lmrun
from lmrun.errors import UsageError
from lmrun.export.c_header import KNOWN, identifier, write_header
from lmrun.export.following import UnknownLayerError, follow
from lmrun.export.stages import Activation, Affine, Concatenated, Formula, Joined, Scale, Stage, stages_of
from lmrun.runs.files import replacing, write_text_atomically
from lmrun.runs.layout import RunDirectory


@dataclass(frozen=True)
class Exported:
    """What is exported.

    Attributes:
        run: Where it was trained.
        model: In the user's units.
        inputs: What it reads.
        targets: What it makes.
        logits: Whether its outputs are logits.
    """

    run: RunDirectory
    model: Any
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    logits: bool


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        suffix: Of the file; empty for a folder.
        write: Writes it.
        try_out: Raises UnknownLayerError where it cannot; None for what writes everything.
    """

    suffix: str
    write: Callable[[Exported, Path], None]
    try_out: Callable[[Any], Any] | None = None


def to_keras(exported: Exported, output: Path) -> None:
    """A copy of the run's own file."""
    with replacing(output) as temporary:
        shutil.copyfile(exported.run.model, temporary)


def to_savedmodel(exported: Exported, output: Path) -> None:
    """TensorFlow's SavedModel, whose endpoint is `serve`."""
    exported.model.export(output, format="tf_saved_model", verbose=False)


def to_npz(exported: Exported, output: Path) -> None:
    """The stages as arrays: `1_scale`, `1_offset`, `2_kernel`, `2_bias`, `2_activation`, ...

    Values have numbers: inputs come first, then what each stage makes. `2_reads` are those that the second
    stage reads, `outputs` those that the model gives.
    """
    model = stages_of(exported.model)
    arrays: dict[str, Any] = {"inputs": np.array(exported.inputs), "targets": np.array(exported.targets)}
    arrays |= {"widths": np.array(model.inputs), "outputs": np.array(model.results)}
    for place, placed in enumerate(model.stages, start=1):
        parts = {"reads": np.array(placed.reads), **_arrays(placed.stage)}
        arrays |= {f"{place}_{name}": array for name, array in parts.items()}
    with replacing(output) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def _arrays(stage: Stage) -> dict[str, Any]:
    match stage:
        case Scale():
            return {"scale": stage.scale, "offset": stage.offset}
        case Affine():
            bias = {} if stage.bias is None else {"bias": stage.bias}
            return {"kernel": stage.kernel, "activation": np.array(stage.activation), **bias}
        case Activation():
            return {"activation": np.array(stage.name)}
        case Joined():
            numbers = [np.nan if number is None else number for number in stage.numbers]
            return {"operation": np.array(stage.kind), "numbers": np.array(numbers)}
        case Concatenated():
            return {"operation": np.array("Concatenate")}
        case Formula():
            names = stage.expressions.free
            texts = {"expressions": np.array(stage.expressions.responses), "parameters": np.array(names)}
            return {**texts, "values": np.array(stage.values)}


def to_onnx(exported: Exported, output: Path) -> None:
    """ONNX, in the precision of the run.

    Raises:
        UsageError: The package onnx is not installed.
    """
    try:
        from lmrun.export.onnx_model import onnx_model
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise UsageError(
            "Writing ONNX needs the package onnx, which is not installed: pip install 'lmrun[onnx]'"
        ) from error
    about = "\n".join(_about(exported))
    _write(output, onnx_model(exported.model, exported.inputs, exported.targets, about))


def to_tflite(exported: Exported, output: Path) -> None:
    """A model for LiteRT, in single precision."""
    from lmrun.export.tflite import tflite_model

    _write(output, tflite_model(exported.model))


def _write(output: Path, content: bytes) -> None:
    with replacing(output) as temporary:
        temporary.write_bytes(content)


def to_c(exported: Exported, output: Path) -> None:
    """A C99 header, see `c_header`."""
    header = write_header(stages_of(exported.model, KNOWN), identifier(output.stem), _about(exported))
    write_text_atomically(output, header)


def _about(exported: Exported) -> list[str]:
    names = ", ".join(exported.inputs), ", ".join(exported.targets)
    return [
        f"{names[1]} from {names[0]}: the run {exported.run.name}, written by lmrun {lmrun.__version__}.",
        "Inputs and outputs are in the units of the data; normalization is part of the model.",
        *(["The outputs are logits."] if exported.logits else []),
    ]


def _try_onnx(model: Any) -> None:
    try:
        from lmrun.export import onnx_layers
    except ModuleNotFoundError:
        raise UnknownLayerError("Without the package onnx it") from None
    follow(model, onnx_layers.KNOWN)


def _try_tflite(model: Any) -> None:
    from lmrun.export import tflite

    follow(model, tflite.KNOWN)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "keras": Format(".keras", to_keras),
        "savedmodel": Format("", to_savedmodel),
        "onnx": Format(".onnx", to_onnx, _try_onnx),
        "tflite": Format(".tflite", to_tflite, _try_tflite),
        "npz": Format(".npz", to_npz, stages_of),
        "c": Format(".h", to_c, partial(stages_of, functions=KNOWN)),
    }
)


def write(kind: str, exported: Exported, output: Path) -> None:
    """Write a model in a format.

    Raises:
        UsageError: The format knows no such model; the message names those that do.
    """
    try:
        FORMATS[kind].write(exported, output)
    except UnknownLayerError as error:
        others = [name for name in FORMATS if name != kind and _takes(name, exported.model)]
        raise UsageError(
            f"{error.what} cannot be written as {kind}. --format can be {', '.join(others)}."
        ) from error


def _takes(name: str, model: Any) -> bool:
    try_out = FORMATS[name].try_out
    try:
        if try_out is not None:
            try_out(model)
    except UnknownLayerError:
        return False
    return True
