"""When conjugate gradients end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Truncation:
    """Three limits, of which the first one reached ends the conjugate gradients.

    Attributes:
        tolerance: Of the residual, relative to the right side. Any fixed number below 1 lets an inexact
            Newton method converge, the faster the smaller it is (Dembo, Eisenstat and Steihaug 1982, Inexact
            Newton methods, theorem 2.3). On sinc with 500 points 1e-2 reached a loss of 3.6e-8 in 15 s, 0.1
            2.0e-7 and 0.5 3.6e-7; on rosenbrock-mlp the order was the same.
        progress: They end once product i adds less than progress / i of what the quadratic model has fallen
            by so far. With many more parameters than rows the residual goes on falling for hundreds of
            products after the model has stopped to; 0 looks at the residual alone. (Nash and Sofer 1990,
            Assessing a search direction within a truncated-Newton method, with 0.5; docs/benchmarks.md.)
        max_products: Per solution.
    """

    tolerance: float = 1e-2
    progress: float = 0.03
    max_products: int = 1000

    def most(self, size: int) -> int:
        """Return the products after which they end; exact ones need no more than `size`."""
        return min(2 * size + 10, self.max_products)


TRUNCATION = Truncation()
"""That of a config which says nothing of it."""
