"""One C99 header without dependencies but <math.h>: the model of an instrument's firmware."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.errors import UsageError
from lmrun.export.c_expression import Code, call, evaluate
from lmrun.export.stages import Affine, Chain, Formula, Scale, Stage
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


def write_header(chain: Chain, name: str, about: Sequence[str]) -> str:
    """Return the text of a header with one function, `NAME_predict(x, y)`.

    Args:
        chain: The model.
        name: An identifier of C.
        about: Lines of the comment at the top.

    Raises:
        UsageError: The model has a part that nobody knows how to write in C.
    """
    dialect = DIALECTS[chain.dtype.name]
    arrays: list[str] = []
    body: list[str] = []
    width, source = chain.inputs, "x"
    for place, stage in enumerate(chain.stages):
        last = place == len(chain.stages) - 1
        width_after = _width_after(stage, width)
        target = "y" if last else f"a{place + 1}"
        if not last:
            body.append(f"    {dialect.name} {target}[{width_after}];")
        made = _Stage(dialect, f"{name}_{place + 1}", source, target, width)
        arrays += made.arrays(stage)
        body += made.code(stage)
        width, source = width_after, target
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
            f"#define {name.upper()}_INPUTS {chain.inputs}",
            f"#define {name.upper()}_OUTPUTS {chain.outputs}\n",
            *arrays,
            f"{signature}\n{{",
            *body,
            f"}}\n\n#endif /* {guard} */\n",
        ]
    )


def _width_after(stage: Stage, width: int) -> int:
    match stage:
        case Affine():
            return int(stage.kernel.shape[1])
        case Formula():
            return len(stage.expressions.responses)
        case Scale():
            return width


@dataclass(frozen=True)
class _Stage:
    """The C code of a stage.

    Attributes:
        dialect: Of the numbers.
        name: Begins the names of its arrays.
        source: The array that it reads.
        target: The array that it writes.
        width: Numbers that it reads.
    """

    dialect: Dialect
    name: str
    source: str
    target: str
    width: int

    def arrays(self, stage: Stage) -> Iterator[str]:
        """The constants."""
        match stage:
            case Scale():
                yield self._array("scale", np.broadcast_to(stage.scale, self.width))
                yield self._array("offset", np.broadcast_to(stage.offset, self.width))
            case Affine():
                yield self._array("w", stage.kernel.T)
                if stage.bias is not None:
                    yield self._array("b", stage.bias)
            case Formula():
                pass

    def code(self, stage: Stage) -> Iterator[str]:
        """The statements."""
        match stage:
            case Scale():
                yield f"    for (int i = 0; i < {self.width}; ++i) {{"
                line = f"{self.source}[i] * {self.name}_scale[i] + {self.name}_offset[i]"
                yield f"        {self.target}[i] = {line};"
                yield "    }"
            case Affine():
                yield from self._affine(stage)
            case Formula():
                yield from self._formula(stage)

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
        activation = ACTIVATIONS.get(stage.activation)
        if activation is None:
            known = ", ".join(ACTIVATIONS)
            raise UsageError(f"The activation {stage.activation} has no C code. Known: {known}.")
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
        yield f"        {write}[i] = {self.dialect.code(activation)};"
        yield "    }"

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
