"""Chains of layers on the CPU in NumPy, which has nothing to trace and nothing to compile."""
