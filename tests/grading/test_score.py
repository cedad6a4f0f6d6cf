"""Points and checksums: are they nbgrader's, which is not imported for them?"""

from __future__ import annotations

import subprocess
import sys

import nbformat
from nbformat.v4 import new_output
from nbgrader.utils import compute_checksum, determine_grade

from curriculum import each_lesson
from grader.authoring.build import released
from grader.authoring.checksum import checksum
from grader.authoring.lesson import Lesson
from grader.grading import score

OUTPUTS = {
    "nothing": [],
    "words": [new_output("stream", name="stdout", text="1 of 2")],
    "a warning": [new_output("stream", name="stderr", text="careful")],
    "an error": [new_output("error", ename="E", evalue="", traceback=[])],
    "a picture, then an error": [
        new_output("display_data", {"text/plain": "3"}),
        new_output("error", ename="E", evalue="", traceback=[]),
    ],
    "half a point": [new_output("execute_result", {"text/plain": "0.5"})],
}


@each_lesson
def test_a_lesson_is_marked_as_by_nbgrader(lesson: Lesson):
    """Has each cell nbgrader's checksum, and its points whatever it shows, answered or not?"""
    notebook = nbformat.read(released(lesson.name), as_version=4)
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert marked or not lesson.points
    for cell in marked:
        for _ in range(2):
            assert checksum(cell) == compute_checksum(cell)
            for outputs in OUTPUTS.values() if cell.cell_type == "code" else [[]]:
                if cell.cell_type == "code":
                    cell.outputs = outputs
                if cell.metadata.nbgrader["grade"]:
                    assert score.grade(cell) == determine_grade(cell)
            cell.source += "\n"


def test_grading_imports_little():
    """Does what grades a submission, or one's own, come without what takes seconds to import?"""
    asked = (
        "import sys, grader.grading.own, grader.grading.worker, grader.authoring.reading\n"
        "import grader.grading.assignment, grader.grading.feedback\n"
        "print(*{'nbgrader', 'jupytext', 'anywidget', 'sqlalchemy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", asked], stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout.split()) == (0, [])


def test_handing_out_needs_no_torch():
    """Does a process that hands submissions to others do without PyTorch?"""
    asked = "import sys, grader.grading.autograde, grader.grading.watch\n"
    asked += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked]).returncode == 0
