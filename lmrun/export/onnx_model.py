"""ONNX: a model as a graph, written layer by layer, in the precision in which it was trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

import lmrun
from lmrun.export.following import follow, input_names, kind_of, output_names, precision_of
from lmrun.export.onnx_graph import Graph
from lmrun.export.onnx_layers import KNOWN, LAYERS, Given

OPERATORS = 18
"""The set of operators, of 2022: old enough for the runtimes in use."""
FORMAT = 8
"""The version of the file format that came with it."""


def onnx_model(model: Any, inputs: Sequence[str], targets: Sequence[str], about: str) -> bytes:
    """Write a model whose input is `x` [rows, ...] and whose output is `y` [rows, outputs].

    Several inputs have the names that they have in Keras; several outputs are `y1`, `y2`, ...

    Args:
        model: A chain or graph of Keras layers.
        inputs: The names of the columns of x, kept in the file's metadata.
        targets: Those of y.
        about: The file's description.

    Raises:
        UsageError: It has a layer, or an activation, that is not known here.
    """
    recording = follow(model, KNOWN)
    graph = Graph(precision_of(model))
    reads, gives = input_names(model), output_names(model)
    begins = [_end(name, value.dtype, value.shape) for name, value in zip(reads, model.inputs, strict=True)]
    values = [graph.take(name, value.dtype) for name, value in zip(reads, model.inputs, strict=True)]
    shapes = [tuple(value.shape) for value in model.inputs]
    for use in recording.uses:
        sources = use.sources
        given = Given(use, [values[one] for one in sources], [shapes[one] for one in sources])
        values.append(LAYERS[kind_of(use)](graph, given))
        shapes.append(use.shape)
    ends = []
    for name, number in zip(gives, recording.results, strict=True):
        graph.nodes.append(onnx.helper.make_node("Identity", [values[number].name], [name], name=f"/{name}"))
        ends.append(_end(name, graph.dtype, shapes[number]))
    whole = onnx.helper.make_graph(graph.nodes, "lmrun", begins, ends, graph.initializers)
    file = onnx.helper.make_model(
        whole,
        opset_imports=[onnx.helper.make_opsetid("", OPERATORS)],
        ir_version=FORMAT,
        producer_name="lmrun",
        producer_version=lmrun.__version__,
        doc_string=about,
    )
    onnx.helper.set_model_props(file, {"inputs": json.dumps(inputs), "targets": json.dumps(targets)})
    onnx.checker.check_model(file, full_check=True)
    return bytes(file.SerializeToString())


def _end(name: str, dtype: Any, shape: Sequence[int | None]) -> onnx.ValueInfoProto:
    """The description of an input or output [rows, ...]."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(str(dtype)))
    return onnx.helper.make_tensor_value_info(name, kind, ["rows", *shape[1:]])
