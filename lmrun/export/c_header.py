"""One C99 header without dependencies but <math.h>: the model of an instrument's firmware."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.export.c_expression import Code, call, evaluate
from lmrun.export.following import UnknownLayerError
from lmrun.export.joining import JOINING
from lmrun.export.stages import Activation, Affine, Concatenated, Formula, Joined, Placed, Scale, Staged
from lmrun.models.interpret import interpret

COLUMNS = 4
"""Numbers in a line."""

BLOCK = 32
"""Terms that a float adds up before it adds their sum to the others: a thousand, one after the other, would
round off twice as much as Keras."""

NUMBER = re.compile(r"(?<![\w.])(?:\d+\.\d+(?:e[+-]?\d+)?|\d+e[+-]?\d+)")

ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {
        "linear": "v",
        "tanh": "tanh(v)",
        "sigmoid": "1.0 / (1.0 + exp(-v))",
        "relu": "v > 0.0 ? v : 0.0",
        "elu": "v > 0.0 ? v : expm1(v)",
        "selu": "1.0507009873554805 * (v > 0.0 ? v : 1.6732632423543772 * expm1(v))",
        # TensorFlow rounds the root of 1/2 to float32, in float64 too.
        "gelu": "0.5 * v * (1.0 + erf(v * 0.7071067690849304))",
        "silu": "v / (1.0 + exp(-v))",
        "softplus": "v > 0.0 ? v + log1p(exp(-v)) : log1p(exp(v))",
        "softsign": "v / (1.0 + fabs(v))",
        "exponential": "exp(v)",
    }
)
"""Each activation of a double v."""
KNOWN = (*ACTIVATIONS, "softmax")


@dataclass(frozen=True)
class Dialect:
    """How C writes a floating-point type.

    Attributes:
        name: Of the type.
        suffix: Of functions and constants.
    """

    name: str
    suffix: str

    def number(self, value: float) -> str:
        """Write a number with the digits that give back the same one."""
        if not self.suffix:
            return repr(float(value))
        return f"{np.format_float_scientific(np.float32(value), trim='-')}{self.suffix}"

    def code(self, text: str) -> str:
        """Turn an expression of doubles into one of this type."""
        if not self.suffix:
            return text
        functions = re.sub(r"\b([a-z]\w*)\(", rf"\g<1>{self.suffix}(", text)
        return NUMBER.sub(rf"\g<0>{self.suffix}", functions)


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {"float64": Dialect("double", ""), "float32": Dialect("float", "f")}
)


def write_header(model: Staged, name: str, about: Sequence[str]) -> str:
    """Return the text of a header with one function, `NAME_predict(x, y)`.

    Args:
        model: Its inputs stand side by side in x, its outputs in y.
        name: An identifier of C.
        about: Lines of the comment at the top.

    Raises:
        UsageError: The model has a part that nobody knows how to write in C.
    """
    dialect, widths = DIALECTS[model.dtype.name], model.widths
    arrays: list[str] = []
    body, values = _inputs(model, dialect)
    direct = model.results == (len(widths) - 1,) and bool(model.stages)
    for place, placed in enumerate(model.stages):
        last = direct and place == len(model.stages) - 1
        values.append("y" if last else f"a{place + 1}")
        if not last:
            body.append(f"    {dialect.name} {values[-1]}[{placed.width}];")
        reads = tuple((values[number], widths[number]) for number in placed.reads)
        made = _Stage(dialect, f"{name}_{place + 1}", reads, values[-1], placed.width)
        arrays += made.arrays(placed)
        body += made.code(placed)
    if not direct:
        ends = tuple((values[number], widths[number]) for number in model.results)
        body += _Stage(dialect, name, ends, "y", sum(width for _, width in ends)).concatenated()
    guard = f"{name.upper()}_H"
    # Names of columns are anybody's.
    lines = [" ".join(line.split()).replace("*/", "* /") for line in about]
    comment = "\n".join(f" * {line}".rstrip() for line in lines)
    signature = (
        f"static inline void {name}_predict(const {dialect.name} x[{name.upper()}_INPUTS], "
        f"{dialect.name} y[{name.upper()}_OUTPUTS])"
    )
    return "\n".join(
        [
            f"/*\n{comment}\n */",
            f"#ifndef {guard}\n#define {guard}\n",
            "#include <math.h>\n",
            f"#define {name.upper()}_INPUTS {sum(model.inputs)}",
            f"#define {name.upper()}_OUTPUTS {sum(widths[number] for number in model.results)}\n",
            *arrays,
            f"{signature}\n{{",
            *body,
            f"}}\n\n#endif /* {guard} */\n",
        ]
    )


def _inputs(model: Staged, dialect: Dialect) -> tuple[list[str], list[str]]:
    """The statements that give each of several inputs a name, and the names."""
    if len(model.inputs) == 1:
        return [], ["x"]
    starts = [sum(model.inputs[:place]) for place in range(len(model.inputs))]
    names = [f"x{place + 1}" for place in range(len(starts))]
    pairs = zip(names, starts, strict=True)
    return [f"    const {dialect.name} *const {name} = x + {start};" for name, start in pairs], names


@dataclass(frozen=True)
class _Stage:
    """The C code of a stage.

    Attributes:
        dialect: Of the numbers.
        name: Begins the names of its arrays.
        reads: The arrays that it reads, and their widths.
        target: The array that it writes.
        width: Numbers that it writes.
    """

    dialect: Dialect
    name: str
    reads: tuple[tuple[str, int], ...]
    target: str
    width: int

    @property
    def source(self) -> str:
        """The array that a stage of one input reads."""
        return self.reads[0][0]

    def arrays(self, placed: Placed) -> Iterator[str]:
        """The constants."""
        match placed.stage:
            case Scale() as stage:
                yield self._array("scale", np.broadcast_to(stage.scale, self.width))
                yield self._array("offset", np.broadcast_to(stage.offset, self.width))
            case Affine() as stage:
                yield self._array("w", stage.kernel.T)
                if stage.bias is not None:
                    yield self._array("b", stage.bias)

    def code(self, placed: Placed) -> Iterator[str]:
        """The statements."""
        match placed.stage:
            case Scale():
                yield from self._each(f"{self.source}[i] * {self.name}_scale[i] + {self.name}_offset[i]")
            case Affine() as stage:
                yield from self._affine(stage)
            case Formula() as stage:
                yield from self._formula(stage)
            case Activation(name):
                yield from self._activation(name)
            case Joined() as stage:
                yield from self._joined(stage)
            case Concatenated():
                yield from self.concatenated()

    def concatenated(self) -> Iterator[str]:
        """One behind the other."""
        start = 0
        for array, width in self.reads:
            yield f"    for (int i = 0; i < {width}; ++i) {{"
            yield f"        {self.target}[{start} + i] = {array}[i];"
            yield "    }"
            start += width

    def _each(self, *lines: str) -> Iterator[str]:
        """A loop over the numbers that are written; the last line is what they are."""
        yield f"    for (int i = 0; i < {self.width}; ++i) {{"
        yield from (f"        {line}" for line in lines[:-1])
        yield f"        {self.target}[i] = {lines[-1]};"
        yield "    }"

    def _joined(self, stage: Joined) -> Iterator[str]:
        arrays = iter([Code(f"{array}[{'i' if width > 1 else 0}]") for array, width in self.reads])
        arguments = [next(arrays) if number is None else number for number in stage.numbers]
        yield from self._each(self.dialect.code(str(JOINING[stage.kind](call, *arguments))))

    def _activation(self, name: str) -> Iterator[str]:
        if name != "softmax":
            yield from self._each(f"const {self.dialect.name} v = {self.source}[i];", self._function(name))
            return
        number, target, exp = self.dialect.name, self.target, self.dialect.code("exp(")
        yield "    {"
        yield f"        {number} largest = {self.source}[0], sum = 0;"
        yield f"        for (int i = 1; i < {self.width}; ++i) {{"
        yield f"            largest = {self.source}[i] > largest ? {self.source}[i] : largest;"
        yield "        }"
        yield f"        for (int i = 0; i < {self.width}; ++i) {{"
        yield f"            sum += {target}[i] = {exp}{self.source}[i] - largest);"
        yield "        }"
        yield f"        for (int i = 0; i < {self.width}; ++i) {{"
        yield f"            {target}[i] /= sum;"
        yield "        }"
        yield "    }"

    def _function(self, name: str) -> str:
        """Each activation of a number v."""
        activation = ACTIVATIONS.get(name)
        if activation is None:
            raise UnknownLayerError(f"The activation {name}")
        return self.dialect.code(activation)

    def _formula(self, stage: Formula) -> Iterator[str]:
        """Parameters and inputs become variables p0, p1, ... and c0, c1, ...; their names are anybody's."""
        number, expressions = self.dialect.name, stage.expressions
        values = expressions.parameters(list(stage.values), evaluate)
        variables: dict[str, Code] = {}
        for place, (name, value) in enumerate(values.items()):
            yield f"    const {number} p{place} = {self.dialect.number(float(value))};"
            variables[name] = Code(f"p{place}")
        for place, name in enumerate(expressions.columns):
            yield f"    const {number} c{place} = {self.source}[{place}];"
            variables[name] = Code(f"c{place}")
        texts = [str(interpret(tree, variables, call)) for tree in expressions.trees]
        for name in (code.text for code in variables.values()):
            if not any(re.search(rf"\b{name}\b", text) for text in texts):
                yield f"    (void){name};"
        for place, text in enumerate(texts):
            yield f"    {self.target}[{place}] = {self.dialect.code(text)};"

    def _affine(self, stage: Affine) -> Iterator[str]:
        number, read, write = self.dialect.name, self.source, self.target
        softmax = stage.activation == "softmax"
        activation = self._function("linear" if softmax else stage.activation)
        inputs, outputs = stage.kernel.shape
        begin = f"{self.name}_b[i]" if stage.bias is not None else "0"
        yield f"    for (int i = 0; i < {outputs}; ++i) {{"
        yield f"        {number} v = {begin};"
        term = f"{self.name}_w[i][j] * {read}[j]"
        if self.dialect.suffix and inputs > BLOCK:
            yield f"        for (int k = 0; k < {inputs}; k += {BLOCK}) {{"
            yield f"            {number} part = 0;"
            yield f"            for (int j = k; j < {inputs} && j < k + {BLOCK}; ++j) {{"
            yield f"                part += {term};"
            yield "            }"
            yield "            v += part;"
        else:
            yield f"        for (int j = 0; j < {inputs}; ++j) {{"
            yield f"            v += {term};"
        yield "        }"
        yield f"        {write}[i] = {activation};"
        yield "    }"
        if softmax:
            yield from replace(self, reads=((write, outputs),))._activation("softmax")

    def _array(self, part: str, values: NDArray[Any]) -> str:
        shape = "".join(f"[{size}]" for size in values.shape)
        return f"static const {self.dialect.name} {self.name}_{part}{shape} = {self._braces(values)};\n"

    def _braces(self, values: NDArray[Any], depth: int = 1) -> str:
        pad = "    " * depth
        if values.ndim > 1:
            inner = ",\n".join(f"{pad}{self._braces(row, depth + 1)}" for row in values)
            return f"{{\n{inner}\n{'    ' * (depth - 1)}}}"
        texts = [self.dialect.number(value) for value in values]
        lines = [", ".join(texts[start : start + COLUMNS]) for start in range(0, len(texts), COLUMNS)]
        if len(lines) == 1:
            return f"{{ {lines[0]} }}"
        inner = ",\n".join(f"{pad}{line}" for line in lines)
        return f"{{\n{inner}\n{'    ' * (depth - 1)}}}"


def identifier(name: str) -> str:
    """Turn a run's name into an identifier of C."""
    text = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return text if re.match(r"[a-z_]", text) else f"model_{text}"
