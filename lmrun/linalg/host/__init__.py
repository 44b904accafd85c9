"""Dense algebra on the CPU with NumPy arrays, through BLAS and LAPACK."""

from lmrun.linalg.host.algebra import HostAlgebra
from lmrun.linalg.host.gram import symmetrized

__all__ = ["HostAlgebra", "symmetrized"]
