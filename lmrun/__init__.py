"""lmrun: train small networks and formulas to instrument accuracy.

The package imports neither TensorFlow nor NumPy here: `lmrun --help` answers at once.
"""

__version__ = "0.1.0"
