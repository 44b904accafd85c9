import os
import signal

import pytest

from lmrun.training.interrupt import PARENT, listening


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_for_the_end(number):
    with listening() as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), number)
        assert interruption.requested


def test_a_second_interrupt_is_not_caught():
    with listening():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with listening():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_for_another_process_ends_with_it(monkeypatch):
    monkeypatch.setenv(PARENT, str(os.getppid()))
    with listening() as interruption:
        assert not interruption.requested
        # An orphan is adopted by another process.
        monkeypatch.setattr(os, "getppid", lambda: 1)
        assert interruption.requested
