"""In Formgrader, beneath each prose answer, the marking guide that the lesson's author wrote.

The guide is the answer in the source notebook. It is added while a page for an instructor is drawn
(`nbgrader_config.py` says so) and stands in no notebook that a learner gets back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.coursedir import CourseDirectory

from grader.authoring.lesson import REGION

SHOWN = '<div class="alert alert-info guide">\n\n{}\n\n</div>'


class Guide(Preprocessor):
    """Adds the guides to a submission that Formgrader is about to show."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> Any:
        if "submission_id" not in resources:  # another page than a submission's
            return nb, resources
        course = CourseDirectory(config=self.config)
        folder = course.format_path(course.source_directory, ".", resources["assignment_id"])
        guides = read(Path(course.root, folder, f"{resources['notebook_id']}.ipynb"))
        cells = []
        for cell in nb.cells:
            cells.append(cell)
            if guide := guides.get(cell.metadata.get("nbgrader", {}).get("grade_id")):
                cells.append(new_markdown_cell(SHOWN.format(guide)))
        return NotebookNode({**nb, "cells": cells}), resources


def read(source: Path) -> dict[str, str]:
    """The guide of each prose answer in a source notebook; {} where that is not there."""
    if not source.exists():
        return {}
    guides = {}
    for cell in nbformat.read(source, as_version=4).cells:
        about = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown" and about.get("grade") and about.get("solution"):
            guides[about["grade_id"]] = "".join(REGION.findall(cell.source)).strip()
    return guides
