"""A bound on the memory of this process, for work on what learners have sent."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def no_more_than(more: int) -> Iterator[None]:
    """What happens inside may take so many bytes beyond what is taken already.

    Beyond that an allocation fails, with MemoryError. Elsewhere than on Linux nothing is bound.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_DATA)  # private and writable memory
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    bound = pages * os.sysconf("SC_PAGESIZE") + more
    if most != resource.RLIM_INFINITY:
        bound = min(bound, most)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))
