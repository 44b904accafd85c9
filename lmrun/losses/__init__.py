"""Losses: value, residual and the factor of the Gauss-Newton curvature."""
