"""Take as many file descriptors as this user may have."""

import resource
import sys
from contextlib import suppress


def allow_most() -> None:
    """Raise the soft limit to the hard one: 1,024 is a usual allowance.

    Each stream of the service has a descriptor, and each job of a batch six.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # more than the kernel gives anybody now
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def allowance() -> int:
    """Return how many descriptors this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
