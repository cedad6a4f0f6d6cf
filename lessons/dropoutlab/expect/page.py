"""What a learner sees in a notebook: a green line, the points so far, and no needless traceback.

The build ends each check cell with a line such as

    # inverted_dropout, check 1 of 6: 2 of 7 points

so a kernel knows them wherever it runs: in JupyterLab, VS Code, Colab, or under another file name.
Nothing here touches a grader. Front ends say which cell they run, and what runs a whole
notebook (nbgrader, the site) does not; there a check prints what it prints in a terminal.
"""

from __future__ import annotations

import ast
import contextlib
import html
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from dropoutlab import BROWSER
from dropoutlab.expect import frame
from dropoutlab.expect.frame import (
    OVERWRITTEN,
    LeftOut,
    Unmet,
    Voice,
    message_of,
    missing,
    overwritten,
    unwritten,
)

MARK = re.compile(
    r"\n# (?P<name>\w+), check (?P<number>\d+) of \d+(?P<hidden>, hidden)?:"
    r" (?P<points>\d+) of (?P<total>\d+) points?\s*\Z"
)
"""The last line of a check cell."""
TITLE = re.compile(r"(?<=\n)#@title .*\n?")
"""The second line of a folded cell, from which Colab takes what it shows of it."""
DEFINES = re.compile(r"^(?:async +)?(?:def|class) +(\w+)|^(\w+) *(?::[^=\n]+)?=(?!=)", re.MULTILINE)
"""A name that a cell defines at its top level, also where the cell is no Python (yet)."""
HAND = (
    "On your own, `python3 grader grade {0}` gives your points and a report. In a class, hand in "
    "as your instructor says: with *Nbgrader → Assignment List* or `python3 grader submit {0}`, "
    "or by uploading this notebook."
)
HERE = (
    "Download this notebook before you close the page for good: your work is in this browser "
    "only. In a class, hand that file in. On your own, put it into a clone of the course, in place "
    "of the file of its name; `python3 grader grade {0}` gives your points and a report."
)
"""Where work is handed in and graded; and where it is in a browser."""
CROSS = "\033[1;38;2;255;255;255;48;2;183;28;28m ✗ \033[0m"
"""White on red, whatever the theme has behind it."""
GREEN = "color: var(--jp-success-color1, #2e8540)"
RED = "color: var(--jp-error-color1, #c62828)"


def mark(name: str, number: int, checks: int, points: int, total: int, hidden: bool) -> str:
    """The line that tells a kernel which check this is, and what it is worth."""
    kind = ", hidden" if hidden else ""
    return f"# {name}, check {number} of {checks}{kind}: {_points(points, total)}"


def titled(source: str) -> str:
    """A folded cell with its first line, a comment, once more: as the title of a form in Colab."""
    first, _, rest = source.partition("\n")
    return f"{first}\n#@title {first.lstrip('# ')}\n{rest}"


def unmarked(source: str) -> str:
    """A cell without what the build wrote into it for front ends: that line and the title."""
    return TITLE.sub("", MARK.sub("", source), count=1)


def _points(points: int, total: int) -> str:
    return f"{points} of {total} point{'' if total == 1 else 's'}"


def summary(lesson: str, exercises: dict[str, tuple[int, int]]) -> None:
    """Show each exercise, its points in this kernel, and where to go on.

    exercises : for each name, the points of its visible checks, and those given after handing in
    """
    if isinstance(frame.voice, Page):
        frame.voice.summary(lesson, exercises)


class Waiting(Exception):
    """A figure waits for a guess (IPython shows the sentence only)."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def guess(given: Any, *, number: bool = True) -> Any:
    """The learner's guess, for the figure that answers it; until there is one, the figure waits.

    number : whether the figure needs a number, or also takes words, a tuple or a dictionary
    """
    if given is ... or given is None:
        raise Waiting("Write your guess in the cell above first: this figure answers it.")
    if number and not isinstance(given, Real):
        raise Waiting(f"Write your guess as a plain number: {given!r} is not one.")
    return given


def start() -> None:
    """Make this kernel's notebook a page; elsewhere do nothing."""
    with contextlib.suppress(Exception):
        shell = sys.modules["IPython"].get_ipython()
        if hasattr(shell, "kernel"):
            frame.voice = Page(shell)
        if BROWSER:
            shell._showtraceback = _printed


def _printed(kind: type[Exception], error: Exception, lines: list[str]) -> None:
    """Show an error in JupyterLite, which forgets all cells that wait behind one that fails.

    JupyterLab goes on after a cell with the tag `raises-exception`.
    """
    print("\n".join(lines))


@dataclass
class Ran:
    """The last cell that set out to define a name."""

    text: str
    cell: str | None
    at: float
    fault: str = ""


class Page(Voice):
    """Follows the cells of one kernel, and says in the notebook what checks find."""

    def __init__(self, shell: Any):
        self.shell = shell
        self.live = False
        self.check: re.Match[str] | None = None
        self.old: tuple[str, str, str] | None = None
        self.began = 0.0
        self.ran: dict[str, Ran] = {}
        self.found: dict[str, dict[int, int | None]] = {}
        """For each exercise the checks that ran since it was last written: points, None: failed."""
        self.unjudged: set[str] = set()
        """Questions that have an answer, which nothing here can judge."""
        shell.events.register("pre_run_cell", self.before)
        shell.events.register("post_run_cell", self.after)
        shell.set_custom_exc((Exception,), self.raised)

    # --- around a cell --------------------------------------------------------------------

    def before(self, info: Any) -> None:
        """A cell is about to run: is it a check, and is what it judges up to date?"""
        self.live, self.check, self.old = _driven(info), None, None
        self.began = time.time()
        with contextlib.suppress(Exception):  # a page never breaks a run
            if self.live and (check := MARK.search(info.raw_cell)):
                self.unjudged.discard(check["name"])
                self.check, self.old = check, self._old(check["name"], info.raw_cell)

    def after(self, result: Any) -> None:
        """A cell has run: what did it define, or what became of the check?"""
        with contextlib.suppress(Exception):
            info, error = result.info, result.error_before_exec or result.error_in_exec
            if not _driven(info):
                return
            if check := MARK.search(info.raw_cell):
                self._checked(check, info.raw_cell, error)
                return
            fault = "" if error is None or unwritten(error) else _fault(error)
            for name in {a or b for a, b in DEFINES.findall(info.raw_cell)}:
                if name in self.ran and self.ran[name].text != info.raw_cell:
                    self.found.pop(name, None)
                began = self.began or time.time()
                self.ran[name] = Ran(info.raw_cell, getattr(info, "cell_id", None), began, fault)

    def _checked(self, check: re.Match[str], source: str, error: BaseException | None) -> None:
        name, points, total = check["name"], int(check["points"]), int(check["total"])
        worth = "1 point" if points == 1 else f"{points} points"
        if check["hidden"]:
            self._show("", f"This check runs when you hand in ({worth}).")
            return
        if isinstance(error, LeftOut):
            return
        if error is None and name in self.unjudged:
            self.found.pop(name, None)
            self._show("✓ answered", f"It is judged when you hand in ({worth}).")
            return
        found, number = self.found.setdefault(name, {}), int(check["number"])
        found[number] = None if error else points
        if error and (unwritten(error) or getattr(error, "found", "") == "not written yet"):
            del found[number]
        if error is None:
            title = source.partition("\n")[0].lstrip("# ")
            self._show(f"✓ {title}", _points(self.earned(name), total))

    def earned(self, name: str) -> int:
        """The points of an exercise in this kernel."""
        return sum(points or 0 for points in self.found.get(name, {}).values())

    def _show(self, passed: str, more: str) -> None:
        """One line in the cell's output: what passed, in green, and what to add."""
        green = f"<span style='{GREEN}; font-weight: 600'>{_formatted(passed)}</span> &ensp; "
        rich = f"<p>{green if passed else ''}{_formatted(more)}</p>"
        self._display(f"{passed}\n{more}".strip(), rich)

    def _display(self, plain: str, rich: str) -> None:
        self.shell.display_pub.publish({"text/plain": plain, "text/html": rich})

    # --- what a check judges --------------------------------------------------------------

    def _old(self, own: str, source: str) -> tuple[str, str, str] | None:
        """Three of the four lines, where the check would judge another text than the cell's."""
        for name in sorted(_read(source) | {own}):
            ran = self.ran.get(name)
            if ran and ran.fault:
                found = f"that cell stopped ({ran.fault}), so an older one would be checked"
                return _now(name), found, f"mend the cell of `{name}`, run it, then this one."
            if ran and _edited(ran):
                return _now(name), "the cell was edited after it ran", (
                    f"run the cell of `{name}` above again, then this one.")  # fmt: skip
        return None

    # --- the voice of `expect.case` ------------------------------------------------------

    def begin(self) -> None:
        if self.old:
            raise Unmet(*self.old)

    def answered(self) -> None:
        if self.check:
            self.unjudged.add(self.check["name"])

    def passed(self, what: str) -> None:
        if not self.check:
            super().passed(what)

    def lines(self, unmet: Unmet) -> list[str]:
        lines = super().lines(unmet)
        if not self.live:
            return lines
        case, *told = lines
        told = [re.sub(r"^( *\w+:)(.*)", "\033[1m\\1\033[0m\\2", line) for line in told]
        return [f"{CROSS} \033[1m{case}\033[0m", *told]

    # --- errors of demonstrations ---------------------------------------------------------

    def raised(
        self, shell: Any, kind: type[Exception], error: Exception, trace: Any, tb_offset: Any = None
    ) -> None:
        """Show an error: in one line where that says more than its traceback."""
        with contextlib.suppress(Exception):
            if self.live and (line := self._line(error)):
                error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset, running_compiled_code=True)

    def _line(self, error: Exception) -> str:
        """What to do about a missing answer; "" where that isn't what stopped the cell."""
        codes, trace = [], error.__traceback__
        while trace is not None:
            codes.append((trace.tb_frame.f_code, trace.tb_lineno, trace.tb_frame.f_globals))
            trace = trace.tb_next
        cell = next((code.co_filename for code, _, names in codes if names is self._names), "")
        code, number, _ = codes[-1]
        if name := overwritten(error):
            return OVERWRITTEN.format(name)
        if unwritten(error):
            if not isinstance(error, NotImplementedError):  # a compiler's, which quotes the stub
                quoted = re.search(r"in (\w+)\s+raise NotImplementedError", str(error))
                return f"Write {f'`{quoted[1]}`' if quoted else 'the exercise'} above first."
            if code.co_name == "<module>":
                return "Not written yet: put your answer in place of the dots."
            name = code.co_qualname.partition(".<locals>")[0].removesuffix(".__init__")
            return f"Write `{name}` above first."
        if isinstance(error, NameError) and code.co_filename == cell:  # no function of another cell
            name = missing(error)
            return (
                f"`{name}` is not defined (line {number}). Run its cell, which may wait for a "
                "guess, or look at its spelling."
            )
        return ""

    @property
    def _names(self) -> dict[str, Any]:
        return self.shell.user_global_ns

    # --- the end of a lesson --------------------------------------------------------------

    def summary(self, lesson: str, exercises: dict[str, tuple[int, int]]) -> None:
        """Show the table of `dropoutlab.expect.summary`."""
        if not self.live:
            return
        rows = [(name, *self._stand(name, *worth)) for name, worth in exercises.items()]
        total = sum(sum(worth) for worth in exercises.values())
        earned = sum(map(self.earned, exercises))
        following = next((name for name, _, state in rows if state in ("failed", "open")), None)
        on = "Go on with {}." if following else "Every check that runs here passes."
        hand = (HERE if BROWSER else HAND).format(lesson)
        since = f"{_points(earned, total)}, as far as checks ran in this kernel."
        width = max(map(len, exercises))
        plain = [since, *(f"  {n:{width}}  {p}  {s}" for n, p, s in rows)]
        plain += [on.format(following), hand]
        body = "".join(
            f"<tr><td style='text-align: left'>{_link(name)}</td><td>{points}</td>"
            f"<td style='text-align: left; {STYLES.get(state[0], '')}'>{state}</td></tr>"
            for name, points, state in rows
        )
        head = "<tr><th style='text-align: left'>exercise</th><th>points</th><th></th></tr>"
        table = f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
        told = f"<p>{on.format(_link(following or ''))}</p><p>{_formatted(hand)}</p>"
        self._display("\n".join(plain), f"<p>{since}</p>{table}{told}")

    def _stand(self, name: str, visible: int, later: int) -> tuple[str, str]:
        """The points of an exercise so far, and its state in a word."""
        earned, found = self.earned(name), self.found.get(name, {})
        if None in found.values():
            state = "failed"
        elif name in self.unjudged:
            state = "✓ answered, judged when you hand in"
        elif earned < visible:
            state = "open"
        elif not visible:
            state = "read when you hand in"
        else:
            state = "✓ passed, the rest when you hand in" if later else "✓ passed"
        return f"{earned} of {visible + later}", state


STYLES = {"f": RED, "✓": GREEN}


def _driven(info: Any) -> bool:
    """Whether a front end runs this cell: it says which one, or is Colab's or a browser's own."""
    cell = getattr(info, "cell_id", None)
    return BROWSER or "google.colab" in sys.modules or cell is not None


def _fault(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}, line {error.lineno}"
    return message_of(error)


def _now(name: str) -> str:
    return f"`{name}` as its cell has it now"


def _read(source: str) -> set[str]:
    """The names that a cell reads and does not bind."""
    read, bound = set(), set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name):
                bound.add(name)
    return read - bound


def _edited(ran: Ran) -> bool:
    """Whether the notebook was saved, after the cell ran, with another text in that cell.

    What is typed and not saved, only the front end knows; so it is where the file is out of reach.
    """
    try:
        notebook = Path(os.environ["JPY_SESSION_NAME"])
        if notebook.stat().st_mtime <= ran.at + 1:
            return False
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except (KeyError, OSError, ValueError):
        return False
    texts = ["".join(cell["source"]) for cell in cells if cell.get("id") == ran.cell]
    return texts != [] and texts[0].rstrip() != ran.text.rstrip()


def _formatted(text: str) -> str:
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)


def _link(name: str) -> str:
    """A link to the cell of an exercise, by its id: JupyterLab scrolls to it."""
    return f"<a href='#cell-id={name}'>{name}</a>"
