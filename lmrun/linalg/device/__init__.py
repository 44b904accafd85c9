"""Dense algebra where the tensors are, without a round trip to the host."""

from lmrun.linalg.device.algebra import DeviceAlgebra

__all__ = ["DeviceAlgebra"]
