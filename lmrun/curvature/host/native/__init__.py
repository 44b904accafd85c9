"""Kernels in C, where the machine has a compiler."""
