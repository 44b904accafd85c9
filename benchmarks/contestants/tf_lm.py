"""tf-levenberg-marquardt: eager steps over slices of a batch, through its `Trainer`.

Settings: `dtype`, `batch` (rows, or null for all), `learning_rate`, `solve`, `damping` (arguments of
`DampingAlgorithm`), `attempts`, `rows_at_once` (rows of a slice of the Jacobian).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import keras
import tensorflow as tf
import tf_levenberg_marquardt as tlm

from benchmarks.contestants.keras_model import build
from benchmarks.contestants.protocol import CHECKED, Recorder, batches, check, read_job


class Trainer(tlm.training.Trainer):
    """Its trainer, one residual per row.

    It asks the model for this with a batch of no rows, and TensorFlow 2.21 gives the convolution of no images
    the wrong shape.
    """

    def _compute_num_outputs(self, inputs: Any, targets: Any) -> Any:
        return tf.constant(1)


def main() -> None:
    """Train until the job is over, or the package wants to stop."""
    job = read_job()
    settings, dtype = job.settings, job.settings["dtype"]
    keras.utils.set_random_seed(job.seed)
    keras.config.set_floatx(dtype)
    classes = job.measure == "accuracy"
    # Its own example passes labels as floats, too.
    inputs, targets = (tf.constant(array, dtype=dtype) for array in job.training())
    model = build(job.layers, job.weights(), tuple(inputs.shape[1:]), dtype)
    check(job, inputs[:CHECKED].numpy(), model(inputs[:CHECKED]).numpy())
    recorder = Recorder(job)
    trainer = Trainer(
        model=model,
        optimizer=keras.optimizers.SGD(learning_rate=settings["learning_rate"]),
        loss=(
            tlm.loss.SparseCategoricalCrossentropy(from_logits=True)
            if classes
            else tlm.loss.MeanSquaredError()
        ),
        damping_algorithm=tlm.damping.DampingAlgorithm(**settings["damping"]),
        attempts_per_step=settings["attempts"],
        solve_method=settings["solve"],
        jacobian_max_num_rows=settings["rows_at_once"],
    )
    trainer.backup_variables()
    order = batches(len(inputs), settings["batch"], job.seed) if settings["batch"] else None
    message = ""
    while not recorder.over():
        if order is None:
            loss, _, _, stop = trainer.train_step(inputs, targets)
        else:
            rows = next(order)
            loss, _, _, stop = trainer.train_step(tf.gather(inputs, rows), tf.gather(targets, rows))
        loss = float(loss)
        recorder.stepped()
        if order is None and not classes:
            recorder.value(loss)
        elif not classes or recorder.due():
            recorder.evaluate(model.get_weights)
        if stop:
            message = "stopped by itself: damping at its maximum"
            break
    recorder.evaluate(model.get_weights)
    recorder.write(
        {
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "tf-levenberg-marquardt": version("tf-levenberg-marquardt"),
        },
        message,
    )


if __name__ == "__main__":
    main()
