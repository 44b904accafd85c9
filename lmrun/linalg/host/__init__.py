"""Dense algebra on the CPU with NumPy arrays, through BLAS and LAPACK."""

from lmrun.linalg.host.algebra import WORKERS, HostAlgebra
from lmrun.linalg.host.gram import symmetrized

__all__ = ["WORKERS", "HostAlgebra", "symmetrized"]
