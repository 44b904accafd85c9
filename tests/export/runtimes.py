"""Each format's own runtime, from a model and its inputs to its outputs."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter
from scipy.special import softmax

from lmrun.export.c_header import write_header
from lmrun.export.following import input_names, output_names
from lmrun.export.formats import Exported, to_npz
from lmrun.export.joining import JOINING
from lmrun.export.onnx_model import onnx_model
from lmrun.export.stages import stages_of
from lmrun.export.tflite import tflite_model
from lmrun.runs.layout import RunDirectory

COMPILER = shutil.which("gcc") or shutil.which("cc")
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic", "-O1")
MAIN = """
#include <stdio.h>
#include "model.h"
int main(void)
{{
    {kind} x[MODEL_INPUTS], y[MODEL_OUTPUTS];
    for (;;) {{
        for (int i = 0; i < MODEL_INPUTS; ++i) {{
            if (scanf("{read}", &x[i]) != 1) return 0;
        }}
        model_predict(x, y);
        for (int i = 0; i < MODEL_OUTPUTS; ++i) printf("%.17g ", (double)y[i]);
        printf("\\n");
    }}
}}
"""

Arrays = Sequence[np.ndarray]


def by_onnx(folder: Path, model, inputs: Arrays) -> Arrays:
    """ONNX Runtime."""
    session = onnxruntime.InferenceSession(onnx_model(model, ["a"], ["b"], "words"))
    made = session.run(output_names(model), dict(zip(input_names(model), inputs, strict=True)))
    assert all(one.dtype == inputs[0].dtype for one in made)
    return made


def by_tflite(folder: Path, model, inputs: Arrays) -> Arrays:
    """LiteRT, which has single precision only."""
    interpreter = Interpreter(model_content=tflite_model(model))
    given = dict(zip(input_names(model), inputs, strict=True))
    details = interpreter.get_input_details()
    places = {one["name"].split(":")[0].removeprefix("serving_default_"): one["index"] for one in details}
    for name, values in given.items():
        interpreter.resize_tensor_input(places[name], values.shape)
    made = interpreter.get_signature_runner()(**{name: one.astype(np.float32) for name, one in given.items()})
    return [made[name] for name in output_names(model)]


def by_c(folder: Path, model, inputs: Arrays) -> Arrays:
    """gcc: the header, compiled without a warning; all outputs in a row."""
    if COMPILER is None:
        pytest.skip("no C compiler is installed (gcc, cc)")
    staged = stages_of(model)
    single = staged.dtype == np.float32
    (folder / "model.h").write_text(write_header(staged, "model", ["y from */ x\nand a line"]))
    (folder / "main.c").write_text(
        MAIN.format(kind="float" if single else "double", read="%f" if single else "%lf")
    )
    binary = folder / "model"
    command = [COMPILER, *FLAGS, str(folder / "main.c"), "-o", str(binary), "-lm"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    rows = np.concatenate([one.reshape(len(one), -1) for one in inputs], axis=1)
    lines = "\n".join(" ".join(map(repr, map(float, row))) for row in rows)
    done = subprocess.run([str(binary)], input=lines, capture_output=True, text=True, check=True)
    made = np.array([list(map(float, line.split())) for line in done.stdout.splitlines()])
    ends = np.cumsum([int(np.prod(one.shape[1:])) for one in model.outputs])[:-1]
    return np.split(made, ends, axis=1)


def by_npz(folder: Path, model, inputs: Arrays) -> Arrays:
    """NumPy alone; of the activations only those that the test needs."""
    to_npz(Exported(RunDirectory(folder), model, (), (), logits=False), folder / "model.npz")
    file = np.load(folder / "model.npz")
    values = list(inputs)
    for place in range(1, 1 + sum(name.endswith("_reads") for name in file)):
        part = {name.partition("_")[2]: file[name] for name in file if name.startswith(f"{place}_")}
        read = [values[number] for number in part["reads"]]
        values.append(stage(part, *read))
    return [values[number] for number in file["outputs"]]


def stage(part: Mapping[str, np.ndarray], *x: np.ndarray) -> np.ndarray:
    """One stage of an NPZ file."""
    if "scale" in part:
        return x[0] * part["scale"] + part["offset"]
    if "numbers" in part:
        rest = iter(x)
        arguments = [next(rest) if np.isnan(number) else number for number in part["numbers"]]
        return JOINING[str(part["operation"])](call, *arguments)
    if "operation" in part:
        return np.concatenate(x, axis=1)
    v = x[0] @ part["kernel"] + part["bias"] if "kernel" in part else x[0]
    return NUMPY[str(part["activation"])](v)


def call(name: str, *arguments: np.ndarray) -> np.ndarray:
    """A function by its name."""
    return getattr(np, name)(*arguments)


NUMPY = {
    "linear": lambda v: v,
    "tanh": np.tanh,
    "relu": lambda v: np.maximum(v, 0),
    "softplus": lambda v: np.logaddexp(0, v),
    "softmax": lambda v: softmax(v, axis=1),
}
RUNTIMES = {"onnx": by_onnx, "tflite": by_tflite, "c": by_c, "npz": by_npz}
"""By the name of the format."""
