"""lmrun: train small networks and formulas to instrument accuracy.

The package imports neither TensorFlow nor NumPy here: `lmrun --help` answers at once. What both read from the
environment while they load is set here, before either can load; a value that the user has set stays.
"""

import os

__version__ = "0.1.0"

os.environ["KERAS_BACKEND"] = "tensorflow"
# lmrun's own threads work side by side, each with one of BLAS: see `linalg.threads`.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# TensorFlow's greetings (missing GPU, CPU features) are not for users; its errors come as exceptions anyway.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
