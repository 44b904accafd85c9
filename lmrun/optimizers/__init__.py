"""Optimizers: pure functions from parameters and state to the next ones."""
