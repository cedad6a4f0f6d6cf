"""A class on JupyterHub as its members meet it: in Chromium, from release to feedback."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import (
    Browser,
    FrameLocator,
    Locator,
    TimeoutError,
    expect,
    sync_playwright,
)

import lab_server
from grader.authoring.lesson import Lesson
from grader.authoring.reading import read
from grader.paths import SOLUTIONS
from hub_stage import COURSE, LESSONS, RESTS_ON, TEACHER, Stage
from project import ARTIFACTS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow(minutes=2),
    pytest.mark.xdist_group("hub"),
    RESTS_ON,
]
MINUTE = 60_000
START, MASKS = (read(SOLUTIONS / f"{name}.py") for name in LESSONS)
INBOUND = ".hub/exchange/dropout/inbound"


@dataclass(frozen=True)
class Work:
    """What a learner does in a lesson: one exercise, wrong at first."""

    lesson: Lesson
    exercise: str
    mistake: int

    @property
    def wrong(self) -> str:
        return self.lesson.of("mistake", self.exercise)[self.mistake].source

    @property
    def hint(self) -> str:
        return self.lesson.of("mistake", self.exercise)[self.mistake].says

    @property
    def right(self) -> str:
        return self.lesson.of("exercise", self.exercise)[0].source

    @property
    def check(self) -> str:
        """The first line of the exercise's first check."""
        return self.lesson.of("check", self.exercise)[0].source.splitlines()[0]

    @property
    def points(self) -> float:
        return sum(cell.points for cell in self.lesson.of("check", self.exercise))


WORK = {
    "anna": Work(START, "scale", 0),
    "ben": Work(MASKS, "bernoulli_mask", 2),
}


class Desk:
    """A user in a browser of their own."""

    def __init__(self, stage: Stage, browser: Browser, name: str):
        self.stage, self.name = stage, name
        self.page = browser.new_page(viewport={"width": 1280, "height": 900})
        self.page.set_default_timeout(2 * MINUTE)
        self.page.goto(stage.url)
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(stage.password(name))
        self.shoot("sign-in")
        self.page.get_by_role("button", name="Sign in").click()
        self.menu("Nbgrader").wait_for()

    def menu(self, name: str, *entries: str) -> Locator:
        """Choose an entry of JupyterLab's menu; without one, the menu's name."""
        found = self.page.get_by_role("menuitem", name=name, exact=True)
        for entry in entries:
            found.first.click()
            found = self.page.locator(".lm-Menu-item:visible").filter(
                has=self.page.get_by_text(entry, exact=True)
            )
        if entries:
            found.first.click()
        return found

    def shoot(self, name: str) -> None:
        """Keep a screenshot."""
        folder = ARTIFACTS / "hub"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{self.name}-{name}.png")

    # the learner

    def assignments(self) -> None:
        """Open the Assignment List, as it is now."""
        self.page.goto(f"{self.stage.url}/user/{self.name}/lab?reset")
        self.menu("Nbgrader", "Assignment List")
        self.row("released", LESSONS[1]).or_(self.row("fetched", LESSONS[1])).wait_for()

    def row(self, kind: str, lesson: str) -> Locator:
        """The line of a lesson in the list of released, fetched or submitted ones."""
        rows = self.page.locator(f"#{kind}_assignments_list > .list_item")
        return rows.filter(has_text=lesson)

    def fetch(self, lesson: str) -> None:
        """Press Fetch."""
        self.row("released", lesson).get_by_role("button", name="Fetch").click()
        self.row("fetched", lesson).wait_for()

    def open(self, work: Work) -> None:
        """Open a lesson's notebook and run everything above the exercise."""
        name = work.lesson.name
        self.page.goto(f"{self.stage.url}/user/{self.name}/lab/tree/{name}/{name}.ipynb?reset")
        self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        self.cell(f"def {work.exercise}(").locator(".jp-InputArea-editor").click()
        self.menu("Run", "Run All Above Selected Cell")

    def cell(self, text: str) -> Locator:
        """The first code cell that holds this text."""
        return self.page.locator(".jp-CodeCell", has_text=text).first

    def answer(self, work: Work, source: str) -> Locator:
        """Write an answer into the exercise's cell, run it and the check; the check's output."""
        exercise, check = self.cell(f"def {work.exercise}("), self.cell(work.check)
        exercise.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)
        prompt = exercise.locator(".jp-InputPrompt").first
        before = prompt.inner_text()
        self.page.keyboard.press("Control+Enter")
        expect(prompt).not_to_have_text(before, timeout=2 * MINUTE)
        expect(prompt).to_have_text(NUMBER, timeout=2 * MINUTE)
        lab_server.run(check, 2 * MINUTE)
        with self.page.expect_response(
            lambda got: got.request.method == "PUT" and "/api/contents/" in got.url
        ):
            self.page.keyboard.press("Control+s")
        return check.locator(".jp-OutputArea-output")

    def validate(self) -> str:
        """Press Validate; what it says."""
        self.page.get_by_role("button", name="Validate").first.click()
        dialog = self.page.locator(".jp-Dialog")
        expect(dialog).to_contain_text("fail", timeout=2 * MINUTE, ignore_case=True)
        said = dialog.inner_text()
        dialog.get_by_role("button").last.click()
        return said

    def submit(self, lesson: str, time: int) -> None:
        """Press Submit in the Assignment List, for the first or the second time."""
        self.assignments()
        self.row("fetched", lesson).get_by_role("button", name="Submit").click()
        expect(self.row("submitted", lesson).locator(".nested_list_item")).to_have_count(time)

    def feedback(self, lesson: str) -> str:
        """Fetch the feedback, follow its link, open the page; what it says."""
        self.assignments()
        self.row("submitted", lesson).get_by_role("button", name="Fetch Feedback").click()
        self.page.get_by_text("(view feedback)").first.click()
        page = self.page.locator(".jp-DirListing-item", has_text=f"{lesson}.html")
        page.dblclick()
        body = self.page.frame_locator("iframe").locator("body")
        expect(body).to_contain_text("points")
        self.shoot("feedback")
        return body.text_content() or ""  # what passed is folded

    # the instructor

    def formgrader(self) -> FrameLocator:
        """Open Formgrader in JupyterLab."""
        self.page.goto(f"{self.stage.url}/user/{self.name}/lab?reset")
        self.menu("Nbgrader", "Formgrader")
        return self.page.frame_locator("iframe")

    def press(self, formgrader: FrameLocator, column: str, lesson: str, said: str) -> None:
        """Press a lesson's button in a column of Formgrader and read that it was done."""
        formgrader.locator("tr", has_text=lesson).locator(f".{column} a").click()
        modal = formgrader.locator(".modal")
        expect(modal).to_contain_text(f"Successfully {said} '{lesson}'")
        for _ in range(20):  # a click is lost while the dialog still moves
            modal.locator(".modal-footer button").evaluate_all("all => all.at(0)?.click()")
            try:
                return modal.wait_for(state="detached", timeout=5_000)
            except TimeoutError:
                continue
        pytest.fail(f"Formgrader's dialog on {lesson} does not close")

    def type_in_terminal(self, command: str) -> None:
        """Open JupyterLab's terminal and type a command."""
        self.page.goto(f"{self.stage.url}/user/{self.name}/lab?reset")
        self.menu("File", "New", "Terminal")
        self.page.locator(".jp-Terminal").click()
        self.page.keyboard.type(command)
        self.page.keyboard.press("Enter")

    def comment(self, work: Work, learner: str, text: str) -> None:
        """Write a comment below a learner's answer, in Formgrader."""
        name, grader = work.lesson.name, f"{self.stage.url}/user/{self.name}/formgrader"
        listed = self.page.request.get(f"{grader}/api/submitted_notebooks/{name}/{name}").json()
        (number,) = (each["id"] for each in listed if each["student"] == learner)
        self.page.goto(f"{grader}/submissions/{number}", wait_until="networkidle")
        box = self.page.locator(f"#{work.exercise}-comment, textarea.comment").first
        box.fill(text)
        with self.page.expect_response(lambda answer: "/api/comment/" in answer.url):
            box.blur()
        box.scroll_into_view_if_needed()
        self.shoot(f"comments-{learner}")


NUMBER = re.compile(r"\[\d+\]")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("hub"), list(WORK)) as stage:
        yield stage


@pytest.fixture(scope="module")
def desks(stage: Stage, chromium: str) -> Iterator[dict[str, Desk]]:
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        yield {name: Desk(stage, browser, name) for name in (TEACHER, *WORK)}
        browser.close()


@pytest.fixture(scope="module")
def released(desks: dict[str, Desk]) -> dict[str, Desk]:
    """The instructor releases both lessons in Formgrader."""
    teacher = desks[TEACHER]
    formgrader = teacher.formgrader()
    for lesson in LESSONS:
        teacher.press(formgrader, "release", lesson, "released")
    teacher.shoot("released")
    return desks


@pytest.fixture(scope="module")
def worked(released: dict[str, Desk]) -> dict[str, dict[str, str]]:
    """Each learner fetches both, errs, submits, reads the hint, mends, submits again."""
    said = {}
    for name, work in WORK.items():
        desk = released[name]
        desk.assignments()
        for lesson in LESSONS:
            desk.fetch(lesson)
        desk.shoot("fetched")
        desk.open(work)
        told = desk.answer(work, work.wrong)
        expect(told.first).to_be_visible()
        first = told.first.inner_text()
        told.first.scroll_into_view_if_needed()
        desk.shoot("hint")
        desk.submit(work.lesson.name, 1)
        desk.open(work)
        told = desk.answer(work, work.right)
        desk.shoot("mended")
        second = " ".join(told.all_inner_texts())
        validated = desk.validate()
        desk.submit(work.lesson.name, 2)
        desk.shoot("submitted")
        said[name] = {"first": first, "second": second, "validated": validated}
    return said


@pytest.fixture(scope="module")
def graded(worked: dict, released: dict[str, Desk], stage: Stage) -> list[dict]:
    """The instructor collects in Formgrader and grades in the terminal; every row of it."""
    teacher = released[TEACHER]
    formgrader = teacher.formgrader()
    for lesson in LESSONS:
        teacher.press(formgrader, "collect", lesson, "collected submissions of")
    command = [sys.executable, "grader", "autograde", *LESSONS, "--json", "/home/teacher/rows"]
    teacher.type_in_terminal(f"cd {COURSE}; {shlex.join(command)}; touch ~/graded")
    stage.run(TEACHER, "sh", "-c", "until [ -e graded ]; do sleep 0.2; done")
    teacher.shoot("graded")
    return json.loads(stage.run(TEACHER, "cat", "rows").stdout)


@pytest.fixture(scope="module")
def returned(graded: list, released: dict[str, Desk]) -> dict[str, str]:
    """The instructor comments by hand and returns the feedback; what each learner reads."""
    teacher = released[TEACHER]
    for name, work in WORK.items():
        teacher.comment(work, name, f"Well mended, {name}.")
    formgrader = teacher.formgrader()
    for lesson in LESSONS:
        teacher.press(formgrader, "generate-feedback", lesson, "generated feedback of")
        teacher.press(formgrader, "release-feedback", lesson, "released feedback of")
    return {name: released[name].feedback(work.lesson.name) for name, work in WORK.items()}


def test_the_instructor_finds_the_course(desks: dict[str, Desk]):
    """Does the Course List name the course, with Formgrader behind it?"""
    teacher = desks[TEACHER]
    teacher.menu("Nbgrader", "Course List")
    expect(teacher.page.get_by_role("link", name="dropout")).to_be_visible()
    teacher.shoot("course-list")


def test_only_the_instructor_has_formgrader(desks: dict[str, Desk], stage: Stage):
    """Do learners' menus lack Formgrader, and do their servers know no page of it?"""
    for name in WORK:
        desks[name].menu("Nbgrader").click()
        expect(desks[name].page.get_by_text("Assignment List", exact=True).first).to_be_visible()
        expect(desks[name].page.get_by_text("Formgrader", exact=True)).to_have_count(0)
        desks[name].page.keyboard.press("Escape")
        own = f"{stage.url}/user/{name}/formgrader"
        assert desks[name].page.request.get(own).status == 404


@pytest.mark.parametrize("name", WORK)
def test_a_learner_errs_reads_the_hint_and_mends(worked: dict, name: str):
    """Does the check name the mistake, say so when it is mended, and Validate agree?"""
    said = worked[name]
    assert WORK[name].hint in said["first"]
    assert said["second"].startswith("✓") and WORK[name].hint not in said["second"]
    assert (
        WORK[name].check not in said["validated"]
    )  # other exercises are named: they are unwritten


def test_both_submissions_arrive(worked: dict, stage: Stage):
    """Does the exchange hold two submissions of each learner, each owned by them?"""
    found = stage.run("root", "stat", "-c", "%U %n", *_inbound(stage)).stdout.splitlines()
    assert len(found) == 2 * len(WORK)
    for line in found:
        owner, _, path = line.partition(" ")  # a name holds a time, with spaces in it
        assert path.rpartition("/")[2].startswith(f"{owner}+{WORK[owner].lesson.name}+")


def test_the_second_submission_is_graded(graded: list[dict]):
    """Has each learner the exercise's points, which the first submission would not have got?"""
    for name, work in WORK.items():
        rows = [row for row in graded if row["learner"] == name]
        assert {row["lesson"] for row in rows} == {work.lesson.name}
        assert sum(row["points"] for row in rows if row["exercise"] == work.exercise) == work.points


def test_each_learner_reads_their_own_feedback(returned: dict[str, str]):
    """Does the feedback hold the comment that was written by hand, and nobody else's?"""
    for name, page in returned.items():
        assert f"Well mended, {name}." in page
        assert page.count("Well mended") == 1
        assert WORK[name].right.splitlines()[-1].strip() in page


def test_a_second_start_goes_on(returned: dict, stage: Stage):
    """After Ctrl-C, are processes gone, and after a start users, passwords, work still there?"""
    before = {name: stage.password(name) for name in (TEACHER, *WORK)}
    inbound = _inbound(stage)
    notebook = f"/home/anna/{LESSONS[0]}/{LESSONS[0]}.ipynb"
    assert stage.run("anna", "test", "-e", notebook).returncode == 0
    assert stage.interrupt() == 130
    stage.start()
    assert stage.sign_in("anna").get("/hub/home").ok
    assert stage.run("anna", "test", "-e", notebook).returncode == 0
    assert {name: stage.password(name) for name in before} == before
    assert _inbound(stage) == inbound


def _inbound(stage: Stage) -> list[str]:
    return sorted(f"{COURSE}/{INBOUND}/{p.name}" for p in (stage.course / INBOUND).iterdir())
