"""A step as it goes: its parts one after another, each within the time that is left."""

from __future__ import annotations

import datetime
import gc
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from grader.gpu.record import Json, Record

T = TypeVar("T")

BEGUN = "it ended the process"
"""What is written of a part that has begun, until it has ended otherwise."""


class Broken(Exception):
    """The GPU answers nothing more in this process."""


@dataclass
class Step:
    """Where a step runs, how large, and until when.

    place : the file of its record
    about : what it is measured on, see the function of this name
    tiny : whether this is the rehearsal, on a CPU, with numbers as small as they can be
    ends : when its time is over, of `time.monotonic`
    """

    name: str
    place: Path
    about: Json
    device: str
    tiny: bool
    ends: float
    restarted: bool = False
    """Whether the step died before in this run; what was left out then is left out again."""

    def __post_init__(self) -> None:
        self.record = Record(self.place, self.name, self.about)

    def of(self, full: T, tiny: T) -> T:
        """The one for a GPU, or that for the rehearsal."""
        return tiny if self.tiny else full

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.ends - time.monotonic()

    def part(self, name: str, find: Callable[[], Json], needs: float = 0.0) -> Json | None:
        """What `find` finds, kept at once; what is kept already is not asked for again.

        None where it failed, or where the seconds that it `needs` are no longer there: what went
        wrong is kept too, and the next part begins.
        """
        if name in self.record.parts:
            self.say(f"{name}: kept from before")
            return self.record.parts[name]
        if self.restarted and name in self.record.left_out:
            return None
        if self.left < needs:
            self._leave(name, f"{needs:.0f} seconds were not left for it")
            return None
        self.record.leave(name, BEGUN)
        started = time.monotonic()
        try:
            found = find()
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
        except KeyboardInterrupt:
            self._leave(name, "it was stopped: the time was over")
            raise
        except Exception as error:
            self._leave(name, " ".join(f"{type(error).__name__}: {error}".split())[:400])
            if isinstance(error, torch.AcceleratorError):
                raise Broken from error
            return None
        finally:
            gc.collect()
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()
        self.record.keep(name, found)
        self.say(f"{name}: {time.monotonic() - started:.1f} s")
        return found

    def _leave(self, name: str, why: str) -> None:
        self.record.leave(name, why)
        self.say(f"{name}: left out, {why}")

    def say(self, text: str) -> None:
        """Print progress at once, for whom only sees the end of the output."""
        print(f"  {self.name}: {text}", flush=True)


def about(device: str) -> Json:
    """What is measured on, with what, and when."""
    import triton

    cpu = platform.processor() or platform.machine()
    versions = {"python": platform.python_version(), "torch": torch.__version__,
                "triton": triton.__version__, "cuda": torch.version.cuda}  # fmt: skip
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else f"{cpu}, a rehearsal",
        "versions": versions,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
