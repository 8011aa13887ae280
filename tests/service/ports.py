"""Choose ports for servers that start later, or start again."""

import socket

_HELD: list[socket.socket] = []
"""Bound and never listening, until this process ends: the kernel gives nobody else their ports."""


def free_port() -> int:
    """Return a port of this process's own; a server may listen there, as they set SO_REUSEADDR."""
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _HELD.append(probe)
    port: int = probe.getsockname()[1]
    return port
