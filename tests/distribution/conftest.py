import socket
from contextlib import ExitStack

import pytest


@pytest.fixture(scope="session")
def free_ports():
    """Return a function to ports of the loopback that nobody listens on."""

    def take(count):
        with ExitStack() as held:
            sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
            return [each.getsockname()[1] for each in sockets]

    return take
