"""An alarm for code that runs here, which never rings in the middle of an exchange."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class Overrun(BaseException):
    """What runs here has taken too long. No `Exception`, so that no check takes it for one."""


class Alarm:
    """Raises Overrun after some seconds; while it is held, not before what holds it has ended."""

    def __init__(self) -> None:
        self.holders = 0
        self.rung = False

    @contextlib.contextmanager
    def set(self, seconds: float) -> Iterator[None]:
        """Ring after so many seconds (in a main thread; elsewhere there is no alarm)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self.holders, self.rung = 0, False
        before = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            self.holders += 1  # from here on it must not ring
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _ring(self, *_: object) -> None:
        if not self.holders:
            raise Overrun
        self.rung = True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """What happens inside happens whole; an alarm rings after it, if it ended well."""
        self.holders += 1
        try:
            yield
        finally:
            self.holders -= 1
        if self.rung and not self.holders:
            self.rung = False
            raise Overrun


alarm = Alarm()
"""That of this process."""
