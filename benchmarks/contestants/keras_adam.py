"""Adam through Keras' `fit`.

Settings: `dtype`, `batch` (rows, or null for all), `learning_rate`, `steps_per_call`
(`steps_per_execution`: steps of one call into TensorFlow, Keras' own remedy for small models), `compiled`
(`jit_compile`).
"""

from __future__ import annotations

from contextlib import suppress

import keras
import tensorflow as tf

from benchmarks.contestants.keras_model import build
from benchmarks.contestants.protocol import CHECKED, Recorder, check, read_job

EPOCH = 10_000
"""Steps of an epoch of all rows."""


class JobIsOverError(Exception):
    """Thrown out of `fit`, which looks at `stop_training` only at the end of an epoch."""


class Measure(keras.callbacks.Callback):
    """Counts steps, measures, and stops in time."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder
        self.before = 0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Keras counts the steps of each epoch from 0."""
        self.before = 0

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Look after each call into TensorFlow; `batch` is the number of its last step."""
        recorder = self.recorder
        recorder.stepped(batch + 1 - self.before)
        self.before = batch + 1
        if recorder.due():
            recorder.evaluate(self.model.get_weights)
        if recorder.over():
            raise JobIsOverError


def main() -> None:
    """Train until the job is over."""
    job = read_job()
    settings, dtype = job.settings, job.settings["dtype"]
    keras.utils.set_random_seed(job.seed)
    keras.config.set_floatx(dtype)
    inputs, targets = job.training()
    inputs = inputs.astype(dtype, copy=False)
    classes = job.measure == "accuracy"
    targets = targets if classes else targets.astype(dtype)
    size = settings["batch"]
    model = build(job.layers, job.weights(), inputs.shape[1:], dtype)
    check(job, inputs[:CHECKED], model(inputs[:CHECKED]).numpy())
    recorder = Recorder(job)
    model.compile(
        optimizer=keras.optimizers.Adam(settings["learning_rate"]),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True) if classes else "mse",
        steps_per_execution=settings["steps_per_call"],
        jit_compile=settings["compiled"],
    )
    # An epoch of a single step would cost Keras 25 ms: all rows are one batch that repeats.
    whole = tf.data.Dataset.from_tensors((inputs, targets)).repeat()
    data = {"x": whole, "steps_per_epoch": EPOCH} if size is None else {"x": inputs, "y": targets}
    with suppress(JobIsOverError):
        model.fit(**data, batch_size=size, epochs=10**9, verbose=0, callbacks=[Measure(recorder)])
    recorder.evaluate(model.get_weights)
    recorder.write({"tensorflow": tf.__version__, "keras": keras.__version__})


if __name__ == "__main__":
    main()
