"""Event files, read back as TensorBoard reads them."""

import tensorflow as tf

from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics
from lmrun.training.events import EventWriter


def read(run):
    """Every value by (name, step), from all files of a run."""
    found = {}
    for path in sorted(run.tensorboard.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_every_number_of_a_row_is_a_point(tmp_path):
    run = RunDirectory(tmp_path)
    writer = EventWriter(run)
    writer.write([{"step": 0, "loss": 2.0, "damping": None}, {"step": 1, "loss": 0.5, "accepted": True}])
    writer.close()
    # A resumed run goes on in another file.
    writer = EventWriter(run)
    writer.write([{"step": 2, "loss": 0.25}])
    writer.close()
    assert read(run) == {("loss", 0): 2.0, ("loss", 1): 0.5, ("accepted", 1): 1.0, ("loss", 2): 0.25}


def test_a_run_writes_them_on_request(runs):
    _, run = runs.train("rosenbrock-curve", "training.tensorboard=true", "training.max_steps=2")
    table, found = read_metrics(run), read(run)
    for row in table.to_dict("records"):
        assert found["loss", row["step"]] == tf.constant(row["loss"]).numpy()
    assert found["damping", 2] > 0


def test_nobody_asks_and_there_are_none(runs):
    _, run = runs.train("rosenbrock-curve", "training.max_steps=1")
    assert not run.tensorboard.exists()
