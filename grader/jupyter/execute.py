"""nbgrader's Execute, made to reach the end of any notebook.

A cell that stops the kernel or never ends costs its own checks and those that need the
kernel after it; what was checked before keeps its points. Endless output is cut.
`nbgrader_config.py` puts this in nbgrader's place, for its own commands too. On a hub, and in an
instructor's JupyterLab, it runs nothing itself: Formgrader's *Autograde* would run learners' code
with the instructor's rights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from traitlets import Bool, Integer, List

from grader.errors import Unavailable
from grader.paths import COURSE

NO_SANDBOX = (
    "nothing was run, since there is no sandbox here ({}). Collect here, and grade with "
    "`python3 grader autograde` on a machine where `python3 grader doctor` finds one. (With "
    "--unsafe the same command runs learners' code as you.)"
)


class ExecuteToTheEnd(Execute):
    """Execute every cell; where the kernel is gone, say so in each cell that it leaves."""

    extra_arguments = List(["--IPKernelApp.log_level=ERROR"]).tag(config=True)
    max_output = Integer(200_000, help="characters that one cell may print").tag(config=True)
    sandboxed = Bool(False, help="grade as `python3 grader autograde` does").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Any = None, *args: Any) -> Any:
        if self.sandboxed:
            course = CourseDirectory(config=self.config)
            return _in_sandbox(course, **resources["nbgrader"]), resources
        self._gone = ""
        return super().preprocess(nb, resources, *args)

    def preprocess_cell(self, cell: NotebookNode, resources: Any, index: int) -> Any:
        if cell.cell_type != "code":
            return cell, resources
        if not self._gone:
            self._printed = 0
            try:
                return super().preprocess_cell(cell, resources, index)
            except DeadKernelError:
                self._gone = "the kernel stopped in this cell (killed, or out of memory?)"
            except CellTimeoutError:
                self._gone = f"this cell did not end in {self.timeout} s and cannot be interrupted"
            reason = self._gone
        else:
            reason = "not run: an earlier cell stopped the kernel"
        cell.outputs = [*cell.get("outputs", []), _error(reason)]
        return cell, resources

    def on_cell_executed(self, **kwargs: Any) -> None:
        content = kwargs["execute_reply"]["content"]
        if any(part.get("source") == "ask_exit" for part in content.get("payload", [])):
            self._gone = "exit() stops the kernel"
            kwargs["cell"].outputs.append(_error(self._gone))
            return
        super().on_cell_executed(**kwargs)
        if content.get("ename") == "CellTimeoutError":
            reason = f"this cell did not end in {self.timeout} s"
            outputs = kwargs["cell"].outputs
            outputs[:] = [o for o in outputs if o.output_type != "error"] + [_error(reason)]

    def output(self, outs: list[Any], msg: dict[str, Any], *args: Any) -> Any:
        text = msg["content"].get("text", "") if msg["msg_type"] == "stream" else ""
        room = self.max_output - self._printed
        self._printed += len(text)
        if len(text) > room:
            if room < 0:
                return None
            cut = f"{text[:room]}\n… cut after {self.max_output} characters\n"
            msg["content"]["text"] = cut
            self._printed = self.max_output + 1
        return super().output(outs, msg, *args)


def _in_sandbox(course: CourseDirectory, student: str, assignment: str, **_: Any) -> NotebookNode:
    """The graded notebook of what a learner handed in, as the course's own grader leaves it."""
    from grader.grading import worker
    from grader.grading.task import Task

    kinds = (
        (course.release_directory, "."),
        (course.source_directory, "."),
        (course.submitted_directory, student),
    )
    released, source, text = (
        Path(course.format_path(kind, who, assignment), f"{assignment}.ipynb").read_bytes()
        for kind, who in kinds
    )
    kept = str(Path(course.root, COURSE.name))
    task = Task(student, assignment, released.decode(), source.decode(), text, hidden=(kept,))
    try:
        return nbformat.reads(worker.work(task).notebook, as_version=4)
    except Unavailable as error:
        raise Unavailable(NO_SANDBOX.format(error)) from None
    finally:
        worker.close()


def _error(sentence: str) -> NotebookNode:
    return new_output("error", ename="Stopped", evalue=sentence, traceback=[sentence])
