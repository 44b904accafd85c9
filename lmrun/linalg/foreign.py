"""BLAS and LAPACK by address, without Python's global lock.

SciPy's own wrappers hold the lock while they compute, so two threads would take turns: on 2 cores J^T J of
10,000 x 311 took 16 ms through them with one thread or two, and 8 ms with two threads through the same
function called by address.
"""

from __future__ import annotations

import ctypes
from functools import cache
from types import ModuleType
from typing import Any

from scipy import LowLevelCallable

PREFIXES = {"float32": "s", "float64": "d"}
NAMES = {"f": "float32", "d": "float64"}
"""By the letter that NumPy has for a type: its name takes longer to ask for than a small system to solve."""
SCALARS = {"float32": ctypes.c_float, "float64": ctypes.c_double}


@cache
def foreign(module: ModuleType, name: str, dtype: str, arguments: int) -> Any:
    """Return a routine of a floating-point type as a foreign function, which runs outside the lock.

    Args:
        module: `scipy.linalg.cython_blas` or `scipy.linalg.cython_lapack`.
        name: Without the letter of the type, such as `syrk`.
        dtype: `float32` or `float64`.
        arguments: Their number; all of them are addresses.
    """
    capsule = LowLevelCallable.from_cython(module, PREFIXES[dtype] + name).function
    interface = ctypes.pythonapi
    interface.PyCapsule_GetName.restype = ctypes.c_char_p
    interface.PyCapsule_GetName.argtypes = [ctypes.py_object]
    interface.PyCapsule_GetPointer.restype = ctypes.c_void_p
    interface.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = interface.PyCapsule_GetPointer(capsule, interface.PyCapsule_GetName(capsule))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arguments)(address)


def integer(value: int) -> Any:
    """Return an integer as these routines take it."""
    return ctypes.byref(ctypes.c_int(value))
