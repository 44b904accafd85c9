"""Layers in NumPy, one module per kind."""
