"""Workers meet on the loopback, each in a thread of its own."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from lmrun.distribution.cluster import Cluster
from lmrun.distribution.meeting import CARRIED, Place, difference
from lmrun.errors import PeerError, UsageError, WorkerLostError

CONFIG = {"resume": False, "config": {"seed": 1, "training": {"max_steps": 3}}}


def silent(words):
    """Show nobody."""


@pytest.fixture
def cluster(free_ports):
    return Cluster(tuple(f"127.0.0.1:{port}" for port in free_ports(3)))


def meet(places, documents, say=silent, patience=20.0):
    """Return what each place is told, or the error that it ends with."""

    def one(pair):
        place, own = pair
        try:
            return place.meet(own, say, patience)
        except (PeerError, WorkerLostError) as error:
            return error

    with ThreadPoolExecutor(len(places)) as threads:
        return list(threads.map(one, zip(places, documents, strict=True)))


def test_every_process_takes_the_first_address_that_is_free(cluster):
    places = [Place(cluster) for _ in range(3)]
    assert [place.index for place in places] == [0, 1, 2]
    with pytest.raises(UsageError, match="in use already"):
        Place(cluster)
    told = meet(places, [{**CONFIG, CARRIED: "more"}, CONFIG, CONFIG])
    assert [each[CARRIED] for each in told] == ["more"] * 3
    # TensorFlow takes the addresses over.
    for address in cluster.addresses:
        host, port = address.split(":")
        with socket.create_server((host, int(port))):
            pass


def test_the_address_of_another_machine_is_none_of_this_one():
    # An address for documentation, RFC 5737.
    with pytest.raises(UsageError, match="is an address of this machine"):
        Place(Cluster(("192.0.2.1:7001",)))


def test_workers_that_were_asked_for_other_things_do_not_begin(cluster):
    places = [Place(cluster) for _ in range(3)]
    other = {**CONFIG, "config": {"seed": 1, "training": {"max_steps": 4}}}
    told = meet(places[:2], [CONFIG, other])
    assert "config.training.max_steps is 4 there, and 3 at worker 0" in str(told[0])
    assert str(told[0]) == str(told[1])
    places[2].socket.close()


def test_a_worker_that_does_not_come_is_named(cluster):
    said = []
    first, second = Place(cluster), Place(cluster)
    told = meet([first, second], [CONFIG, CONFIG], said.append, patience=1.0)
    assert f"no worker 2 ({cluster.addresses[2]})" in str(told[0])
    assert isinstance(told[1], WorkerLostError)
    assert any(f"worker 2 ({cluster.addresses[2]})" in words for words in said)


def test_strangers_are_not_listened_to(cluster):
    place = Place(Cluster(cluster.addresses[:1] + cluster.addresses[1:2]))
    second = Place(Cluster(place.cluster.addresses))
    host, port = cluster.addresses[0].split(":")
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        told = meet([place, second], [CONFIG, CONFIG])
    assert told[0]["config"] == told[1]["config"] == CONFIG["config"]


def test_the_first_difference_is_named_by_its_path():
    assert difference({"a": {"b": 1}, "c": 2}, {"a": {"b": 1}, "c": 2}) is None
    assert difference({"a": {"b": 1}}, {"a": {"b": 2}}) == ("a.b", 1, 2)
    assert difference({"a": 1}, {}) == ("a", 1, None)
