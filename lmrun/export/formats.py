"""The formats, each a function from a run's model to a file or folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

import lmrun
from lmrun.errors import UsageError
from lmrun.export.c_header import identifier, write_header
from lmrun.export.stages import Affine, Formula, Scale, Stage, chain_of
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
        classification: Whether its outputs are logits.
    """

    run: RunDirectory
    model: Any
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    classification: bool


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        suffix: Of the file; empty for a folder.
        write: Writes it.
    """

    suffix: str
    write: Callable[[Exported, Path], None]


def to_keras(exported: Exported, output: Path) -> None:
    """A copy of the run's own file."""
    with replacing(output) as temporary:
        shutil.copyfile(exported.run.model, temporary)


def to_savedmodel(exported: Exported, output: Path) -> None:
    """TensorFlow's SavedModel, whose endpoint is `serve`."""
    exported.model.export(output, format="tf_saved_model", verbose=False)


def to_npz(exported: Exported, output: Path) -> None:
    """The stages of a chain as arrays: `1_scale`, `1_offset`, `2_kernel`, `2_bias`, `2_activation`, ..."""
    arrays: dict[str, Any] = {"inputs": np.array(exported.inputs), "targets": np.array(exported.targets)}
    for place, stage in enumerate(chain_of(exported.model).stages, start=1):
        arrays |= {f"{place}_{name}": array for name, array in _arrays(stage).items()}
    with replacing(output) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def _arrays(stage: Stage) -> dict[str, Any]:
    match stage:
        case Scale():
            return {"scale": stage.scale, "offset": stage.offset}
        case Affine():
            bias = {} if stage.bias is None else {"bias": stage.bias}
            return {"kernel": stage.kernel, "activation": np.array(stage.activation), **bias}
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
    header = write_header(chain_of(exported.model), identifier(output.stem), _about(exported))
    write_text_atomically(output, header)


def _about(exported: Exported) -> list[str]:
    names = ", ".join(exported.inputs), ", ".join(exported.targets)
    return [
        f"{names[1]} from {names[0]}: the run {exported.run.name}, written by lmrun {lmrun.__version__}.",
        "Inputs and outputs are in the units of the data; normalization is part of the model.",
        *(["The outputs are logits."] if exported.classification else []),
    ]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "keras": Format(".keras", to_keras),
        "savedmodel": Format("", to_savedmodel),
        "onnx": Format(".onnx", to_onnx),
        "tflite": Format(".tflite", to_tflite),
        "npz": Format(".npz", to_npz),
        "c": Format(".h", to_c),
    }
)
