"""Linearization of a loss at given parameters: Jacobian, J^T J and J^T r in chunks, Hessian."""
