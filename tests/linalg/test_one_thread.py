"""BLAS has one thread while lmrun trains, and as many as before afterwards."""

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

import lmrun
from lmrun.linalg.one_thread import one_blas_thread


def threads():
    return [library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()]


@pytest.fixture
def two_threads():
    """As in a program that has imported NumPy before lmrun."""
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        if set(threads()) != {2}:
            pytest.skip("this BLAS has one thread")
        yield


@pytest.mark.usefixtures("two_threads")
def test_limited_inside_and_restored():
    with one_blas_thread():
        assert set(threads()) == {1}
    assert set(threads()) == {2}


@pytest.mark.usefixtures("two_threads")
def test_restored_after_an_error():
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        1 / 0  # noqa: B018 - raises
    assert set(threads()) == {2}


class Watching:
    """A damping that looks how many threads BLAS has."""

    def __init__(self):
        self.seen = []

    def start(self, largest, scaled_norm):
        from lmrun.optimizers.damping.base import Damping

        return Damping(1.0)

    def accepted(self, damping, gain_ratio, scalars):
        self.seen.append(set(threads()))
        return damping

    rejected = accepted


@pytest.mark.usefixtures("two_threads")
def test_a_training_has_one_thread_and_the_caller_two():
    x = np.linspace(0, 1, 10)
    for run in (lmrun.fit, lmrun.Trainer):
        watching = Watching()
        training = run(
            "a*exp(b*x)", x, np.exp(x), parameters={"a": 2.0, "b": 0.1}, damping=watching, max_steps=2
        )
        if run is lmrun.Trainer:
            for _ in training:
                assert set(threads()) == {2}
            training.result()
        assert set(threads()) == {2}
        # The first ones are of the rehearsal, before the training.
        assert watching.seen[-1] == {1}
