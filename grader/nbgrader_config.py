"""nbgrader's configuration of the course, for `nbgrader` run from this folder, for
JupyterLab's nbgrader extensions and for `python3 grader`.

The folders under `.course` hold answers and grades, so git ignores them. For a class whose
members sign in to one machine, set DROPOUT_EXCHANGE to a folder that all of them can write.
"""

import os
from pathlib import Path

root = Path(os.environ.get("DROPOUT_COURSE") or Path(__file__).resolve().parent.parent)
state = root / ".course"

c = get_config()

c.CourseDirectory.course_id = "dropout"
c.CourseDirectory.root = str(root)
c.CourseDirectory.source_directory = ".course/source"
c.CourseDirectory.release_directory = "lessons"
c.CourseDirectory.submitted_directory = ".course/submitted"
c.CourseDirectory.autograded_directory = ".course/autograded"
c.CourseDirectory.feedback_directory = ".course/feedback"
c.CourseDirectory.solution_directory = ".course/solution"
c.CourseDirectory.db_url = f"sqlite:///{state / 'gradebook.db'}"
c.Exchange.root = os.environ.get("DROPOUT_EXCHANGE") or str(state / "exchange")

c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("not written yet")'}
c.ClearSolutions.text_stub = "*Write your answer here.*"

# A submission is graded to its end whatever it holds: deleted checks come back, a cell that
# does not end is interrupted, and endless output is cut.
c.OverwriteCells.add_missing_cells = True
c.Execute.timeout = 60
c.Execute.interrupt_on_timeout = True
c.LimitOutput.max_lines = 500
c.Autograde.autograde_preprocessors = [
    "grader.jupyter.execute.ExecuteToTheEnd",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
# A page of our own tells a learner what became of a notebook. What a learner wrote cannot act,
# neither there nor in Formgrader.
c.HTMLExporter.filters = {"markdown2html": "grader.grading.inert.markdown"}
c.HTMLExporter.preprocessors = ["grader.jupyter.guide.Guide"]  # Formgrader's pages alone
c.GenerateFeedback.exporter_class = "grader.jupyter.feedback.Feedback"
c.GenerateFeedback.preprocessors = []
