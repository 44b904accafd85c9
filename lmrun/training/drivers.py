"""The driver that suits an optimizer and a schedule."""

from __future__ import annotations

from lmrun.build import Experiment
from lmrun.optimizers.first_order import FirstOrder
from lmrun.training.driver import Driver
from lmrun.training.first_order import FirstOrderDriver
from lmrun.training.growing import GrowingDriver
from lmrun.training.schedule import Schedule
from lmrun.training.second_order import SecondOrderDriver


def make_driver(experiment: Experiment, schedule: Schedule) -> Driver:
    """Return the driver for the experiment's optimizer."""
    if isinstance(experiment.optimizer, FirstOrder):
        return FirstOrderDriver(experiment, experiment.optimizer, schedule)
    if schedule.batch_size == "growing":
        return GrowingDriver(experiment, experiment.optimizer, schedule)
    return SecondOrderDriver(experiment, experiment.optimizer, schedule)
