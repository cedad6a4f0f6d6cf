"""The shell in which a player runs cells: as a notebook's, where that is possible.

What a notebook says to its display, its machine or its package manager does nothing here, or ends
as a command does that fails, and the cell goes on: an answer below it counts.
"""

from __future__ import annotations

import asyncio.selector_events
import os
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.text import SList
from traitlets.config import Config

NOTHING = {
    *("matplotlib", "gui"),
    *("cd", "pushd", "popd", "dhist", "bookmark"),
    *("pip", "conda", "mamba", "micromamba", "uv"),
    *("store", "load_ext", "reload_ext", "autoreload", "history", "logstart", "edit"),
}
"""Line magics of the display, of folders, of packages and of what lasts: they do nothing here."""
SCRIPTS = {"bash", "sh", "script", "system", "sx", "!", "perl", "ruby", "html", "javascript", "js"}
"""Cell magics whose text is no Python: they do nothing here."""
PYLAB = "from matplotlib.pylab import *\nimport numpy as np\nfrom matplotlib import pyplot as plt"


class Shell(InteractiveShell):
    """An IPython without history, terminal and processes."""

    traceback_lines: tuple[str, ...] | None = None
    exit_now = False

    def ask_exit(self) -> None:
        self.exit_now = True

    def _showtraceback(self, kind: Any, value: Any, lines: list[str]) -> None:
        self.traceback_lines = tuple(lines)

    def init_display_pub(self) -> None:
        self.display_pub = CapturingDisplayPublisher(parent=self, shell=self)

    def init_history(self) -> None:
        super().init_history()
        if self.history_manager is not None:
            self.history_manager.enabled = False

    def init_io(self) -> None:
        pass

    def enable_gui(self, gui: Any = None) -> None:
        """Figures are shown inline, whatever is asked for."""

    def system(self, cmd: str) -> None:
        """`!cmd`: a command that cannot be run ends as one that failed."""
        print(f"not run here: !{cmd}")
        self.user_ns["_exit_code"] = 1

    system_raw = system_piped = system

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """`lines = !cmd`: no lines."""
        self.system(cmd)
        return SList([]) if split else ""

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        if magic_name == "pylab":
            exec(PYLAB, self.user_ns)
        elif magic_name not in NOTHING:
            return super().run_line_magic(magic_name, line, _stack_depth=_stack_depth + 1)
        return None

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        if magic_name in SCRIPTS:
            return self.system(f"%%{magic_name}")
        return super().run_cell_magic(magic_name, line, cell)


class _Quiet(DisplayHook):
    def write_output_prompt(self) -> None:
        pass


class _End:
    """One end of a pipe, as an event loop uses a socket to wake itself."""

    def __init__(self, number: int):
        self.number = number
        os.set_blocking(number, False)

    def fileno(self) -> int:
        return self.number

    def recv(self, size: int) -> bytes:
        return os.read(self.number, size)

    def send(self, data: bytes) -> int:
        return os.write(self.number, data)

    def close(self) -> None:
        os.close(self.number)


def _pipe(loop: Any) -> None:
    """Give a loop a pipe to wake itself, in place of the pair of sockets that players lack."""
    loop._ssock, loop._csock = map(_End, os.pipe())
    loop._internal_fds += 1
    loop._add_reader(loop._ssock.fileno(), loop._read_from_self)


def shell() -> Shell:
    """The shell of a process from which players are forked; no event loop needs a socket."""
    loops: Any = asyncio.selector_events.BaseSelectorEventLoop
    loops._make_self_pipe = _pipe
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    config.InteractiveShell.display_page = True
    instance = Shell.instance(config=config, displayhook_class=_Quiet)
    instance.user_ns["__name__"] = "__main__"
    return instance
