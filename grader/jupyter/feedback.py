"""The course's page in place of nbgrader's feedback, for notebooks that nbgrader has graded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from traitlets import default

from grader.grading import feedback


class Feedback(Exporter):
    """What `nbgrader generate_feedback` and Formgrader write (`nbgrader_config.py` says so)."""

    output_mimetype = "text/html"

    @default("file_extension")
    def _file_extension_default(self) -> str:
        return ".html"

    def from_notebook_node(
        self, nb: NotebookNode, resources: Any = None, **kw: Any
    ) -> tuple[Any, dict[str, Any]]:
        notebook, resources = super().from_notebook_node(nb, resources, **kw)
        about = resources["nbgrader"]
        lesson, name = about["assignment"], about["notebook"]
        folders = self.config.CourseDirectory
        place = Path(folders.root, folders.feedback_directory).parent
        marks = feedback.grades(place, about["db_url"], lesson, about["student"], name)
        page, fault = feedback.bounded(notebook, name, marks)
        if fault:
            self.log.warning(f"feedback of {about['student']}: {fault}; it has its points alone.")
        return page, resources
