"""Load TensorFlow without its greetings.

TensorFlow writes a few lines about missing GPUs and CPU features to stderr before its own log level applies;
they would stand before every run's output. What is not such a line is passed on.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from lmrun.compile_cache import open_cache

GREETING = re.compile(
    r"^[IW]\d{4} |^WARNING: All log messages before absl|^To enable the following instructions|cuInit"
    r"|^\d{4}-\d\d-\d\d .*: [IW] "
)


@contextmanager
def without_greetings() -> Iterator[None]:
    """Hold stderr back, also that of compiled code, and then write what is not a greeting."""
    sys.stderr.flush()
    try:
        descriptor = sys.stderr.fileno()
    except (OSError, ValueError):
        yield
        return
    saved = os.dup(descriptor)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), descriptor)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, descriptor)
            os.close(saved)
            held.seek(0)
            lines = held.read().decode(errors="replace").splitlines(keepends=True)
            sys.stderr.write("".join(line for line in lines if not GREETING.search(line)))


def load_tensorflow() -> None:
    """Import TensorFlow and let it look for devices, quietly; it finds what was compiled before."""
    open_cache()
    with without_greetings():
        import tensorflow as tf

        tf.config.list_physical_devices()
        # Advice on retracing is for developers; `--seeds` compiles anew for every run on purpose.
        tf.get_logger().setLevel("ERROR")
