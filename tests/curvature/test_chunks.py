"""How threads work through chunks that are cut when they are needed."""

import threading
from types import SimpleNamespace

import pytest

from lmrun.curvature.batch import Batch, OnDemand
from lmrun.curvature.chunks import Chunks


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_chunks_exist_than_threads(workers):
    lock, alive, most = threading.Lock(), 0, 0

    def make(number):
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return number

    def work(number):
        nonlocal alive
        with lock:
            alive -= 1
        return 10 * number

    items = OnDemand(make, range(50))
    chunks = Chunks(None, Batch(items, 50.0, 50), SimpleNamespace(workers=workers, places=()))
    assert chunks.each(work, items) == list(range(0, 500, 10))
    assert 1 <= most <= workers


def test_random_keys_are_drawn_per_chunk_when_it_is_asked_for():
    made = []
    items = OnDemand(lambda number: made.append(number) or (number,), range(4))
    kernels = SimpleNamespace(loss=SimpleNamespace(random=True))
    chunks = Chunks(kernels, Batch(items, 4.0, 4), SimpleNamespace(workers=2))
    second = chunks.shares[1]
    assert (len(second), made) == (2, [])
    (number, key), (other, later) = second
    assert (number, other) == (1, 3)
    assert key.shape == later.shape == (2,)
    assert (key.numpy() == chunks.keyed[1][1].numpy()).all()
    assert (key.numpy() != later.numpy()).any()
