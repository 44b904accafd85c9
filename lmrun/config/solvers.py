"""How Gauss-Newton and Levenberg-Marquardt solve for a step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lmrun.config.base import PositiveInt, Section, ShortForm


class AutoSolver(Section):
    """`cholesky` up to 4 GiB of matrices, `cg` beyond."""

    name: Literal["auto"]


class CholeskySolver(Section):
    """J^T J or the smaller J J^T, factored."""

    name: Literal["cholesky"]


class QrSolver(Section):
    """J itself, factored: twice the digits."""

    name: Literal["qr"]


class CgSolver(Section):
    """Conjugate gradients (Hestenes and Stiefel 1952): products with J^T J, but no matrix."""

    name: Literal["cg"]
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 1e-2
    """End once the residual is this share of the right side (Dembo, Eisenstat and Steihaug 1982)."""
    progress: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """End once product i adds less than progress / i of what the quadratic model has fallen by so far (Nash
    and Sofer 1990); 0 looks at the tolerance alone."""
    max_products: PositiveInt = 1000
    """End after this many products."""


SolverConfig = Annotated[
    Annotated[AutoSolver | CholeskySolver | QrSolver | CgSolver, Field(discriminator="name")], ShortForm
]
