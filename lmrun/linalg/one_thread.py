"""One thread of BLAS for each of lmrun's own.

`lmrun/__init__` sets OPENBLAS_NUM_THREADS, which BLAS reads while NumPy loads. A program that has imported
NumPy before lmrun has a BLAS with as many threads as cores, and each of lmrun's threads would wait for all of
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread(controller: ThreadpoolController | None = None) -> Iterator[None]:
    """Let every BLAS of this process use one thread, and as many as before afterwards.

    Args:
        controller: Of the libraries that are loaded; left out, it looks for them, which takes some
            milliseconds.
    """
    with (controller or ThreadpoolController()).limit(limits=1, user_api="blas"):
        yield
