"""The course as nbgrader sees it: its configuration, its folders, its commands.

nbgrader takes seconds to import, so that is done where it is called.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from grader.errors import CourseError

if TYPE_CHECKING:
    from nbgrader.apps import NbGraderAPI

HERE = Path(__file__).resolve().parent
STAMP, SECRET = "timestamp.txt", "submission_secret.txt"
"""What nbgrader keeps beside a notebook; it returns feedback only where the second lies."""
CHANGED = "changed.txt"
"""What we keep there of a submission that was changed after the time in its name."""


def configuration(root: Path) -> Config:
    """`nbgrader_config.py` for a course whose folders lie in `root`."""
    with _environment(DROPOUT_COURSE=str(root)):
        config = PyFileConfigLoader("nbgrader_config.py", path=str(HERE)).load_config()
    config.NbGraderAPI.log_level = "ERROR"
    return config


def folder(place: Path, url: str = "") -> Config:
    """The same for a course whose folders (submitted/, …) lie in `place` itself.

    `url` is the gradebook's; without one it is `place`/gradebook.db.
    """
    config = configuration(place)
    for step in ("source", "release", "submitted", "autograded", "feedback", "solution"):
        setattr(config.CourseDirectory, f"{step}_directory", step)
    config.Exchange.root = str(place)  # nothing is exchanged here, but it must be there
    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)  # the driver that we require
    config.CourseDirectory.db_url = url or f"sqlite:///{place / 'gradebook.db'}"
    return config


def nbgrader(root: Path, config: Config | None = None) -> NbGraderAPI:
    """nbgrader's own interface to the course in `root`, which is made if it is missing."""
    from nbgrader.apps import NbGraderAPI
    from sqlalchemy.exc import SAWarning

    if config is None:
        (root / ".course" / "exchange").mkdir(parents=True, exist_ok=True)
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader's own queries
    spare_a_process()
    return NbGraderAPI(config=configuration(root) if config is None else config)


def spare_a_process() -> None:
    """Have nbgrader look up its schema's version itself when it makes a gradebook.

    It starts a program for that, which takes seconds to say what never changes.
    """
    import nbgrader.api

    nbgrader.api.get_alembic_version = schema


@functools.cache
def schema() -> str:
    """The version of the schema of nbgrader's gradebooks."""
    from alembic.config import Config as Alembic
    from alembic.script import ScriptDirectory
    from nbgrader.dbutil import ALEMBIC_DIR

    alembic = Alembic()
    alembic.set_main_option("script_location", ALEMBIC_DIR)
    return str(ScriptDirectory.from_config(alembic).get_current_head())


@contextlib.contextmanager
def exchange(api: NbGraderAPI, step: str, lesson: str, learner: str = "") -> Iterator[Any]:
    """A step of nbgrader's exchange, such as "Collect", to be started in the `with`."""
    from nbgrader.utils import temp_attrs

    meant = {"assignment_id": lesson} | ({"student_id": learner} if learner else {})
    with temp_attrs(api.coursedir, **meant):
        yield getattr(api.exchange, step)(
            coursedir=api.coursedir, authenticator=api.authenticator, parent=api
        )


def succeed(what: str, result: dict[str, Any]) -> None:
    """Raise CourseError with nbgrader's own last word where one of its commands failed."""
    if not result["success"]:
        lines = (result.get("log") or result.get("error") or "no reason given").splitlines()
        errors = [line for line in lines if re.match(r"\s*[\w.]+(Error|Exception)\b", line)]
        raise CourseError(f"{what} failed: {(errors or lines)[-1].strip()}")


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
