"""Linux's system calls, by the C library; what fails raises `Unavailable`, which says what."""

from __future__ import annotations

import ctypes
import os
import platform
import sys

from grader.errors import Unavailable

ARCHITECTURES = ("x86_64", "aarch64")
"""Those whose system calls are known here."""


def machine() -> str:
    """The machine's architecture; raises Unavailable where the sandbox does not know it."""
    if sys.platform != "linux":
        raise Unavailable("the sandbox needs Linux (namespaces, Landlock, seccomp)")
    if platform.machine() not in ARCHITECTURES:
        raise Unavailable(f"the sandbox does not know the system calls of {platform.machine()}")
    return platform.machine()


def call(what: str, function: str, *args: object) -> int:
    """Call a function of the C library; raise Unavailable where it fails."""
    result = getattr(ctypes.CDLL(None, use_errno=True), function)(*args)
    if result < 0:
        raise Unavailable(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def system(what: str, number: int, *args: object) -> int:
    """Make the system call of this number; raise Unavailable where it fails."""
    return call(what, "syscall", ctypes.c_long(number), *args)
