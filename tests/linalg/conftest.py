"""Curvatures made of plain matrices, in every form and on both sides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from lmrun.linalg.algebra import Algebra, Curvature, Product
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra
from lmrun.linalg.truncation import Truncation

TOLERANCE = {"float32": 1e-6, "float64": 1e-13}
"""Of the conjugate gradients: as far as the type goes."""
ALGEBRAS: dict[tuple[str, str], Algebra] = {
    (place, dtype): make(dtype, Truncation(TOLERANCE[dtype], progress=0))
    for place, make in (("host", HostAlgebra), ("device", DeviceAlgebra))
    for dtype in ("float32", "float64")
}


def plain_product(vector: Any, J: Any) -> Any:
    return tf.linalg.matvec(J, tf.linalg.matvec(J, vector), transpose_a=True)


@dataclass(frozen=True)
class Made:
    """A curvature, its algebra, and J^T r_vv or r_vv as its systems take it."""

    algebra: Algebra
    curvature: Curvature
    by_rows: bool

    def take(self, array: Any) -> Any:
        """A vector as the algebra has them."""
        return self.algebra.adopt(tf.constant(array, self.algebra.dtype))

    def bent(self, J: Any, rows: Any) -> Any:
        return self.take(rows if self.by_rows else J.T @ rows)


@pytest.fixture(scope="session")
def make_curvature() -> Callable[..., Made]:
    """Return a function that puts J [m, n] and r [m] together, in chunks of three rows."""

    def make(place: str, form: str, J: Any, r: Any, *, dtype: str = "float64", gradient: Any = None) -> Made:
        algebra = ALGEBRAS[place, dtype]
        if gradient is not None:
            gradient = tf.constant(gradient, dtype)
        if form == "cg":
            matrix = tf.constant(J, dtype)
            own = tf.constant(J.T @ r, dtype) if gradient is None else gradient
            product = Product(lambda vector: plain_product(vector, matrix), plain_product, lambda: (matrix,))
            diagonal = tf.constant(np.sum(J * J, axis=0), dtype)
            return Made(algebra, algebra.matrix_free(product, own, diagonal), False)
        assembly = algebra.assembly(form)
        table = np.column_stack([J, r]).T
        chunks = [tf.constant(table[:, start : start + 3], dtype) for start in range(0, len(J), 3)]
        parts = []
        for worker in range(min(2 if place == "host" else 1, len(chunks))):
            part = assembly.start(len(table))
            for chunk in chunks[worker :: 2 if place == "host" else 1]:
                part = assembly.add(part, chunk)
            parts.append(part)
        return Made(algebra, assembly.finish(parts, gradient), assembly.by_rows)

    return make
