"""Faults injected into lmrun, and what they cost: `python -m benchmarks.reliability` writes the table."""

# First: it sets what NumPy and TensorFlow read from the environment.
import lmrun  # noqa: F401
