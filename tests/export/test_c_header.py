"""The header, compiled without a warning and run beside Keras."""

import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from exported_models import PRECISIONS, assert_near, every_function, mlp

from lmrun.errors import UsageError
from lmrun.export.c_header import identifier, write_header
from lmrun.export.stages import chain_of
from lmrun.models.network import sequential

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


def run(model, inputs: np.ndarray, folder: Path) -> np.ndarray:
    """Compile the header of a model and call it for inputs [rows, features]."""
    if COMPILER is None:
        pytest.skip("no C compiler is installed (gcc, cc)")
    chain = chain_of(model)
    single = chain.dtype == np.float32
    (folder / "model.h").write_text(write_header(chain, "model", ["y from */ x\nand a line"]))
    (folder / "main.c").write_text(
        MAIN.format(kind="float" if single else "double", read="%f" if single else "%lf")
    )
    binary = folder / "model"
    command = [COMPILER, *FLAGS, str(folder / "main.c"), "-o", str(binary), "-lm"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    lines = "\n".join(" ".join(map(repr, map(float, row))) for row in inputs)
    done = subprocess.run([str(binary)], input=lines, capture_output=True, text=True, check=True)
    return np.array([list(map(float, line.split())) for line in done.stdout.splitlines()])


@PRECISIONS
def test_networks_agree_with_keras(dtype, rng, tmp_path):
    model = mlp(dtype, rng)
    inputs = rng.normal(size=(20, 3)).astype(dtype)
    assert_near(run(model, inputs, tmp_path), model(inputs))


def test_a_wide_layer_rounds_off_no_more_than_keras(rng, tmp_path):
    model = sequential([keras.layers.Dense(10, dtype="float32")], (4000,), "float32")
    inputs = rng.normal(size=(20, 4000)).astype(np.float32)
    exact = inputs.astype(float) @ np.asarray(model.layers[0].kernel).astype(float)
    made = run(model, inputs, tmp_path)
    assert_near(made, exact, "float32")
    assert_near(made, model(inputs))


@PRECISIONS
def test_every_function_and_operator_agrees_with_tensorflow(dtype, rng, tmp_path):
    model = every_function(dtype)
    inputs = rng.uniform(0.1, 1, (30, 3)).astype(dtype)
    assert_near(run(model, inputs, tmp_path), model(inputs))


def test_what_cannot_be_written_says_so():
    layers = [keras.layers.Dense(2), keras.layers.Dropout(0.5)]
    with pytest.raises(UsageError, match="A layer Dropout cannot be written in this format"):
        chain_of(sequential(layers, (2,), "float32"))
    odd = sequential([keras.layers.Dense(2, activation="mish")], (2,), "float32")
    with pytest.raises(UsageError, match="The activation mish has no C code"):
        write_header(chain_of(odd), "a", [])


@pytest.mark.parametrize(
    ("name", "made"), [("model", "model"), ("2026-lm", "model_2026_lm"), ("Ä b.c", "b_c"), ("", "model_")]
)
def test_identifiers(name, made):
    assert identifier(name) == made
