"""Compiled functions, named by what they compute.

TensorFlow numbers the functions that it traces; the number is part of their name, of every function inside
them and so of the key under which XLA keeps what it has compiled. It depends on all that the process did
before. Named by their content, equal functions are compiled once in a process, and once for all processes
where compiled functions are kept on disk (`lmrun.compile_cache`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

import tensorflow as tf

Tensor = Any
Proto = Any

NUMBER = re.compile(r"_\d+$")
OWN_ATTRIBUTES = ("_gradient_op_type", "_construction_context")
"""What names other numbers of TensorFlow's, and does not matter to what is computed."""
GRADIENT = "_gradient_op_type"
"""The attribute that names the gradient of a node; `tf.custom_gradient` makes up a name for each."""
CUSTOM = b"CustomGradient-"
"""How such a name begins."""
_REGISTERING = Lock()


def flat_call(concrete: Any) -> Callable[[Sequence[Tensor]], Sequence[Tensor]]:
    """Register a copy of a concrete function under the name of its content.

    Args:
        concrete: A `tf.types.experimental.ConcreteFunction`.

    Returns:
        Calls the copy with its tensors, outside of other functions and without a tape. Tensors and variables
        that the function holds on to are arguments of the copy.
    """
    function, captured = concrete.inference_fn, concrete.captured_inputs
    # TensorFlow has no public way to call a function that is known by its name only.
    context = getattr(function, "_bound_context", None)
    if context is None:
        return lambda given: function.call_flat(*given, *captured)
    graph = concrete.graph.as_graph_def()
    definitions = _named_by_content(concrete, graph)
    forget_gradients(graph)
    with _REGISTERING:
        for definition in definitions:
            if not context.has_function(definition.signature.name):
                context.add_function_def(definition)
    name, count, call = definitions[0].signature.name.encode(), len(concrete.outputs), context.call_function
    if captured:
        # TensorFlow keeps what it makes of every function that it calls, under the name of the function.
        return lambda given: call(name, [*given, *captured], count)
    return lambda given: call(name, given, count)


def forget_gradients(graph: Proto) -> None:
    """Take the gradients of a function's own that `tf.custom_gradient` made out of TensorFlow's registry.

    There they would keep the whole graph of every function that was ever traced. No tape records the call of
    the copy; the function itself cannot be differentiated any more.
    """
    # TensorFlow has no public way to forget one; without this way, memory is all that is lost.
    registry = getattr(tf.RegisterGradient.__call__, "__globals__", {}).get("gradient_registry")
    known = getattr(registry, "_registry", {})
    for nodes in (graph.node, *(definition.node_def for definition in graph.library.function)):
        for node in nodes:
            name = node.attr[GRADIENT].s if GRADIENT in node.attr else b""
            if name.startswith(CUSTOM):
                known.pop(name.decode(), None)


def _named_by_content(concrete: Any, graph: Proto | None = None) -> list[Proto]:
    """Return copies of the definition, which comes first, and of all that it calls."""
    graph = concrete.graph.as_graph_def() if graph is None else graph
    library = {one.signature.name: one for one in graph.library.function}
    root = _with_plain_arguments(concrete.function_def)
    numbered: dict[str, str] = {root.signature.name: _without_number(root.signature.name)}
    definitions = [root]
    for definition in definitions:
        for reference in _references(definition):
            if reference.name in library and reference.name not in numbered:
                numbered[reference.name] = f"{_without_number(reference.name)}_{len(numbered)}"
                definitions.append(_with_plain_arguments(library[reference.name]))
    copies = [_renamed(definition, numbered) for definition in definitions]
    content = hashlib.sha256(b"".join(copy.SerializeToString(deterministic=True) for copy in copies))
    named = {name: f"{name}_{content.hexdigest()[:16]}" for name in numbered.values()}
    return [_renamed(copy, named) for copy in copies]


def _with_plain_arguments(definition: Proto) -> Proto:
    """Return a copy with counted arguments: those of a loop have the numbers of functions in their names."""
    copy = type(definition)()
    copy.CopyFrom(definition)
    plain: dict[str, str] = {}
    for place, argument in enumerate(copy.signature.input_arg):
        plain[argument.name] = f"argument_number_{place}"
        argument.name = plain[argument.name]
    for node in copy.node_def:
        node.input[:] = [_plain_source(source, plain) for source in node.input]
    for name, source in list(copy.ret.items()):
        copy.ret[name] = plain.get(source, source)
    return copy


def _plain_source(source: str, plain: Mapping[str, str]) -> str:
    """Rename an argument among the inputs of a node; `^` before a name makes the node wait for it."""
    waits = "^" if source.startswith("^") else ""
    name = source.removeprefix(waits)
    return waits + plain.get(name, name)


def _renamed(definition: Proto, names: Mapping[str, str]) -> Proto:
    copy = type(definition)()
    copy.CopyFrom(definition)
    for attributes in (copy.attr, *(node.attr for node in copy.node_def)):
        for name in OWN_ATTRIBUTES:
            attributes.pop(name, None)
    for reference in _references(copy):
        reference.name = names.get(reference.name, reference.name)
    copy.signature.name = names[copy.signature.name]
    return copy


def _without_number(name: str) -> str:
    return NUMBER.sub("", name)


def _references(definition: Proto) -> Iterator[Proto]:
    """Yield every mention of a function, such as the body of a loop."""
    for node in definition.node_def:
        # A map of this kind has no order of its own.
        for _, value in sorted(node.attr.items()):
            if value.HasField("func"):
                yield value.func
            elif value.HasField("list"):
                yield from value.list.func
