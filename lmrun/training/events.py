"""Event files for TensorBoard, on request: a curve per column of metrics.csv."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import Row

SCALARS = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
)
"""Tells TensorBoard which of its plugins draws a value; TensorBoard itself is not needed to write one."""
FLUSH_MILLISECONDS = 2000
"""TensorBoard looks for new values every few seconds."""
COORDINATES = frozenset({"step"})
"""What a curve is drawn against."""


class EventWriter:
    """Write every number of a row as a scalar at its step.

    A resumed run begins a file of its own; the steps that it makes again are the same bits, and so one point.

    Args:
        run: The files go to its folder `tensorboard`.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._writer = tf.summary.create_file_writer(
            str(run.tensorboard), flush_millis=FLUSH_MILLISECONDS, name="lmrun"
        )

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows; what a row does not say makes no point."""
        with tf.device("/CPU:0"), self._writer.as_default():
            for row in rows:
                step = int(row["step"] or 0)
                for name, value in row.items():
                    if name not in COORDINATES and value is not None:
                        tf.summary.write(name, tf.constant(float(value)), step=step, metadata=SCALARS)

    def close(self) -> None:
        """Write what waits and close the file."""
        self._writer.close()
