"""The GPUs of one machine as replicas, each of which works on chunks of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from lmrun.errors import ConfigError

Tensor = Any


def replica_devices() -> list[str]:
    """Return the names of the GPUs that TensorFlow sees."""
    return [device.name.removeprefix("/physical_device:") for device in tf.config.list_logical_devices("GPU")]


class Mirrors:
    """Replicas whose sums `tf.distribute.MirroredStrategy` adds up, by NCCL on GPUs.

    Chunk k belongs to replica k modulo their number. All share one process and one set of parameters, which
    each call takes to its device.

    Args:
        places: Names of the devices; the first one solves for the steps.
    """

    def __init__(self, places: Sequence[str]) -> None:
        self.places = tuple(places)
        self.strategy = tf.distribute.MirroredStrategy(list(places))

    def summed(self, parts: Sequence[Tensor]) -> Tensor:
        """Add up tensors of one shape, the k-th of which is on the k-th device; the sum is on the first."""
        if len(parts) == 1:
            return parts[0]
        # With fewer chunks than replicas, some have nothing to add.
        missing = [tf.zeros_like(parts[0])] * (len(self.places) - len(parts))
        every = [*parts, *missing]
        values = self.strategy.experimental_distribute_values_from_function(
            lambda context: every[context.replica_id_in_sync_group]
        )
        total = self.strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)
        with tf.device(self.places[0]):
            return tf.identity(total)


def mirrors_of(device: str) -> Mirrors:
    """Return all GPUs as replicas.

    Args:
        device: TensorFlow's name of the device that the config chooses.

    Raises:
        ConfigError: There are none, or the config chooses the CPU.
    """
    places = replica_devices()
    if device == "/CPU:0" or not places:
        raise ConfigError(
            [
                "distribution: mirrored is for the GPUs of a machine, and this run would be on the CPU, all "
                "of whose cores a single process uses anyway. Use distribution: none, or multi-worker for "
                "several machines."
            ]
        )
    return Mirrors(places)
