"""A formula whose derivatives are known, and trials that are written down."""

from types import SimpleNamespace

import numpy as np
import tensorflow as tf

from lmrun.curvature.trial import Trial
from lmrun.linalg.algebra import INVALID, StepScalars
from lmrun.linalg.host import HostAlgebra

X = np.random.default_rng(6).uniform(-1, 1, size=(9, 2))
CURVE = (2.5 - X[:, :1]) ** 2 + 2.5 * (X[:, 1:] - X[:, :1] ** 2) ** 2


def params_of(problem):
    return tf.constant(problem.kernels.network.params())


def by_hand(params=(5.0, 5.0)):
    """J^T J and J^T r of the curve."""
    (a, b), (x, y) = params, X.T
    J = np.column_stack([2 * (a - x), (y - x**2) ** 2])
    return J.T @ J, J.T @ ((a - x) ** 2 + b * (y - x**2) ** 2 - CURVE[:, 0])


class Scripted:
    """A problem whose trials are written down: each a loss, or None for a matrix that is not factored."""

    cost_per_loss = 2.0
    progress = 0.0
    algebra = HostAlgebra("float64")

    def __init__(self, *losses, gradient=1.0, step_norm=1.0, diagonal=(1.0, 1.0), found=0.5):
        self.losses, self.dampings, self.radii, self.linearized = list(losses), [], [], 0
        self.step_norm, self.found, self.scalings, self.motions = step_norm, found, [], []
        curvature = SimpleNamespace(diagonal=np.array(diagonal))
        self.model = SimpleNamespace(curvature=curvature, gradient_norm=float(gradient), selection=None)

    def settle(self, params):
        return params

    def loss(self, params):
        return 10.0

    def linearize(self, params, selection=None, rows=1.0):
        self.linearized += 1
        return self.model

    def damped_trial(self, params, model, damping, scaling, *, accelerate=False, radius=None, motion=None):
        self.motions.append(motion)
        self.dampings.append(damping)
        self.radii.append(radius)
        self.scalings.append(scaling)
        loss = self.losses.pop(0)
        if loss is None:
            return Trial(tf.zeros(2), np.nan, INVALID)
        used, length = (damping, self.step_norm) if radius is None else (self.found, min(radius, 8.0))
        return Trial(tf.zeros(2, tf.float64), loss, StepScalars(True, 4.0, self.step_norm, 1.0, used, length))

    def accept(self, trial):
        return trial.params


def scripted_step(optimizer, problem, state=None):
    params = tf.constant([1.0, 2.0], tf.float64)
    result = optimizer.step(problem, params, state or optimizer.init(problem, params))
    return params, *result
