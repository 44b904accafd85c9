"""Benchmarks of lmrun; `make bench` runs `benchmarks.run`."""
