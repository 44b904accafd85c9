"""The forms of J^T J that a step can be solved with, and how to choose one by size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from lmrun.curvature.chunks import Arguments, Chunks, Linearized
from lmrun.curvature.kernels import Kernels
from lmrun.curvature.products import MatrixFree
from lmrun.curvature.reproducible import BlockTables
from lmrun.curvature.selection import Selection
from lmrun.curvature.summation import PLAIN, Summation, added
from lmrun.linalg.algebra import Algebra, Part, Vector
from lmrun.linalg.sharing import Shareable

Tensor = Any

DIRECT_BYTES = 2**32
"""What `auto` lets a factorization hold; beyond, it takes conjugate gradients. It is a fixed number, so
that a config gives the same run on every machine."""


class Form(Protocol):
    """A form of J^T J.

    Attributes:
        by_rows: Whether `bend` is row by row [m] or by parameter [n].
    """

    by_rows: bool

    def row_bytes(self, kernels: Kernels, itemsize: int) -> int:
        """Return the bytes of a sample that decide the size of a chunk."""
        ...

    def linearize(
        self,
        chunks: Chunks,
        params: Tensor,
        selection: Selection | None = None,
        gradient: Tensor | None = None,
    ) -> Linearized:
        """Return J^T J with J^T r at params [n].

        Args:
            chunks: The rows.
            params: [n].
            selection: The k parameters that the curvature is by, if not all.
            gradient: By all parameters [n], where it is not J^T r of these rows.
        """
        ...

    def bend(self, chunks: Chunks, params: Tensor, direction: Tensor) -> Vector:
        """Return the residuals' second derivative along a direction [n], as `System.turn` takes it."""
        ...


class Assembled(NamedTuple):
    """What a worker made of its chunks.

    Attributes:
        part: See `linalg.algebra.Assembly`.
        gradient: By all parameters [n], where the part does not hold it.
        foreign: Whether the gradient is not J^T r.
        values: Sum of w_i l_i of each chunk.
    """

    part: Part
    gradient: Tensor | None
    foreign: bool
    values: list[Tensor]


class Tables:
    """J chunk by chunk, put together by an assembly.

    Args:
        algebra: Where the dense algebra happens.
        name: Of the assembly, which says what is kept of each chunk.
    """

    def __init__(self, algebra: Algebra, name: str) -> None:
        self.algebra = algebra
        self.assembly = algebra.assembly(name)
        self.by_rows = self.assembly.by_rows

    def row_bytes(self, kernels: Kernels, itemsize: int) -> int:
        """See `Kernels.row_bytes`."""
        return kernels.row_bytes(itemsize)

    def linearize(
        self,
        chunks: Chunks,
        params: Tensor,
        selection: Selection | None = None,
        gradient: Tensor | None = None,
    ) -> Linearized:
        """Every worker has a part of its own."""
        kernels = chunks.kernels
        done = chunks.each(lambda share: self._assemble(kernels, params, share, selection), chunks.shares)
        parts = [assembled.part for assembled in done]
        value = self.algebra.total([value for assembled in done for value in assembled.values])
        foreign = gradient is not None or done[0].foreign
        own = None
        if gradient is None and done[0].gradient is not None:
            own = added([assembled.gradient for assembled in done])
        if chunks.reducer.workers > 1:
            assert isinstance(self.assembly, Shareable), "J J^T is of the rows of one worker"
            more = [value] if own is None else [value, own]
            part, (value, *summed) = self.assembly.shared(parts, chunks.reducer, *more)
            parts, own = [part], summed[0] if summed else None
        gradient = own if gradient is None else gradient
        if selection is None:
            curvature = self.assembly.finish(parts, gradient)
            return Linearized(curvature, curvature.gradient, value)
        curvature = self.assembly.finish(parts, selection.take(gradient) if foreign else None)
        return Linearized(curvature, gradient, value)

    def _assemble(
        self, kernels: Kernels, params: Tensor, share: Sequence[Arguments], selection: Selection | None
    ) -> Assembled:
        size = kernels.network.size if selection is None else selection.places.shape[0]
        part, gradient, foreign, values = self.assembly.start(size + 1), None, False, []
        for arguments in share:
            # Rows that are kept are kept in the order of the chunk's components.
            whole = [kernels.jacobian_and_residual(params, *arguments)] if self.by_rows else None
            for table, more, value in whole or kernels.tables(params, *arguments):
                values.append(value)
                foreign = more is not None
                if selection is not None:
                    table, more = selection.of_table(table, more)  # noqa: PLW2901 - the selected part of it
                part = self.assembly.add(part, table)
                gradient = more if gradient is None else gradient + more
        return Assembled(part, gradient, foreign, values)

    def bend(self, chunks: Chunks, params: Tensor, direction: Tensor) -> Vector:
        """r_vv [m] or J^T r_vv [n]."""
        kernel = chunks.kernels.bent_residual if self.by_rows else chunks.kernels.bend
        along = chunks.kernels.point(direction)
        parts = chunks.each(lambda arguments: kernel(params, along, *arguments), chunks.keyed)
        return self.algebra.joined(parts) if self.by_rows else chunks.summed(parts)


FORMS: dict[str, Callable[[Kernels, Algebra], Form]] = {
    "gram": lambda kernels, algebra: Tables(algebra, "gram"),
    "dual": lambda kernels, algebra: Tables(algebra, "dual"),
    "qr": lambda kernels, algebra: Tables(algebra, "qr"),
    "cg": MatrixFree,
    "blocks": lambda kernels, algebra: BlockTables(algebra),
}
"""`gram`: J^T J [n, n]; `dual`: J [m, n] and J J^T [m, m]; `qr`: the triangle of J [n, n]; `cg`: none;
`blocks`: J^T J [n, n] as a reproducible sum."""
ON_DEVICES = ("gram", "dual", "qr", "cg")
"""The forms that are not NumPy's alone."""


class Sizes(NamedTuple):
    """What a choice depends on.

    Attributes:
        parameters: Number n of parameters.
        rows: Number m of residuals: samples times components.
        itemsize: Bytes of a number.
        workers: Threads, each of which has a part.
    """

    parameters: int
    rows: int
    itemsize: int
    workers: int


HELD: dict[str, Callable[[Sizes], int]] = {
    "gram": lambda sizes: (sizes.workers + 2) * sizes.parameters**2,
    "dual": lambda sizes: 3 * sizes.rows * sizes.parameters + 3 * sizes.rows**2,
    "qr": lambda sizes: (sizes.workers + 3) * sizes.parameters**2,
    "cg": lambda sizes: 12 * sizes.parameters,
    "blocks": lambda sizes: (3 * sizes.workers + 2) * sizes.parameters**2,
}
"""Numbers that a form holds at a time, its chunks aside: sums, damped copies and factors."""


def held_bytes(form: str, sizes: Sizes) -> int:
    """Return what a form holds at a time, its chunks aside."""
    return HELD[form](sizes) * sizes.itemsize


def _by_shape(sizes: Sizes) -> str:
    """Whichever of J^T J and J J^T is smaller."""
    return "dual" if sizes.rows < sizes.parameters else "gram"


def _by_size(sizes: Sizes) -> str:
    """The smaller matrix if it is small enough, else none."""
    form = _by_shape(sizes)
    return form if held_bytes(form, sizes) <= DIRECT_BYTES else "cg"


SOLVERS: dict[str, Callable[[Sizes], str]] = {
    "auto": _by_size,
    "cholesky": _by_shape,
    "qr": lambda sizes: "qr",
    "cg": lambda sizes: "cg",
    "matrix": lambda sizes: "gram",
    "blocks": lambda sizes: "blocks",
}
"""The name of a form for every solver of the config, `matrix` for a J^T J that is to be kept, and
`blocks` for one of the same bits by any number of workers."""


class Forms:
    """The forms of one model and loss that a solver needs, each made once.

    Args:
        kernels: Model and loss.
        algebra: Where the dense algebra happens.
        solver: See `SOLVERS`.
        summation: How sums over the rows are made, and the rows cut for that.
    """

    def __init__(self, kernels: Kernels, algebra: Algebra, solver: str, summation: Summation = PLAIN) -> None:
        self.kernels = kernels
        self.algebra = algebra
        self.solver = solver
        self.summation = summation
        self._made: dict[str, Form] = {}

    def sizes(self, samples: int) -> Sizes:
        """Return what the choice for a batch of samples depends on."""
        rows = samples * self.kernels.loss.components(self.kernels.graph.width)
        return Sizes(self.kernels.network.size, rows, self.algebra.dtype.itemsize, self.algebra.workers)

    def name(self, samples: int) -> str:
        """Return the name of the form for a batch of samples."""
        return SOLVERS[self.solver](self.sizes(samples))

    def take(self, samples: int) -> Form:
        """Return the form for a batch of samples."""
        name = self.name(samples)
        if name not in self._made:
            self._made[name] = FORMS[name](self.kernels, self.algebra)
        return self._made[name]

    def chunk_rows(self, samples: int) -> int:
        """Return the rows of a chunk of a batch of samples."""
        return self.summation.chunk_rows(samples, self.row_bytes(samples), self.kernels)

    def row_bytes(self, samples: int) -> int:
        """Return the bytes of a sample that decide the size of a chunk."""
        return self.take(samples).row_bytes(self.kernels, self.algebra.dtype.itemsize)
