"""The kernels in NumPy and those of TensorFlow for one network, one loss and some rows."""

from typing import Any

import numpy as np
import tensorflow as tf

from lmrun.curvature.batch import Rows, for_kernels, make_rows
from lmrun.curvature.host.kernels import HostKernels, host_kernels
from lmrun.curvature.kernels import Kernels
from lmrun.datasets.base import Split
from lmrun.losses.base import Loss
from lmrun.losses.elementwise import MeanSquaredError
from lmrun.models.network import Network

TOLERANCE = {"float64": 1e-12, "float32": 2e-5}
KEY = tf.constant([3, 2**31 - 5], tf.int32)

Case = tuple[HostKernels, Kernels, Any, Any, Rows]


def case_of(
    network: Network,
    dtype: str = "float64",
    *,
    rows: int = 7,
    loss: Loss | None = None,
    reference: Loss | None = None,
    targets: str = "values",
) -> Case:
    """The two kernels, parameters, a direction and rows; targets are `values`, `labels` or `shares`."""
    rng = np.random.default_rng(3)
    loss = loss or MeanSquaredError()
    kernels, compiled = host_kernels(network, loss), Kernels(network, reference or loss)
    assert isinstance(kernels, HostKernels)
    width = kernels.graph.width
    inputs = rng.normal(size=(rows, *network.model.inputs[0].shape[1:])).astype(dtype)
    labels = rng.integers(width, size=rows).astype(np.int32)
    wanted = {
        "values": rng.normal(size=(rows, width)).astype(dtype),
        "labels": labels,
        "shares": np.eye(width, dtype=dtype)[labels],
    }[targets]
    split = Split(inputs, wanted, rng.uniform(size=rows).astype(dtype))
    direction = tf.constant(rng.normal(size=network.size).astype(dtype))
    # Small enough for an exponential of an exponential.
    params = tf.constant(network.params() / 3)
    return kernels, compiled, params, direction, for_kernels(make_rows(split, dtype))


def assert_same(one: Any, other: Any, dtype: str = "float64") -> None:
    """Arrays and numbers of any structure agree, and are of the same type."""
    for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
        scale = max(float(np.max(np.abs(b))), 1e-3)
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE[dtype] * scale)
        assert np.asarray(a).dtype == np.asarray(b).dtype or np.ndim(a) == 0


def assert_agree(case: Case, dtype: str = "float64") -> None:
    """Every function of the two."""
    kernels, reference, params, direction, rows = case
    keyed = (*rows, KEY) if reference.loss.random else tuple(rows)
    ours, theirs = (
        [part for part in each if part is not None]
        for each in (
            kernels.jacobian_and_residual(params, *keyed),
            reference.plain_jacobian_and_residual(params, *keyed),
        )
    )
    pairs = [
        (kernels.outputs(params, rows.inputs), reference.plain_outputs(params, rows.inputs)),
        (kernels.value(params, *rows), reference.plain_value(params, *rows)),
        (kernels.zero_loss(*rows[1:]), reference.zero_loss(*rows[1:])),
        (kernels.value_and_gradient(params, *rows), reference.plain_value_and_gradient(params, *rows)),
        (ours, theirs),
        (kernels.bend(params, direction, *keyed), reference.plain_bend(params, direction, *keyed)),
        (
            kernels.bent_residual(params, direction, *keyed),
            reference.plain_bent_residual(params, direction, *keyed),
        ),
    ]
    for one, other in pairs:
        assert_same(one, other, dtype)
