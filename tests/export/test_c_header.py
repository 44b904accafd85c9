"""The header, compiled without a warning and run beside Keras."""

import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest

from lmrun.config.expression import ARITY, CANONICAL
from lmrun.errors import UsageError
from lmrun.export.c_header import ACTIVATIONS, identifier, write_header
from lmrun.export.stages import chain_of
from lmrun.models.formula import Formula
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


def mlp(dtype: str, activations: list[str], rng: np.random.Generator):
    shift, scale = rng.normal(size=3), rng.uniform(0.5, 2, 3)
    layers = [
        keras.layers.Rescaling(1.0, offset=-shift, dtype=dtype),
        keras.layers.Rescaling(1.0 / scale, dtype=dtype),
    ]
    for place, activation in enumerate(activations):
        layers.append(keras.layers.Dense(4, use_bias=place != 1, dtype=dtype))
        layers.append(keras.layers.Activation(activation, dtype=dtype))
    layers += [keras.layers.Dense(2, dtype=dtype), keras.layers.Rescaling(3.0, offset=-1.0, dtype=dtype)]
    model = sequential(layers, (3,), dtype)
    model.set_weights([rng.normal(size=weight.shape) * 0.5 for weight in model.get_weights()])
    return model


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_networks_agree_with_keras(dtype, tolerance, rng, tmp_path):
    model = mlp(dtype, list(ACTIVATIONS), rng)
    inputs = rng.normal(size=(20, 3)).astype(dtype)
    expected = np.asarray(model(inputs))
    np.testing.assert_allclose(run(model, inputs, tmp_path), expected, rtol=tolerance, atol=tolerance)


def formula(expression, columns, dtype="float64", **options):
    layer = Formula(expression, columns, dtype=dtype, name="formula", **options)
    return sequential([layer], (len(columns),), dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_every_function_and_operator_agrees_with_tensorflow(dtype, tolerance, rng, tmp_path):
    single = [name for name in CANONICAL if ARITY[name] == 1 and name != "arccosh"]
    # Within the domain of each.
    texts = [f"{name}(0.1 + 0.8*x)" for name in single] + ["arccosh(1.5 + x)", "arctan2(x - 0.5, t)"]
    texts += [
        "-x**3 + a*x**0.5 - 1e-3/(t + 2)**2 + 2**t",
        "pi*(x - t)/-3 + 1e20*b*1e-20",
        "c - x**0 + (-x)**2",
    ]
    options = {"parameters": {"a": 0.3, "b": -2.0}, "fixed": {"unused": 7.0}, "ties": {"c": "exp(a) - b"}}
    model = formula(texts, ["x", "t", "idle"], dtype, **options)
    inputs = rng.uniform(0.1, 1, (10, 3)).astype(dtype)
    expected = np.asarray(model(inputs))
    np.testing.assert_allclose(run(model, inputs, tmp_path), expected, rtol=tolerance, atol=tolerance)


def test_what_cannot_be_written_says_so():
    layers = [keras.layers.Dense(2), keras.layers.Dropout(0.5)]
    with pytest.raises(UsageError, match="A layer Dropout cannot be written out by hand"):
        chain_of(sequential(layers, (2,), "float32"))
    odd = sequential([keras.layers.Dense(2, activation="mish")], (2,), "float32")
    with pytest.raises(UsageError, match="The activation mish has no C code"):
        write_header(chain_of(odd), "a", [])


@pytest.mark.parametrize(
    ("name", "made"), [("model", "model"), ("2026-lm", "model_2026_lm"), ("Ä b.c", "b_c"), ("", "model_")]
)
def test_identifiers(name, made):
    assert identifier(name) == made
