"""The course with the oldest packages that its requirements allow.

pip takes the newest versions that fit. So every lower bound becomes the version itself, and the
main path of a learner and an instructor is tested there, in an environment beside `.venv`.
"""

from __future__ import annotations

import sys
import venv
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from grader import environment
from grader.errors import CourseError
from grader.paths import COURSE

PLACE = COURSE / "oldest"
LONG = (
    "21_overfitting",
    "31_images",
    "32_sequences",
    "33_transformers",
    "34_noise",
    "51_capstone",
    "91_frontier",
)
"""Lessons whose notebooks train for minutes; their functions and checks are tried all the same."""

NOTEBOOK = "tests/authoring/test_notebooks.py::test_a_lesson_runs_from_top_to_bottom"
MAIN_PATH = [
    "tests/authoring/test_build.py::test_what_is_committed_is_what_is_built",
    "tests/authoring/test_lessons.py",
    "tests/dropoutlab/test_explore.py::test_every_place_can_be_drawn",
    NOTEBOOK,
    "tests/grading/test_same_scores.py::test_scores_are_those_of_nbgrader[13_inverted_dropout]",
    "tests/jupyter/test_browser.py::test_formgrader_lists_the_lessons",
    "--deselect=tests/authoring/test_lessons.py::test_solution_passes_whatever_the_seed",
    *(f"--deselect={NOTEBOOK}[{name}]" for name in LONG),
]
"""Build, checks, explorers, notebooks, both graders, JupyterLab and Formgrader in a browser.

The walk of a learner through a lesson in the browser is not among them: JupyterLab 4.2 hides
cells that are out of sight, where that test looks for them.
"""
TOLERANT = ["-o", "filterwarnings=default", "--disable-warnings"]
"""What an old package uses of a new one may be deprecated since: not ours to mend."""


def lowest(requirements: str) -> Iterator[str]:
    """The requirements of a file's text, each with its lower bound as its only version."""
    for number, line in enumerate(requirements.splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            need = Requirement(text)
        except InvalidRequirement:
            bounds = []
        else:
            bounds = [part.version for part in need.specifier if part.operator in (">=", "==")]
        if len(bounds) != 1:
            raise CourseError(
                f"requirements, line {number}: {text!r} has no one lower bound. "
                "Write it as `name>=a,<b` or `name==a`."
            )
        need.specifier = SpecifierSet(f"=={bounds[0]}")
        yield str(need)


def ready() -> Path:
    """The Python that holds the lowest versions; installed where they are not there as they are."""
    lists = (environment.REQUIREMENTS, environment.LISTS["tests"])
    texts = [file.read_text(encoding="utf-8") for file in lists]
    wanted, stamp = "\n".join(line for text in texts for line in lowest(text)), PLACE / "stamp"
    recipe = f"{sys.version}\n{wanted}\n"
    python = PLACE / environment.PYTHON.relative_to(environment.VENV)
    with environment.alone():
        if stamp.exists() and stamp.read_text(encoding="utf-8") == recipe:
            return python
        environment.say("The oldest packages that the course allows go into .course/oldest.")
        venv.create(PLACE, clear=True, with_pip=True)
        pins = PLACE / "requirements.txt"
        pins.write_text(wanted, encoding="utf-8")
        options = ["--quiet", *environment.PIP, "-r"]
        if environment.run(python, "-I", "-m", "pip", "install", *options, pins):
            raise CourseError(
                "The lower bounds of the requirements cannot be installed together; pip says why "
                "above. Raise the one that it names."
            )
        stamp.write_text(recipe, encoding="utf-8")
    return python
