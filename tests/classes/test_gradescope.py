"""Gradescope's autograder: do the ZIP's own scripts make its results.json, as documented?

They run in a root laid out like theirs: /autograder/source, submission and results, named by
AUTOGRADER_ROOT. There is no network, so this test's own environment stands in for what `pip`
installs there: setup.sh finds it first in PATH, sees that nothing is missing, and goes on. What
`apt-get` and `pip` do in setup.sh is not tested here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from grader import options
from grader.authoring.build import released
from grader.authoring.reading import read
from grader.classes import gradescope, pack
from grader.errors import Unavailable
from grader.grading import own, worker
from grader.grading.packed import Packed
from grader.grading.result import Graded, Message, Row
from grader.paths import SOLUTIONS

LESSON = read(SOLUTIONS / "14_backward.py")
NAME = f"{LESSON.name}.ipynb"
RIGHT = {c.name: c.source for c in LESSON.of("exercise")}
HIDDEN = sum(cell.points for cell in LESSON.of("check") if cell.hidden)
FULL = sum(cell.points for cell in LESSON.of("check"))


def notebook(answers: dict[str, str]) -> str:
    nb = json.loads(released(LESSON.name).read_text(encoding="utf-8"))
    for cell in nb["cells"]:
        cell["source"] = answers.get(cell["id"], cell["source"])
    return json.dumps(nb)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gradescope's /autograder, its image built: the ZIP unpacked, setup.sh run."""
    root = tmp_path_factory.mktemp("gradescope") / "autograder"
    (root / "submission").mkdir(parents=True)
    file = root.parent / "autograder.zip"
    pack.gradescope(LESSON, file, "after_due_date", "sandbox")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(root / "source")
        script = archive.getinfo("run_autograder")
    assert script.external_attr >> 16 & 0o111, "it is not executable"
    done = run(root, "bash", str(root / "source" / "setup.sh"))
    assert done.returncode == 0, done.stdout + done.stderr
    (root / "run_autograder").write_bytes((root / "source" / "run_autograder").read_bytes())
    (root / "run_autograder").chmod(0o755)
    return root


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command as Gradescope runs it, from its folder; without a network, where that can be."""
    apart = ["unshare", "--net"] if os.geteuid() == 0 else []
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin"
    env = {"PATH": path, "HOME": str(root.parent), "AUTOGRADER_ROOT": str(root)}
    return subprocess.run([*apart, *command], cwd=root, env=env, capture_output=True, text=True)


def results(root: Path, files: dict[str, str]) -> dict:
    """What results.json says of a submission."""
    for old in (root / "submission").iterdir():
        old.unlink()
    for name, text in files.items():
        (root / "submission" / name).write_text(text, encoding="utf-8")
    done = run(root, str(root / "run_autograder"))
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))


def told_without_points(said: dict, why: str) -> None:
    """A result has every row, no points, and says why."""
    assert why in said["output"] and sum(row["score"] for row in said["tests"]) == 0
    assert sum(row["max_score"] for row in said["tests"]) == FULL


@pytest.mark.slow
@pytest.mark.xdist_group("gradescope")
def test_right_answers_get_every_point(root: Path):
    """Do all rows pass, hidden ones seen later, though an answer that saw the grader would not?"""
    name = LESSON.exercises[0]
    packed = root / "source" / "course" / "packed"
    assert packed.is_dir()
    spy = f"import os\nassert not os.path.exists({str(packed)!r})\n{RIGHT[name]}"
    said = results(root, {"my copy (1).ipynb": notebook(RIGHT | {name: spy})})
    rows = said["tests"]
    assert sum(row["score"] for row in rows) == sum(row["max_score"] for row in rows) == FULL
    later = [row["max_score"] for row in rows if row["visibility"] == "after_due_date"]
    assert sum(later) == HIDDEN > 0
    assert {row["visibility"] for row in rows} == {"visible", "after_due_date"}
    assert "my copy (1).ipynb was graded" in said["output"] and "for a person" in said["output"]


@pytest.mark.slow
@pytest.mark.xdist_group("gradescope")
def test_a_mistake_is_told_in_four_lines(root: Path):
    """Is the output of a failed check its case, what was expected and found, and the hint?"""
    (mistake, *_) = LESSON.of("mistake")
    said = results(root, {NAME: notebook(RIGHT | {mistake.name: mistake.source})})
    lost = [row for row in said["tests"] if row["score"] < row["max_score"]]
    assert lost and lost[0]["name"].startswith(f"{mistake.name}: ")
    assert any(mistake.says in row["output"] for row in lost)
    first = lost[0]["output"].splitlines()
    labels = [line.split(":")[0].strip() for line in first[1:]]
    assert labels == ["expected", "found", "hint"], first


@pytest.mark.slow
@pytest.mark.xdist_group("gradescope")
def test_what_is_no_notebook_is_told(root: Path):
    """Is there a result with no points that says why?"""
    told_without_points(results(root, {NAME: "{"}), "is not a Jupyter notebook")


@pytest.mark.slow
@pytest.mark.xdist_group("gradescope")
@pytest.mark.parametrize(("names", "why"), [
    ([], f"{NAME} is missing"), (["a.ipynb", "b.ipynb"], "There is a.ipynb, b.ipynb"),
])  # fmt: skip
def test_where_no_notebook_is_the_lessons_it_is_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], why: str
):
    """The same where there is none, or one too many; no answer runs, so no player is started."""
    monkeypatch.setattr(gradescope, "PACKED", root / "source" / "course" / "packed")
    monkeypatch.setattr(own, "Players", lambda *_, **__: None)
    monkeypatch.setattr(worker, "adopt", lambda *_: None)
    for name in names:
        (tmp_path / name).write_text("{}", encoding="utf-8")
    told_without_points(gradescope.run(tmp_path), why)


@pytest.mark.slow
@pytest.mark.xdist_group("gradescope")
def test_a_grader_that_cannot_start_leaves_a_result(root: Path):
    """Is there a results.json of this run even where Python is missing?"""
    where = root / "source" / "course" / "python"
    python = where.read_text(encoding="utf-8")
    where.write_text("/nowhere/python\n", encoding="utf-8")
    try:
        assert run(root, str(root / "run_autograder")).returncode
    finally:
        where.write_text(python, encoding="utf-8")
    said = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    assert said["score"] == 0 and "did not come to its end" in said["output"]


PACKED = Packed(LESSON.name, released(LESSON.name).read_text(encoding="utf-8"), "whole")


def test_a_row_is_what_the_documentation_asks_for():
    """Has each row the keys and words of the specification, and prose no row?"""
    hidden = min(PACKED.hidden)
    message = Message("f(1)", "2", "1", "twice.")
    rows = (
        Row("x", LESSON.name, "e", hidden, 0, 2, "failed", message),
        Row("x", LESSON.name, "e", "check_e_1", 1, 1, "passed"),
        Row("x", LESSON.name, "why", "why", None, 2, "by hand"),
        Row("x", LESSON.name, "how", "how", 0, 1, "failed", Message(found="no answer was given")),
    )
    made = gradescope.results(
        PACKED, Graded("x", LESSON.name, "partly", rows, ("a note",), (), "", 2, 1), "hidden"
    )
    assert [row["visibility"] for row in made["tests"]] == ["hidden", "visible"]
    assert [row["output"] for row in made["tests"]] == [message.text, ""]
    assert made["output"].splitlines() == [
        "1 of 1 points for code.", "Hidden checks, worth 2, are not in this sum.",
        "Your prose, worth 3, waits for a person.", "a note",
    ]  # fmt: skip
    for word in ("hidden", "after_due_date", "after_published"):
        words = ["pack", "14", "--for", "gradescope", "--hidden", word]
        assert options.parse(words).hidden == word


def test_what_is_seen_at_once_tells_nothing_of_hidden_checks():
    """Is all but the hidden rows the same, whether a hidden check was passed or not?"""

    def shown(points: float) -> tuple[object, list[object]]:
        outcome = "passed" if points else "failed"
        rows = (
            Row("x", LESSON.name, "e", min(PACKED.hidden), points, 2, outcome),
            Row("x", LESSON.name, "e", "check_e_1", 1, 1, "passed"),
        )
        graded = Graded("x", LESSON.name, "partly", rows, (), (), "", 2, 1)
        made = gradescope.results(PACKED, graded, "after_published")
        return made["output"], [row for row in made["tests"] if row["visibility"] == "visible"]

    assert shown(0) == shown(2)


def test_without_a_sandbox_nothing_is_graded_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Is no answer run, and is it said what the instructor can do?"""

    class None_:
        def __init__(self, **_: object):
            raise Unavailable("no user namespaces")

    PACKED.write(tmp_path)
    settings = {"lesson": LESSON.name, "visibility": "hidden", "isolation": "sandbox"}
    (tmp_path / gradescope.SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
    monkeypatch.setattr(gradescope, "PACKED", tmp_path)
    monkeypatch.setattr(gradescope, "Grading", None_)
    said = gradescope.run(tmp_path)
    assert said["score"] == 0 and "--isolation uid" in said["output"] and "tests" not in said
