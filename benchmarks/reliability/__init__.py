"""Faults injected into lmrun, and what they cost: `python -m benchmarks.reliability` writes the table."""
