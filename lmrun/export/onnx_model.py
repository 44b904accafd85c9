"""ONNX: a model as a graph, written layer by layer, in the precision in which it was trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

import lmrun
from lmrun.export.onnx_graph import Graph, Number
from lmrun.export.onnx_layers import LAYERS
from lmrun.export.stages import check_layers

OPERATORS = 18
"""The set of operators, of 2022: old enough for the runtimes in use."""
FORMAT = 8
"""The version of the file format that came with it."""


def onnx_model(model: Any, inputs: Sequence[str], targets: Sequence[str], about: str) -> bytes:
    """Write a model whose input is `x` [rows, ...] and whose output is `y` [rows, outputs].

    Args:
        model: A chain of Keras layers.
        inputs: The names of the columns of x, kept in the file's metadata.
        targets: Those of y.
        about: The file's description.

    Raises:
        UsageError: It has a layer, or an activation, that is not known here.
    """
    check_layers(model, LAYERS)
    graph = Graph(np.dtype(model.inputs[0].dtype))
    value, shape = Number(graph, "x"), tuple(model.input_shape)
    for layer in model.layers:
        value = LAYERS[type(layer).__name__](graph, layer, value, shape)
        shape = tuple(layer.compute_output_shape(shape))
    graph.nodes.append(onnx.helper.make_node("Identity", [value.name], ["y"], name="y"))
    kind = onnx.helper.np_dtype_to_tensor_dtype(graph.dtype)
    ends = [
        onnx.helper.make_tensor_value_info(name, kind, ["rows", *sizes])
        for name, sizes in (("x", model.input_shape[1:]), ("y", shape[1:]))
    ]
    whole = onnx.helper.make_graph(graph.nodes, "lmrun", ends[:1], ends[1:], graph.initializers)
    made = onnx.helper.make_model(
        whole,
        opset_imports=[onnx.helper.make_opsetid("", OPERATORS)],
        ir_version=FORMAT,
        producer_name="lmrun",
        producer_version=lmrun.__version__,
        doc_string=about,
    )
    onnx.helper.set_model_props(made, {"inputs": json.dumps(inputs), "targets": json.dumps(targets)})
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString())
