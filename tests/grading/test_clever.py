"""A clever learner gains nothing, and holds up nobody: each kind of attack, at its depth."""

from __future__ import annotations

import ast
import base64
import json
import resource
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

import classroom
from classroom import FULL_POINTS, HALF_POINTS, LESSON, RIGHT
from curriculum import LESSONS, each_lesson
from dropoutlab import expect
from dropoutlab.expect import question
from grader.authoring.build import released, source_notebook
from grader.authoring.lesson import HIDE, Cell, Lesson, is_question
from grader.authoring.names import used
from grader.authoring.trial import stage, verdict
from grader.grading import autograde, check, feedback, pools, worker
from grader.grading.pools import Processes
from grader.grading.result import Graded
from grader.grading.task import Task
from grader.isolation import alarm, confinement
from grader.isolation.confinement import Limits

pytestmark = pytest.mark.slow
LOST = FULL_POINTS - HALF_POINTS
"""Points of a notebook whose `scale` is wrong."""


@pytest.fixture(autouse=True, scope="module")
def processes() -> Iterator[None]:
    """The process from which players are forked is ended with the module."""
    yield
    worker.close()


def together(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that grades here, by the limits of all: one process forks for all of them."""
    return pytest.mark.slow(minutes=1)(pytest.mark.xdist_group("clever")(test))


def task(answers: dict[str, str], lesson: Lesson = LESSON, limits: Limits | None = None) -> Task:
    text = released(lesson.name).read_text(encoding="utf-8")
    file = nbformat.writes(classroom.notebook(text, answers)).encode()
    source = nbformat.writes(source_notebook(lesson))
    return Task("ann", lesson.name, text, source, file, limits=limits or Limits())


def grade(answers: dict[str, str], lesson: Lesson = LESSON) -> Graded:
    return worker.work(task(answers, lesson))


def told(graded: Graded) -> str:
    return "\n".join(row.message.text for row in graded.rows if row.message is not None)


# ── nobody is held up ────────────────────────────────────────────────────────────────────────


@together
@pytest.mark.parametrize("tenths", range(2, 9, 3))
def test_an_alarm_amid_an_exchange_costs_nobody_else(tenths: int, monkeypatch: pytest.MonkeyPatch):
    """Is a check that overruns while its player answers a row, and the next learner graded?"""
    # The alarm rings after half a second.
    monkeypatch.setattr(check, "ALLOWANCE", 0.5 - Limits().check)
    slow = f"import time\ndef scale(x, factor):\n    time.sleep({tenths / 10})\n    return 0 * x\n"
    late = grade(RIGHT | {"scale": slow})
    assert late.points <= LOST + 1 and late.outcome in ("partly", "timed out"), told(late)
    monkeypatch.undo()
    assert grade(RIGHT).points == FULL_POINTS


def test_an_alarm_is_held_until_an_exchange_has_ended():
    """Does it ring after what it may not interrupt, once, and not at all in time?"""
    bell, seen = alarm.Alarm(), []

    def busy(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass

    with pytest.raises(alarm.Overrun), bell.set(0.05):
        with bell.held():
            busy(0.2)
            seen.append("whole")
        seen.append("never")
    with pytest.raises(alarm.Overrun), bell.set(0.05):
        busy(60)
    with bell.set(60), bell.held():
        seen.append("on")
    assert seen == ["whole", "on"]


COLLIDE = """
import gc
from grader.isolation.table import Table
def scale(x, factor):
    encode, data = Table._encode, [["complex", -1000003.0 * k, float(k)] for k in range(1, MANY)]
    Table._encode = lambda self, value, depth: (
        data_of if isinstance(value, Mine) else encode(self, value, depth))
    data_of = [KIND, data]
    class Mine: pass
    Mine_ = Mine
    globals()["Mine"] = Mine
    return Mine()
"""


@together
@pytest.mark.parametrize("many", [9_000, 400_000])
def test_what_collides_ends(many: int):
    """Does a set whose hashes all collide, or that is too large, end as a row, and in time?"""
    code = COLLIDE.replace("MANY", str(many)).replace("KIND", "'frozenset'")
    began = time.process_time()
    assert grade(RIGHT | {"scale": code}).points <= LOST + 1
    assert time.process_time() - began < 10


@together
def test_a_name_of_a_process_costs_nobody(tmp_path: Path):
    """Is the memory of a player read though another process has a name that is no text?"""
    code = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'\\xff\\xfe', 0, 0, 0); input()"
    lesson = next(lesson for lesson in LESSONS if lesson.name.startswith("16"))
    right = {c.name: c.source for c in lesson.cells if c.kind in ("exercise", "answer")}
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as odd:
        try:
            lost = [row for row in grade(right, lesson).rows if row.lost]
        finally:
            odd.kill()
    assert not lost, lost


def test_a_stamp_that_is_none_stops_nobody(tmp_path: Path):
    """Is a class graded though some learners' timestamp.txt makes its reader raise?"""
    nb = classroom.notebook(classroom.released(tmp_path), RIGHT)
    classroom.hand_in(tmp_path, "ann", nb)
    for number, odd in enumerate(["12:" + "9" * 40, "1e999999", "\\x00", "9" * 300]):
        path = classroom.hand_in(tmp_path, f"odd{number}", nb)
        path.with_name("timestamp.txt").write_text(odd)
    scores = classroom.scores(classroom.rows(tmp_path, "--no-feedback"))
    assert len(scores) == 5 and set(scores.values()) == {FULL_POINTS}


def test_a_first_turn_takes_nothing(monkeypatch: pytest.MonkeyPatch):
    """Is an answer that needs longer than a turn graded anew, whatever else went wrong in it?"""
    monkeypatch.setattr(pools, "FIRST", 2.0)
    slow = "import time\ndef scale(x, factor):\n    time.sleep(0.9)\n    return factor * x\n"
    one = task(
        RIGHT | {"scale": f"{slow}\nraise MemoryError"}, limits=Limits(check=20, submission=60)
    )
    alone = worker.work(one)
    assert alone.points == FULL_POINTS and not alone.late
    with Processes(1, threading.Event(), print) as pool:
        ((graded, _),) = pool.run(iter([(one, 0)]))
    assert graded.points == FULL_POINTS


FLOOD = """
from grader.isolation.player import Player
line, first = "x" * 2000, iter([150])
Player._do_run = lambda self, source: tuple(
    ("error", f"E{k}", line, (line,) * 100) for k in range(next(first, 3)))
"""


@together
def test_errors_are_bounded_too():
    """Do errors without end leave one in each cell, and a small notebook?"""
    text = released(LESSON.name).read_text(encoding="utf-8")
    nb = classroom.notebook(text, RIGHT | {"scale": FLOOD + RIGHT["scale"]})
    nb.cells += [nbformat.v4.new_code_cell("pass", id=f"more{k}") for k in range(100)]
    one = replace(task(RIGHT), text=nbformat.writes(nb).encode())
    graded = worker.work(one).notebook
    assert len(graded) < 20_000_000
    left = [cell.get("outputs", []) for cell in nbformat.reads(graded, as_version=4).cells]
    errors = [sum(output.output_type == "error" for output in outputs) for outputs in left]
    assert max(errors) == 1 and sum(errors) > 100


@together
@pytest.mark.parametrize("where", ["top", "cell", "cells"])
def test_a_file_is_read_in_bounds(where: str):
    """Is a file of millions of containers, or of cells, read or refused within seconds?"""
    content = json.loads(task(RIGHT).text)
    heavy = [{} for _ in range(3_000_000)]
    if where == "top":
        content["metadata"]["x"] = heavy
    elif where == "cell":
        content["cells"][0]["metadata"]["x"] = heavy
    else:
        content["cells"] += 400_000 * [content["cells"][0]]
    one = replace(task(RIGHT), text=json.dumps(content).encode())
    began = time.process_time()
    graded = worker.work(one)
    assert time.process_time() - began < 30
    assert graded.points == (0 if where == "cells" else FULL_POINTS)


@together
def test_what_a_context_manager_swallows_is_said():
    """Does an `__exit__` that returns True not hide what a check says inside?"""
    lesson = next(lesson for lesson in LESSONS if lesson.name.startswith("25"))
    right = {c.name: c.source for c in lesson.cells if c.kind in ("exercise", "answer")}
    wrong = """
class enable_dropout:
    def __init__(self, model): self.model = model
    def __enter__(self): return self.model
    def __exit__(self, *error): return error[0] is not None
"""
    rows = grade(right | {"enable_dropout": wrong}, lesson).rows
    assert not any(row.points for row in rows if row.exercise == "enable_dropout")


EXITS = """
from grader.isolation.player import Player
def leave(*args):
    raise SystemExit
NAMED = leave
"""


@together
@pytest.mark.parametrize("name", ["_do_run", "_do_names", "_do_forget", "_do_operate"])
def test_an_exit_in_the_player_ends_nothing_here(name: str):
    """Is a reply of SystemExit, to whatever is asked, an error of that cell or check alone?"""
    graded = grade(RIGHT | {"scale": EXITS.replace("NAMED", f"Player.{name}") + RIGHT["scale"]})
    assert graded.outcome in ("partly", "passed", "failed"), told(graded)


def test_a_fault_of_the_graders_is_a_row():
    """Does whatever a worker raises end as the row of that submission?"""
    broken = replace(task(RIGHT), source="no notebook")
    fine = task(RIGHT)
    with Processes(1, threading.Event(), print) as pool:
        ends = [(graded.outcome, extra) for graded, extra in pool.run(iter([(fine, 1), (fine, 2)]))]
        assert sorted(ends) == [("passed", 1), ("passed", 2)]
        with pytest.raises(Exception, match="JSON"):  # nothing can be made of such a lesson
            list(pool.run(iter([(broken, 3)])))


def test_who_takes_long_comes_last(monkeypatch: pytest.MonkeyPatch):
    """Are honest submissions graded before sleepers have used up their time, and all in the end?"""
    monkeypatch.setattr(pools, "FIRST", 2.0)
    limits = Limits(check=8, submission=8)
    sleeper = task(RIGHT | {"scale": "import time\ntime.sleep(10**6)"}, limits=limits)
    honest = task(RIGHT, limits=limits)
    line = [(sleeper, "asleep")] * 3 + [(honest, "honest")] * 3
    aside: list[str] = []
    # Each submission is a task of its own.
    own = ((replace(one), who) for one, who in line)
    with Processes(2, threading.Event(), aside.append) as pool:
        ends = [(who, graded.outcome, graded.points) for graded, who in pool.run(own)]
    assert [who for who, _, _ in ends] == ["honest"] * 3 + ["asleep"] * 3
    assert {points for who, _, points in ends if who == "honest"} == {FULL_POINTS}
    assert {outcome for who, outcome, _ in ends if who == "asleep"} == {"timed out"}
    assert aside == ["ann"] * 3


BOMBS = {
    "the same array 500 times": "import numpy as np\ndef scale(x, f):\n"
    "    return [np.zeros(10**6)] * 500",
    "pictures": "import matplotlib.pyplot as plt, numpy as np\nfor _ in range(40):\n"
    "    plt.figure(figsize=(8, 8)); plt.imshow(np.random.rand(700, 700, 3))\n"
    "def scale(x, f):\n    return 0 * x",
    "a long string": "def scale(x, f):\n    return 'x' * 25_000_000",
    "a long error": "def scale(x, f):\n    raise ValueError('x' * 25_000_000)",
    "a long name": "def scale(x, f):\n    raise type('E' * 10_000_000, (Exception,), {})()",
    "much that is printed": "def scale(x, f):\n    print('x' * 10_000_000)\n    return 0 * x",
    "an endless iterator": "import itertools\ndef scale(x, f):\n    return itertools.repeat(1)",
}
WORK = """
import pickle, resource, sys
from grader.grading import worker
tasks = pickle.loads(sys.stdin.buffer.read())
worker.work(pickle.loads(pickle.dumps(tasks[0])).__class__(**(vars(tasks[0]) | {"text": None})))
most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = most()
for task in tasks:
    graded = worker.work(task)
    rows = sum(len(str(row)) for row in graded.rows)
    print("left", most() - before, len(graded.notebook), graded.points, rows)
worker.close()
"""


def test_what_a_submission_leaves_is_bounded():
    """Do the referee's memory, the graded notebook and the rows stay small, after each of them?"""
    import pickle

    limits = Limits(check=20, memory=1 << 30)
    tasks = [task(RIGHT | {"scale": bomb}, limits=limits) for bomb in BOMBS.values()]
    run = subprocess.run(
        [sys.executable, "-c", WORK], input=pickle.dumps(tasks), env=classroom.environment(),
        capture_output=True, check=False, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode()
    lines = [line.split()[1:] for line in run.stdout.decode().splitlines() if line[:5] == "left "]
    assert len(lines) == len(BOMBS)
    for name, line in zip(BOMBS, lines, strict=True):
        more, notebook, points, rows = map(float, line)
        assert points <= LOST + 1, name  # for leaving the input alone
        assert more / 1024 < 1500, f"MiB more in the referee, by then: {name}"
        assert notebook < 60e6 and rows < 100_000, name


ESCAPES = "\x1b]52;c;aGVsbG8=\x07\x1b[2J\r\x08\u202e\x9b"


SAYS = f"""
from grader.isolation.player import Player
send = Player._send
Player._send = lambda self, said: send(
    self, (*said[:3], {ESCAPES!r}, "") if said[1] == "value" else said)
"""


@together
def test_a_player_says_nothing_in_a_terminal(capfd: pytest.CaptureFixture[str]):
    """Does what a player adds to its replies, outside of a check, come to no terminal?"""
    graded = grade(RIGHT | {"scale": SAYS + RIGHT["scale"]})
    assert graded.points == FULL_POINTS
    assert capfd.readouterr() == ("", "")


@together
@pytest.mark.parametrize("code", [
    f"raise ValueError({ESCAPES!r})",
    f"def scale(x, factor):\n    raise ValueError({ESCAPES!r})",
    f"def scale(x, factor):\n    return {ESCAPES!r}",
    f"def scale(x, factor):\n    raise type({ESCAPES!r}, (Exception,), {{}})({ESCAPES!r})",
    f"def scale(x, factor):\n    print({ESCAPES!r})\n    return x",
])  # fmt: skip
def test_no_control_code_reaches_a_terminal(code: str):
    """Is what is said of a submission free of codes that act in a terminal or a table?"""
    graded = grade(RIGHT | {"scale": code})
    texts = [told(graded), *graded.notes]
    odd = {c for c in "".join(texts) if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")}
    assert texts and not odd
    assert not set("\x9b\x07\u202e") & set(graded.notebook.encode().decode("unicode_escape"))


HARD = {
    "mathematics without end": "\\\\(" * 200_000,
    "environments without end": "\\begin{a}" * 30_000,
    "tags without end": "<div>" * 50_000,
    "a missing image": "![x](attachment:none.png) and ![y](<attachment:no ne.png>)",
    "much text": "word " * 2_000_000,
}


def test_feedback_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Has everybody a page, whatever some learners wrote, and what they wrote does not act?"""
    text = classroom.released(tmp_path)
    prose = next(c.name for c in LESSON.cells if c.kind == "answer")
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
    for name, hard in HARD.items():
        classroom.hand_in(tmp_path, name, classroom.notebook(text, RIGHT | {prose: hard}))
    nb = classroom.notebook(text, RIGHT | {prose: "![mine](attachment:a.png)"})
    own = next(cell for cell in nb.cells if cell.id == prose)
    own["attachments"] = {"a.png": {"image/png": image, "text/html": "<script>"}}
    classroom.hand_in(tmp_path, "honest", nb)
    endless = tuple(name for name in HARD if "without end" in name)
    told, options = autograde.Silent(), autograde.Options(tmp_path)
    here = classroom.Kept()  # one process forks in both runs
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with monkeypatch.context() as patch:
        patch.setattr(feedback, "SECONDS", feedback.SECONDS // 5)
        autograde.autograde([LESSON], replace(options, learners=endless), told, here)
    graded = autograde.autograde([LESSON], options, told, here)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 30, "seconds of processor time"
    assert {one.points for one in graded} == {FULL_POINTS}
    pages = {path.parts[-3]: path for path in (tmp_path / "feedback").rglob("*.html")}
    assert pages.keys() == {"honest", *HARD}
    for path in pages.values():
        page = path.read_text(encoding="utf-8")
        assert page.rstrip().endswith("</html>") and len(page) < 3e6
    assert f"data:image/png;base64,{image}" in pages["honest"].read_text(encoding="utf-8")


# ── no points without an answer ──────────────────────────────────────────────────────────────


@together
def test_what_is_expected_follows_no_mutation():
    """Is zeroing the input and returning zeros worth nothing, in place or not?"""
    code = "def scale(x, factor):\n    x[:] = 0\n    return x.copy(){}"
    for more in ("", " * factor", " + x"):
        assert grade(RIGHT | {"scale": code.format(more)}).points == LOST


def questions(lesson: Lesson) -> list[Cell]:
    """The exercises that are a question with options."""
    return [cell for cell in lesson.of("exercise")
            if is_question(cell) and HIDE in lesson.of("check", cell.name)[0].source]  # fmt: skip


@each_lesson
def test_a_released_notebook_tells_no_answer(lesson: Lesson, monkeypatch: pytest.MonkeyPatch):
    """Are all options of a question alike to the check that a learner holds, without solutions/?"""
    monkeypatch.setattr(question, "SOLUTIONS", Path("/nowhere"))
    notebook = nbformat.reads(released(lesson.name).read_text(encoding="utf-8"), as_version=4)
    assert bool(questions(lesson)) == bool(lesson.points)
    for cell in questions(lesson):
        (shown,) = [c.source for c in notebook.cells if c.id == f"check_{cell.name}_1"]
        (whole,) = [c.source for c in lesson.of("check", cell.name)]
        assert HIDE not in shown
        calls = [node for node in ast.walk(ast.parse(shown)) if isinstance(node, ast.Call)]
        options = ast.literal_eval(calls[-1].args[-1])
        assert len(options) >= 2
        hint = whole.partition("hint=")[2].partition("\n")[0]
        assert hint and hint.strip("\"')")[:30] not in json.dumps(notebook)
        for option in options:
            exec(shown, {"expect": expect, cell.name: option})  # raises nothing
            names = {"expect": expect, cell.name: option}
            right = f"expect.right({cell.name}, {option!r}," in whole
            try:
                exec(whole, names)
            except expect.Unmet as unmet:
                assert not right, unmet
            else:
                assert right, f"{option} is taken for right"


def test_with_the_answers_at_hand_a_question_is_judged_at_once():
    """Does a clone of the course, which has solutions/, tell right from wrong in the notebook?"""
    for lesson, cell in [(one, cell) for one in LESSONS for cell in questions(one)]:
        answer, hint = question._answer(cell.name)
        (whole,) = [c.source for c in lesson.of("check", cell.name)]
        assert f"expect.right({cell.name}, {answer!r}, hint={hint!r})" in whole


SEES = """
import sys
def look():
    found = []
    sys.modules.pop("dropoutlab.bugs", None)
    try:
        import dropoutlab.bugs as bugs
        found += [name for name in vars(bugs) if "find" in name]
    except ImportError:
        pass
    import dropoutlab, glob, os
    folder = os.path.dirname(dropoutlab.__file__)
    for path in glob.glob(folder + "/**/*bugs*", recursive=True):
        found += [path] * bool(open(path, "rb").read())
    import gc
    found += [f.__name__ for f in gc.get_objects() if getattr(f, "__name__", "") == FIND]
    return found
def scale(x, factor):
    raise ValueError(f"found {look()}")
"""


@together
def test_no_answer_lies_in_a_players_reach():
    """Is the library's own `find_dropout_bugs` neither importable, readable nor in memory?"""
    code = SEES.replace("FIND", "'find_dropout_bugs'")
    assert "found []" in told(grade(RIGHT | {"scale": code}))


BORROWS = """
import importlib, pkgutil, dropoutlab
def held(names):
    for module in pkgutil.walk_packages(dropoutlab.__path__, "dropoutlab."):
        try:
            yield from names & vars(importlib.import_module(module.name)).keys()
        except ImportError:
            pass
def scale(x, factor):
    from dropoutlab import convnets, matched, stateless, studies  # lessons use these
    raise ValueError(f"found {sorted(held(NAMES))}")
"""
OTHERS = {
    "layers.Classifier", "oracle.relu", "plot.fit", "regularised.fit", "robustness.fit",
    "variants.fit",
}  # fmt: skip
"""Of the library, with the name of an exercise, and no answer to it."""


def defined(source: str) -> set[str]:
    """The functions and classes that a text defines at its top."""
    kinds = ast.FunctionDef | ast.ClassDef
    return {node.name for node in ast.parse(source).body if isinstance(node, kinds)}


def asked() -> set[str]:
    """The functions and classes that exercises ask for."""
    cells = [cell for lesson in LESSONS for cell in lesson.of("exercise")]
    return set().union(*(defined(cell.source) for cell in cells))


def test_what_exercises_ask_for_is_kept_from_players():
    """Has the library what an exercise asks for in modules alone that no player holds?"""
    package = Path(expect.__file__).parents[1]
    found = {
        f"{path.stem}.{name}"
        for path in package.rglob("*.py")
        if path.stem not in confinement.ANSWERS and path.parent.name not in ("explore", "expect")
        for name in defined(path.read_text(encoding="utf-8")) & asked()
    }
    assert found <= OTHERS, found - OTHERS


@together
def test_an_answer_cannot_be_borrowed_from_the_library():
    """Does a player find none of them in any module, and yet import what lessons import?"""
    names = {"seeded_mask", "philox_4x32", "cutout", "dropblock", "drop_path", "find_dropout_bugs",
             "Block", "layer_drop", "stripes", "standout"}  # fmt: skip
    code = BORROWS.replace("NAMES", repr(names))
    assert "found []" in told(grade(RIGHT | {"scale": code}))


IMPORTS = """import sys
for name in ANSWERS:
    sys.modules["dropoutlab." + name] = None
for lesson, text in LESSONS.items():
    try:
        exec(text)
    except ImportError as error:
        print(lesson, error)
"""


def test_what_lessons_import_is_there_without_the_answers():
    """Does what the cells of each lesson import, which a player runs too, need none of them?"""
    texts = {}
    for lesson in LESSONS:
        cells = [cell.source for cell in lesson.cells if cell.kind in ("setup", "exercise")]
        lines = [node for cell in cells for node in ast.parse(cell).body]
        kinds = ast.Import | ast.ImportFrom
        texts[lesson.name] = "\n".join(ast.unparse(x) for x in lines if isinstance(x, kinds))
    code = IMPORTS.replace("ANSWERS", repr(confinement.ANSWERS)).replace("LESSONS", repr(texts))
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not said.stdout


NONE_KEPT = {
    "14": {
        "dropout_forward": "def dropout_forward(x, p, rng, training):\n    return {0}, None",
        "dropout_backward": "def dropout_backward(dy, cache):\n    return {1}",
    },
    "41": {
        "seeded_mask": "def uniform_from_uint32(x): return 0.0 * x\n"
        "def seeded_mask(shape, p, seed, offset=0, device=None):\n"
        "    return torch.full(shape, {2}, device=device)",
        "SeededDropout": "class SeededDropout(torch.autograd.Function):\n"
        "    forward = staticmethod(lambda ctx, x, p, seed: {0})\n"
        "    backward = staticmethod(lambda ctx, dy: ({1}, None, None))",
    },
}
"""Answers that agree with one another, and do nothing."""
ALONE = ("# In evaluation", "# At p = 1", "# A gradient in float32")
"""Checks of what is so, of one of these, whatever the other exercise's answer does."""
WAYS = {"zeros": ("0 * x", "0 * dy", "False"), "copies": ("1 * x", "1 * dy", "True")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", NONE_KEPT)
def test_answers_that_agree_in_doing_nothing_are_not_right(number: str, way: str):
    """Is a check that goes by another exercise's answer not content with two that do nothing?"""
    (lesson,) = [lesson for lesson in LESSONS if lesson.name.startswith(number)]
    empty = {name: text.format(*WAYS[way]) for name, text in NONE_KEPT[number].items()}
    names = stage(lesson, **empty)
    for cell in lesson.of("check"):
        both = len(empty.keys() & used(cell.source)) == 2 or "_at(" in cell.source
        if cell.name in empty and both and not cell.source.startswith(ALONE):
            with expect.seeded(1):
                assert verdict(cell, names) is not None, cell.source.partition("\n")[0]


READS = """
def find_dropout_bugs(model, *inputs):
    said = {}
    for module in model.modules():
        said |= vars(module)
    if said.get("on"):
        return {"on in evaluation"}
    if said.get("sick"):
        return {"p is 0 or 1" if hasattr(model, "other") else "after the output layer"}
    return set()
"""
"""Believes what a network's attributes say of it, and runs nothing."""


def test_a_networks_attributes_do_not_tell_its_bugs():
    """Does no check of find_dropout_bugs pass that wants a bug found, without a run?"""
    (lesson,) = [lesson for lesson in LESSONS if lesson.name.startswith("17")]
    names = stage(lesson, find_dropout_bugs=READS)
    for cell in lesson.of("check", "find_dropout_bugs"):
        if not cell.source.startswith("# Healthy networks"):
            with expect.seeded(1):
                assert verdict(cell, names) is not None, cell.source.partition("\n")[0]


PATCHED = """
from dropoutlab import probes
probes.saved_bytes = lambda *a: 0
import grader.isolation.player as player
player.probes.saved_bytes = lambda *a: 0
"""
KEEPS = """
class SeededDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p, seed):
        kept = seeded_mask(tuple(x.shape), p, seed) != 0
        ctx.hidden = kept
        ctx.p = p
        return x * kept / (1 - p if p < 1 else 1)

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.hidden / (1 - ctx.p if ctx.p < 1 else 1), None, None
"""


@together
def test_what_is_kept_is_counted_from_outside():
    """Does a patched probe not hide a mask that is kept, and does no honest answer lose a point?"""
    lesson = next(lesson for lesson in LESSONS if lesson.name.startswith("41"))
    right = {c.name: c.source for c in lesson.cells if c.kind in ("exercise", "answer")}
    rows = {row.check: row for row in grade(right, lesson).rows}
    kept = next(
        f"check_SeededDropout_{k}"
        for k, c in enumerate(lesson.of("check", "SeededDropout"), 1)
        if "saved_bytes" in c.source
    )
    assert rows[kept].points == rows[kept].max
    graded = grade(right | {"SeededDropout": PATCHED + KEEPS}, lesson)
    (row,) = [row for row in graded.rows if row.check == kept]
    assert row.points == 0 and "the mask is kept" in row.message.text, row


@together
def test_processor_time_is_counted_from_outside():
    """Is what a call takes what the kernel counts, and not what a patched probe says?"""
    code = """
from dropoutlab import probes
probes.processor_seconds = lambda: 0.0
import time
def scale(x, factor):
    end = time.thread_time() + 0.5
    while time.thread_time() < end: pass
    return factor * x
"""
    source = nbformat.reads(task(RIGHT).source, as_version=4)
    (cell,) = [cell for cell in source.cells if cell.id == "check_scale_1"]
    cell.source = """
began = expect.ask("processor_seconds")
scale(1.0, 2.0)
assert expect.ask("processor_seconds") - began > 0.4, "not counted"
"""
    one = replace(task(RIGHT | {"scale": code}), source=nbformat.writes(source))
    (row,) = [row for row in worker.work(one).rows if row.check == "check_scale_1"]
    assert row.points == row.max, row
