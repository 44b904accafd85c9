"""Losses in NumPy, samples last."""
