"""From text file to released notebook: is it exact, and is what is wrong refused by line?"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

import rehearsal
from curriculum import LESSONS, each_lesson
from dropoutlab import expect, explore
from grader import paths
from grader.authoring import build, contents, record, sitting
from grader.authoring.edits import MARKER
from grader.authoring.lesson import HIDE, REGION, SHOW, Lesson
from grader.authoring.reading import read, read_all
from grader.errors import LessonError
from grader.gpu.record import Record
from small_lesson import GOOD, line_of, write

pytestmark = pytest.mark.xdist_group("build")  # all releases are built once


def test_a_good_lesson_is_read(tmp_path: Path):
    """Is a lesson without faults accepted, a question and prose without mistakes included?"""
    lesson = read(write(tmp_path, GOOD))
    assert (lesson.name, lesson.title, lesson.points) == ("98_lesson", "9.8 · A lesson", 5)
    assert lesson.exercises == ["double", "sure"]
    assert [cell.says for cell in lesson.of("mistake")] == ["twice", "twice.", "twice nothing."]


def test_an_edit_is_made_in_the_solution(tmp_path: Path):
    """Is a mistake the solution with one edit, at the line of its own?"""
    lesson = read(write(tmp_path, GOOD))
    _, once, wrong = lesson.of("mistake", "double")
    solution = MARKER.sub("", lesson.of("exercise", "double")[0].source)
    assert once.source == solution.replace("return x + x", "return x")
    assert wrong.source == solution.replace("+ 0.0", "+ 0.5")
    assert once.line == line_of(GOOD, '    "twice.": (')
    assert wrong.line == line_of(GOOD, '    "twice nothing.": (')


def test_a_question_becomes_stub_and_check(tmp_path: Path):
    """Does the right option pass, another one get the hint, and the release not tell which?"""
    lesson = read(write(tmp_path, GOOD))
    (stub,), (check,) = lesson.of("exercise", "sure"), lesson.of("check", "sure")
    assert stub.source.startswith('# Are you\n# sure?\n# - "no"\n# - "yes"\nsure = ...\n')
    hidden = re.compile(f"{HIDE}.*?{SHOW}", re.DOTALL)
    released = REGION.sub("", stub.source) + hidden.sub("", check.source)
    assert released.count("yes") == released.count("no") == 2, "as an option, twice"
    names = rehearsal.stage(lesson) | {"expect": expect}
    assert rehearsal.verdict(check, names) is None
    unmet = rehearsal.verdict(check, names | {"sure": "no"})
    assert unmet is not None and (unmet.found, unmet.hint) == ("'no'", "yes.")
    unmet = rehearsal.verdict(check, names | {"sure": ...})
    assert unmet is not None and unmet.found == "not written yet"


def test_folded_cells_open_folded(tmp_path: Path):
    """Do checks and figures open with their first line alone, and nothing else?"""
    text = GOOD + "\n# %% figure=true\n# Nothing is drawn.\nprint(double(1))\n"
    notebook = build.source_notebook(read(write(tmp_path, text)))
    folded = {c.id for c in notebook.cells if c.metadata.get("jupyter", {}).get("source_hidden")}
    code = {c.id for c in notebook.cells if c.cell_type == "code"}
    assert folded == {i for i in code if i.startswith(("check_", "figure_", "summary_"))}
    assert len(folded) == 5
    forms = {c.id for c in notebook.cells if c.metadata.get("cellView") == "form"}  # in Colab
    assert forms == folded
    for cell in notebook.cells:
        first, second, *rest = [*cell.source.splitlines(), ""]
        title = f"#@title {first.removeprefix('# ')}" if cell.id in folded else None
        assert (second == title) == (cell.id in folded), "Colab shows this line alone"
        assert not any(line.startswith("#@") for line in rest)


def test_a_guess_is_left_to_the_learner(tmp_path: Path):
    """Is a guess released unwritten, and is the author's own there when the lesson is finished?"""
    asks = "\n# %% figure=true\n# The answer.\nprint(expect.guess(my_guess))\n"
    text = f"{GOOD}\n# %% guess=true\nmy_guess = 30  # percent\n{asks}"
    lesson = read(write(tmp_path, text))
    for guessed, line in ((False, "my_guess = ...  # percent"), (True, "my_guess = 30  # percent")):
        cells = build.source_notebook(lesson, guessed=guessed).cells
        assert [cell.source for cell in cells if cell.source.startswith("my_guess")] == [line]


def test_hints_are_one_cell(tmp_path: Path):
    """Do an exercise's three hints stand below it, numbered and folded?"""
    cells = build.source_notebook(read(write(tmp_path, GOOD))).cells
    after = cells[[cell.id for cell in cells].index("double") + 1].source
    assert re.findall(r"<summary>(Hint \d)</summary>\n\n(\w+)", after) == [
        ("Hint 1", "Once"), ("Hint 2", "And"), ("Hint 3", "Add"),
    ]  # fmt: skip


LINE = "    return x + x * 1.0 - 0 * x + 0.0\n"
TIMES = {
    "as it is": (GOOD, 20),  # 8 + 2 for the question + 5 for the prose + 2 to look, and 8 words
    "two more figures": (GOOD + "\n# %%\nplot.show(fig, '')\n" * 2, 20),
    "three more figures": (GOOD + "\n# %% figure=true\n# One.\nplot.show(fig, '')\n" * 3, 25),
    "words": (GOOD + "\n# %% [markdown]\n" + "# a $x$ - | :\n" * 2 * 65, 20),
    "more words": (GOOD + "\n# %% [markdown]\n" + "# a $x$ - | :\n" * 3 * 65, 25),
    "five lines": (GOOD.replace(LINE, "    # Five.\n\n" + "    x += 0\n" * 4 + LINE), 20),
    "six lines": (GOOD.replace(LINE, "    x += 0\n" * 5 + LINE), 25),
    "eleven lines": (GOOD.replace(LINE, "    x += 0\n" * 10 + LINE), 35),
    "another number": (GOOD.replace("{{minutes}}", "45"), 20),
}


@pytest.mark.parametrize("change", TIMES)
def test_the_time_is_told_by_rule(change: str, tmp_path: Path):
    """Does the first cell say the minutes that reading, looking and writing take by rule?"""
    text, minutes = TIMES[change]
    lesson = read(write(tmp_path, text))
    assert lesson.minutes == str(minutes)
    assert f"*{minutes} minutes.*" in lesson.cells[0].source


def test_the_time_is_told_in_the_first_cell_alone(tmp_path: Path):
    """Is the word for the minutes refused elsewhere, by line?"""
    text = GOOD + "\n# %% [markdown]\n# It takes {{minutes}}.\n"
    with pytest.raises(LessonError, match="no lesson's topic is `minutes`") as refused:
        read(write(tmp_path, text))
    assert f"98_lesson.py:{line_of(text, '# It takes')}:" in str(refused.value)


def test_an_explorer_draws_what_the_learner_wrote_above(tmp_path: Path):
    """May one that opens a lesson draw what was measured, as nothing is written yet?"""
    cell = "# %%\nexplore.scaling(double)\n\n"
    first = f'{cell.replace("double", "len")}# %% exercise="double"'
    read(write(tmp_path, GOOD.replace(cell, "").replace('# %% exercise="double"', first)))


def test_a_lesson_may_grade_nothing(tmp_path: Path):
    """Is one without exercises and questions read, and its page without a table of points?"""
    story, figure = GOOD.split("# %% setup")[0], GOOD[GOOD.index("# %%\nplot.show") :]
    text = story + figure.split("# %% question")[0].replace("scaling(double)", "copies()")
    lesson = read(write(tmp_path, text))
    assert (lesson.points, lesson.exercises) == (0, [])
    assert sitting.summary(lesson) == "8 words, 0 exercises, 5 minutes"
    page = build.source_notebook(lesson)
    assert "expect.summary" not in page.cells[-1].source
    assert not any("nbgrader" in cell.metadata for cell in page.cells)


def test_what_is_too_much_for_one_sitting_is_told(tmp_path: Path):
    """Are a lesson's words, exercises and minutes told, and which of them are too many?"""
    lesson = read(write(tmp_path, GOOD))
    assert sitting.summary(lesson) == "8 words, 1 exercise, 20 minutes"
    lesson = read(write(tmp_path, GOOD + "\n# %% [markdown]\n" + "# so\n" * 10_000))
    told = "10008 words (too many), 1 exercise, 95 minutes (too many)"
    assert sitting.summary(lesson) == told


# What is changed in GOOD, the text at whose line the fault is reported, and its words.
FAULTS = {
    "check without exercise": (
        ("", '\n# %% check="triple" points=1\nexpect.equal(1, 1, hint="")\n'),
        '# %% check="triple"',
        'no exercise="triple" for this check',
    ),
    "exercise without check": (
        ('# %% question="sure" points=1',
         '# %% exercise="other"\nother = ...\nif other is ...:\n    ### BEGIN SOLUTION\n'
         '    other = 1\n    ### END SOLUTION\n\n# %% question="sure" points=1'),
        '# %% exercise="other"',
        'exercise="other" has no check',
    ),
    "exercise without mistake": (
        (
            '# %% question="sure" points=1',
            '# %% exercise="half"\ndef half(x):\n    ### BEGIN SOLUTION\n    pass\n'
            '    ### END SOLUTION\n\n# %% check="half" points=1\n# Of one.\nhalf(1)\n\n'
            '# %% question="sure" points=1',
        ),
        '# %% exercise="half"',
        'exercise="half" has no mistake',
    ),
    "mistake without diagnosis": (
        (' says="twice"', ""),
        '# %% mistake="double"',
        "no diagnosis",
    ),
    "mistake of nothing": (('mistake="double"', 'mistake="triple"'), "# %% mistake", "triple"),
    "no markers": (
        ("    ### BEGIN SOLUTION\n    return", "    return"),
        '# %% exercise="double"',
        "needs its solution between",
    ),
    "no end marker": (
        ("+ 0.0\n    ### END SOLUTION", "+ 0.0"),
        '# %% exercise="double"',
        "needs its solution between",
    ),
    "prose without markers": (
        ("# ### BEGIN SOLUTION\n", ""),
        '# %% [markdown] answer="why"',
        "needs its solution between",
    ),
    "marker outside": (("rows =", "### BEGIN SOLUTION\nrows ="), "# %% check", "outside"),
    "hidden by hand": (
        ("rows =", "### BEGIN HIDDEN TESTS\nrows ="),
        '# %% check="double" points=1',
        "hidden=true",
    ),
    "no title": (("# # 9.8 · A lesson", "# A lesson"), "# %% [markdown]", "title is missing"),
    "unknown key": (("points=2 hidden", "weight=2 points=2 hidden"), "points=2", "`weight` is not"),
    "key of another cell": (
        ('exercise="double"', 'exercise="double" says="x"'),
        '# %% exercise="double"',
        "`says` does not belong in a exercise cell",
    ),
    "no points": (('"sure" points=1', '"sure"'), '# %% question="sure"', "points"),
    "no number of points": (('"sure" points=1', '"sure" points="1"'),
                            '# %% question="sure"', "points"),
    "empty cell": (("", "\n# %% figure=true\n"), "\n# %% figure=true\n", "empty"),
    "no Python": (("rows = [np", "rows = = [np"), "rows = =", "not Python"),
    "code before the first cell": (("# %% [mark", "import os\n# %% [mark"), "import os",
                                   "before the first"),
    "two of one name": (('question="sure"', 'question="double"'), "# %% exer", "2 cells"),
    "answer in code": (('# %% [markdown] answer="why"', '# %% answer="why"'), "# %% answer",
                       "needs a [markdown] cell"),
    "leak in a story": (
        ("# # 9.8 · A lesson", "# # 9.8 · A lesson\n# return x + x * 1.0 - 0 * x + 0.0"),
        "# return x + x",
        "solution of `double` would be released",
    ),
    "leak in a hint": (
        ("", "\n# %% [markdown]\n# <details><summary>Hint 1</summary>\n#\n"
             "# Write `return x+x*1.0-0*x+0.0`.\n# </details>\n"),
        "# Write",
        "would be released",
    ),
    "leak in a demonstration": (
        ("", "\n# %%\ndef twin(x):\n    return x + x * 1.0 - 0 * x + 0.0  # twin\n"),
        "  # twin",
        "would be released",
    ),
    "leak in a comment": (
        ("rows =", "# return x + x * 1.0 - 0 * x + 0.0\nrows ="),
        "# return x",
        "would be released",
    ),
    "leak below the solution": (
        ("END SOLUTION", "END SOLUTION\n    return x + x * 1.0 - 0 * x + 0.0  # again"),
        "  # again",
        "would be released",
    ),
    "markers in the wrong order": (
        ("    ### BEGIN SOLUTION\n    return", "    ### END SOLUTION\n    return"),
        '# %% exercise="double"',
        "needs its solution between",
    ),
    "markers that only nbgrader knows": (
        ("    ### BEGIN SOLUTION\n    return", "    # BEGIN SOLUTION\n    return"),
        '# %% exercise="double"',
        "needs its solution between",
    ),
    "no points at all": (
        ('"sure" points=1', '"sure" points=0'),
        '# %% question="sure"',
        "points=1, 2",
    ),
    "hidden without a value": (("hidden=true", "hidden"), " hidden\n", "`hidden=true`"),
    "hidden in words": (("hidden=true", 'hidden="no"'), "hidden=", "`hidden=true`"),
    "no quotes": (
        ('question="sure"', "question=sure"),
        "# %% question=sure",
        "`question=sure` cannot be read",
    ),
    "a name of two words": (
        ('question="sure"', 'question="two words"'),
        '# %% question="two words"',
        "letters, digits and _",
    ),
    "an edit of what is not there": (('"x + x"', '"y + y"'), '    "twice."', "0 times"),
    "an edit that is not one": (('"x + x", "x"', '"x", "y"'), '    "twice."', "3 times"),
    "an edit that changes nothing": (('"x + x", "x"', '"x + x", "x + x"'), '    "twice."',
                                     "nothing"),
    "an edit that is no Python": (('"x + x", "x"', '"x + x", "x +)"'), '    "twice."',
                                  "not Python"),
    "an edit of the name": (('"x + x", "x"', '"def double", "def twice"'), '    "twice."',
                            "no longer defines `double`"),
    "an edit without its new text": (('("x + x", "x")', '("x + x",)'), '    "twice."', "no edit"),
    "words said twice": (('"twice nothing.": ("+', '"twice.": ("+'), '    "twice.": ("+',
                         "'twice.' is said twice"),
    "edits that are no dict": (("{\n    \"twice.\"", "x = {\n    \"twice.\""),
                               '# %% mistakes="double"', "no dict"),
    "edits of nothing": (('mistakes="double"', 'mistakes="triple"'), "# %% mistakes",
                         'no exercise="triple" for these mistakes'),
    "a mistake of another name": (('says="twice"\ndef double', 'says="twice"\ndef twice'),
                                  '# %% mistake="double"', "defines no `double`"),
    "two hints": (('# %% [markdown] hint="double"\n# Once.\n\n', ""), '# %% exercise="double"',
                  "has 2 hints"),
    "a hint elsewhere": (("", '\n# %% [markdown] hint="double"\n# Late.\n'),
                         '# %% [markdown] hint="double"\n# Late', "a hint follows its exercise"),
    "a check without a title": (("# Of ones.\n", ""), "rows =", "a comment that is a sentence"),
    "a title that is no sentence": (("# Of ones.", "# Of ones"), "# Of ones",
                                   "a comment that is a sentence"),
    "a title with another number": (("# # 9.8", "# # 9.7"), "# # 9.7", "the file's 9.8"),
    "two right options": (("- [ ] no", "- [x] no"), '# %% question="sure"', "not one right option"),
    "no right option": (("- [x] yes", "- [ ] yes"), '# %% question="sure"', "not one right option"),
    "one option twice": (("- [ ] no", "- [ ] yes"), '# %% question="sure"', "not one right option"),
    "a question with code": (("# Are you", "x = 1\n# Are you"), '# %% question="sure"',
                             "comments only"),
    "no question opens it": (("**Is it twice?**", "**It is.**"), "# # 9.8", "no question opens"),
    "no time": (("*{{minutes}} minutes.*", "*Short.*"), "# # 9.8",
                "the time that it takes is missing"),
    "no figure": (('plot.show(fig, "Twice.")', "1 + 1"), "# %% [markdown] answer", "no figure"),
    "no explorer": (("explore.scaling(double)", "double(2.0)"), "# %% [markdown] answer",
                    "no explorer: write `explore.NAME(function)`"),
    "an explorer within a cell": (("explore.scaling(double)", "x = 1\nexplore.scaling(double)"),
                                  "explore.scaling(double)", "does not begin its cell"),
    "a line that is too long": (("# Of ones.", f"# Of {100 * 'o'}nes."), "# Of ooo",
                                "more than 100 columns"),
    "a second explorer": (("", "\n# %%\nexplore.scaling(double)  # again\n"),
                          "\nexplore.scaling(double)  # again", "a second explorer"),
    "an explorer that is not there": (("explore.scaling", "explore.nosuch"), "explore.nosuch",
                                      "write lessons/dropoutlab/explore/nosuch.py"),
    "a module that makes none": (("explore.scaling", "explore.explorer"), "explore.explorer",
                                 "no explorer is named `explorer`"),
    "an explorer of something else": (("scaling(double)", "scaling(len)"), "explore.scaling(len)",
                                      "a function that the learner wrote"),
    "two mistakes": (('    "twice nothing.": ("+ 0.0", "+ 0.5"),\n', ""), '# %% exercise="double"',
                     "has 2 different mistakes: write three"),
    "one diagnosis for two": (('says="twice"', 'says="twice."'), '    "twice.": (',
                              "'twice.' is said twice"),
    "no other right answer": (('# %% correct="double"', '# %% mistake="double" says="2"'),
                              '# %% exercise="double"', 'has no correct="double"'),
    "a guess that nothing answers": (("", "\n# %% guess=true\nmy_guess = 3  # percent\n"),
                                     "my_guess = 3", "no figure below asks"),
    "a guess in words, where a number is asked for": (
        ("", '\n# %% guess=true\nmy_guess = "a"  # or "b"\n\n# %% figure=true\n'
             "# What it is.\nprint(expect.guess(my_guess))\n"),
        'my_guess = "a"', "asks for `expect.guess(my_guess, number=False)`"),
    "a guess of what": (("", "\n# %% guess=true\nmy_guess = 3\n"), "my_guess = 3",
                        "write one line: `my_guess"),
    "a name that a story's function needs": (
        ("", "\n# %%\nkept = 1\n\n\ndef more():\n    return kept + 1\n\n"
             "# %% check=\"double\" points=1\n# Of one.\nkept = double(1)\n\n"
             "# %%\nprint(more())\n"),
        "print(more())", "overwritten by the check in line"),
    "a name that a check overwrites": (
        ("", '\n# %%\nkept = 1\n\n# %% check="double" points=1\n# Of one.\nkept = double(1)\n\n'
             "# %%\nprint(kept + 1)\n"), "print(kept + 1)", "overwritten by the check in line"),
    "a question without a hint": (("# Hint: yes.", "# Yes."), '# %% question="sure"', "no hint"),
    "a check that cannot be drawn again": (
        ("np.ones(2)", "np.random.normal(size=2)"), "rows =",
        "`np.random.normal` draws otherwise each time: draw from `expect.rng()`"),
    "a generator without a seed": (
        ("np.ones(2)", "np.random.default_rng().normal(size=2)"), "rows =",
        "`np.random.default_rng` draws otherwise each time"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_by_line(fault: str, tmp_path: Path):
    """Is each fault said in one sentence that begins with its file and line?"""
    (old, new), at, words = FAULTS[fault]
    text = GOOD.replace(old, new, 1) if old else GOOD + new
    assert text != GOOD
    with pytest.raises(LessonError) as refused:
        read(write(tmp_path, text))
    line = line_of(text, at) + (at == "\n# %% figure=true\n") - at.startswith("print(")
    said = [row for row in str(refused.value).splitlines() if words in row]
    assert said and re.match(rf"98_lesson\.py:{line}: .*\.$", said[0]), f"{line}: {refused.value}"


@pytest.mark.parametrize("seed", ["3", "seed=3"])
def test_a_seed_makes_a_draw_repeatable(seed: str, tmp_path: Path):
    """Is a generator with a seed, given either way, no fault?"""
    drawn = f"np.random.default_rng({seed}).normal(size=2)"
    assert read(write(tmp_path, GOOD.replace("np.ones(2)", drawn))).points


def test_a_question_has_its_name_alone(tmp_path: Path):
    """Is a question refused whose name another lesson's has, which would lend its answer?"""
    path = write(tmp_path, GOOD)
    read(path)
    (tmp_path / "97_other.py").write_text(GOOD, encoding="utf-8")
    line = line_of(GOOD, '# %% question="sure"')
    said = f"98_lesson.py:{line}: question `sure` is also in 97_other.py: give it another name."
    with pytest.raises(LessonError, match=re.escape(said)):
        read(path)


def test_an_explorer_without_its_drawing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Is the file named that is missing, before a page opens with nothing in it?"""
    monkeypatch.setattr(explore, "names", lambda: ["undrawn"])
    text = GOOD.replace("explore.scaling", "explore.undrawn")
    line = line_of(text, "explore.undrawn")
    said = f"98_lesson.py:{line}: no lessons/dropoutlab/explore/undrawn.js: it draws what undrawn."
    with pytest.raises(LessonError, match=re.escape(said)):
        read(write(tmp_path, text))


NAMES = {
    "plain": "stray",
    "lambda": "(lambda: stray)()",
    "comprehension": "[stray for _ in range(3)]",
    "default": "def inner(a=stray):\n    pass",
    "inner function": "def inner():\n    return stray",
    "f-string": 'f"{stray}"',
    "attribute": "stray.thing",
    "augmented": "stray2 = 0\nstray2 += stray",
    "annotation": "def inner(a: stray):\n    pass",
    "augmented itself": "stray += 1",
    "deleted": "del stray",
    "nested": "def inner():\n    return [lambda: stray for _ in range(3)]",
    "class": "class Inner:\n    field = stray",
    "global": "def inner():\n    global stray\n    return stray",
    "format": 'f"{1:{stray}}"',
}


@pytest.mark.parametrize("use", NAMES)
def test_a_check_uses_no_other_names(use: str, tmp_path: Path):
    """Is a name that is neither imported, an exercise, a builtin nor local refused by line?"""
    text = GOOD.replace("rows = [np.ones(2)]", f"rows = [np.ones(2)]\n{NAMES[use]}")
    with pytest.raises(LessonError, match="`stray` is none of them") as refused:
        read(write(tmp_path, text))
    line = next(i for i, row in enumerate(text.splitlines(), 1) if re.search(r"\bstray\b", row))
    assert f"98_lesson.py:{line}:" in str(refused.value)


CROSSING = {
    "shared memory": "assert not np.shares_memory(double(rows[0]), rows[0])",
    "the learner's globals": "assert double.__globals__",
    "the learner's class": "assert isinstance(double(rows[0]), double)",
    "the kernel": "exec('1')",
}


@pytest.mark.parametrize("ask", CROSSING)
def test_a_check_asks_nothing_that_cannot_cross(ask: str, tmp_path: Path):
    """Is a check refused by line that would need to run in the learner's own process?"""
    text = GOOD.replace("rows = [np.ones(2)]", f"rows = [np.ones(2)]\n{CROSSING[ask]}")
    with pytest.raises(LessonError, match="cannot cross") as refused:
        read(write(tmp_path, text))
    assert f"98_lesson.py:{line_of(text, CROSSING[ask])}:" in str(refused.value)


def test_a_star_import_brings_no_names(tmp_path: Path):
    """Is a name refused that only a star import could bring?"""
    text = GOOD.replace("import numpy as np", "from math import *\nimport numpy as np")
    read(write(tmp_path, text))
    with pytest.raises(LessonError, match="`sqrt` is none of them"):
        read(write(tmp_path, text.replace("rows = [np", "sqrt(4)\nrows = [np")))


def test_a_check_may_use_its_own_names(tmp_path: Path):
    """Are locals of every kind, builtins, exercises and imports accepted?"""
    own = (
        "total, (a, *rest) = 0, (1, 2, 3)\n"
        "for i, row in enumerate(rows): total += i * len(row)\n"
        "squares = {k: v for k, v in zip(rest, (double(j) for j in rest))}\n"
        "def inner(n, *args, key=None, **more):\n    return (n, args, key, more, total)\n"
        "with open('x') if total else np.errstate() as handle: pass\n"
        "try:\n    inner(1)\nexcept ValueError as error:\n    print(error)\n"
        "(value := 3)\nassert isinstance(value, int)\n"
        "total += 1\ndel total\nimport math\nmath.pi\n"
        "any((last := n) for n in rest)\nlast\n"
        "def bind():\n    global bound\n    bound = 1\nbind()\nbound\n"
        "class Own:\n    size = 2\n    def area(self): return self.size * len(sure)\n"
        "(lambda n, *, m=1: n + m)(1)\n"
        "match rest:\n    case [first, *others]: print(f'{first!r:>{len(others)}}')\n"
    )
    read(write(tmp_path, GOOD.replace("rows = [np.ones(2)]", f"rows = [np.ones(2)]\n{own}")))


def test_all_faults_are_said_at_once(tmp_path: Path):
    """Does one reading report every fault of every file, in order?"""
    changes = {
        "points=2 hid": "weight=2 points=2 hid",  # a key
        "[x] yes": "[ ] yes",  # a question
        '("x + x", "x")': '("y + y", "y")',  # an edit
        "    return 2 * x": "    return 2 * * x",  # Python
        "# Add them.": "# Write `return x + x * 1.0 - 0 * x + 0.0`.",  # what would be released
        "explore.scaling(double)": "explore.scaling(len)",  # a rule
    }
    text = GOOD
    for old, new in changes.items():
        text = text.replace(old, new)
    write(tmp_path, text)
    (tmp_path / "99_other.py").write_text(GOOD.replace("# # 9.8", "# 9.8").replace("sure", "safe"))
    with pytest.raises(LessonError) as refused:
        read_all(tmp_path)
    said = str(refused.value).splitlines()
    lines = [int(row.split(":")[1]) for row in said if row.startswith("98_lesson.py")]
    at = {**changes, "[x] yes": "# %% question"}.values()
    assert lines == sorted(line_of(text, part) for part in at)
    assert said[-1].startswith("99_other.py:1:")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build.generate(LESSONS, tmp_path_factory.mktemp("first"))


@pytest.mark.slow
def test_two_builds_give_the_same_bytes(releases: dict[str, Path], tmp_path: Path):
    """Does a second build, elsewhere and of the last lesson alone, give the same bytes?"""
    name = LESSONS[-1].name
    again = build.generate(LESSONS[-1:], tmp_path)
    assert again[name].read_bytes() == releases[name].read_bytes()


@each_lesson
def test_what_is_committed_is_what_is_built(releases: dict[str, Path], lesson: Lesson):
    """Is lessons/ what solutions/ says?"""
    same = build.released(lesson.name).read_bytes() == releases[lesson.name].read_bytes()
    assert same, f"lessons/{lesson.name} is not what is built: run `python3 grader build`"


@each_lesson
def test_a_release_holds_what_it_should(releases: dict[str, Path], lesson: Lesson):
    """No answers, hidden checks or mistakes; locked checks with their points; ids that stay?"""
    notebook = nbformat.read(releases[lesson.name], as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    for cell in lesson.of("exercise") + lesson.of("answer"):
        for line in "".join(REGION.findall(cell.source)).splitlines():
            assert len(line.strip()) < 30 or line.strip() not in text, f"solution of {cell.name}"
    for cell in lesson.cells:
        if cell.kind in ("mistake", "correct"):
            assert cell.source not in text
        if cell.hidden:
            comment, _, body = cell.source.partition("\n")
            assert comment.startswith("#") and comment in text
            assert body.strip() not in text
    for word in ("SOLUTION", "HIDDEN TESTS"):
        assert word not in text
    graded = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]
    points = [c.points for c in lesson.cells if c.kind in ("check", "answer")]
    assert [c.metadata.nbgrader.points for c in graded] == points
    checks = [c for c in graded if c.cell_type == "code"]
    for check, cell in zip(checks, lesson.of("check"), strict=True):
        assert cell.hidden == all(line.startswith("#") for line in check.source.splitlines())
    assert all(c.metadata.editable is False and c.metadata.deletable is False for c in checks)
    identities = [c.id for c in notebook.cells]
    assert len(set(identities)) == len(identities)
    named = [c.name for c in lesson.cells if c.kind in ("exercise", "answer")]
    assert set(named) <= set(identities)
    assert not any(c.get("outputs") or c.get("execution_count") for c in notebook.cells)
    folded = [c for c in notebook.cells if c.metadata.get("jupyter", {}).get("source_hidden")]
    summary = lesson.points > 0  # of points, where there are any
    assert len(folded) == sum(cell.folded for cell in lesson.cells) + summary
    assert folded == [c for c in notebook.cells if c.metadata.get("cellView") == "form"]
    for cell in folded:
        first, second = cell.source.splitlines()[:2]
        assert second == f"#@title {first.lstrip('# ')}"


def test_ids_stay_when_a_lesson_grows(tmp_path: Path):
    """Does a cell keep its id, a learner's answer its place, when cells come before it?"""
    before = build.source_notebook(read(write(tmp_path, GOOD)))
    longer = GOOD.replace(
        "# %% exercise", "# %% [markdown]\n# New.\n\n# %%\n1 + 1\n\n# %% exercise"
    )
    after = build.source_notebook(read(write(tmp_path, longer)))
    identity = {cell.source: cell.id for cell in after.cells}
    assert len(after.cells) > len(before.cells)
    assert all(identity[cell.source] == cell.id for cell in before.cells)


def _answer(notebook: NotebookNode) -> None:
    cell = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution"))
    cell.source = "x = 'hours of work'"


def _run(notebook: NotebookNode) -> None:
    cell = next(c for c in notebook.cells if c.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("stream", text="hours of work")]


def _note(notebook: NotebookNode) -> None:
    notebook.cells.insert(3, nbformat.v4.new_markdown_cell("hours of work"))


def _try(notebook: NotebookNode) -> None:
    cell = next(c for c in notebook.cells if c.id.startswith("demonstration"))
    cell.source += "\n# hours of work"


def _open(notebook: NotebookNode) -> None:
    notebook.metadata.language_info.version = "3.99"  # as JupyterLab does
    notebook.cells[0].metadata.collapsed = False


@pytest.mark.parametrize("work", [_answer, _run, _note, _try], ids=lambda work: work.__name__)
def test_work_is_kept(
    work: Callable, releases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Is a notebook copied that a learner answered, ran, wrote a note in or tried things in?"""
    monkeypatch.setattr(build, "KEPT", tmp_path / "kept")
    notebook = nbformat.read(releases["00_start_here"], as_version=4)
    work(notebook)
    path = tmp_path / "00_start_here.ipynb"
    nbformat.write(notebook, path)
    kept = build.keep(path)
    assert kept is not None and kept.parent == tmp_path / "kept"
    assert kept.read_bytes() == path.read_bytes() and b"hours of work" in kept.read_bytes()


def test_a_broken_notebook_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Is a notebook that cannot be read copied too, and a missing one no error?"""
    monkeypatch.setattr(build, "KEPT", tmp_path / "kept")
    path = tmp_path / "00_start_here.ipynb"
    assert build.keep(path) is None
    path.write_text("hours of work")
    kept = build.keep(path)
    assert kept is not None and kept.read_text() == "hours of work"


@each_lesson
def test_what_is_untouched_is_not_kept(
    releases: dict[str, Path], lesson: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Is a notebook not copied that was opened and saved at most?"""
    monkeypatch.setattr(build, "KEPT", tmp_path / "kept")
    notebook = nbformat.read(releases[lesson.name], as_version=4)
    _open(notebook)
    path = tmp_path / f"{lesson.name}.ipynb"
    nbformat.write(notebook, path)
    assert build.keep(path) is None and not (tmp_path / "kept").exists()


def test_a_build_loses_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Does a build say what it changes, keep work it writes over, and leave files beside it?"""
    folders = {"ROOT": "", "SOLUTIONS": "solutions", "LESSONS": "lessons", "KEPT": "kept"}
    for name, folder in folders.items():
        monkeypatch.setattr(build, name, tmp_path / folder)
    monkeypatch.setattr(paths, "LESSONS", tmp_path / "lessons")
    (tmp_path / "solutions").mkdir()
    write(tmp_path / "solutions", GOOD)
    path = build.released("98_lesson")
    (path.parent / "mine").mkdir(parents=True)
    (path.parent / "mine" / "scratch.txt").write_text("hours of work")
    (tmp_path / "lessons" / "97_gone").mkdir()
    notebook = build.source_notebook(read(tmp_path / "solutions" / "98_lesson.py"))
    _answer(notebook)
    nbformat.write(notebook, path)

    said: list[str] = []
    assert build.build(said.append) == ["98_lesson"]
    assert "hours of work" not in path.read_text() and "NotImplementedError" in path.read_text()
    (kept,) = (tmp_path / "kept").iterdir()
    assert "hours of work" in kept.read_text()
    assert (path.parent / "mine" / "scratch.txt").read_text() == "hours of work"
    assert len(said) == 2 and str(kept) in said[0] and "97_gone" in said[1]


def test_only_what_changed_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Is a lesson built again when its text, its notebook or a title it names changed, else not?"""
    for name, folder in {"ROOT": "", "SOLUTIONS": "solutions", "LESSONS": "lessons"}.items():
        monkeypatch.setattr(build, name, tmp_path / folder)
    monkeypatch.setattr(paths, "LESSONS", tmp_path / "lessons")
    (tmp_path / "solutions").mkdir()
    one = write(tmp_path / "solutions", GOOD)
    two = one.with_name("97_other.py")
    own = GOOD.replace("# # 9.8 · A", "# # 9.7 · A").replace("sure", "safe")
    two.write_text(own.replace("Once.", "{{lesson}}."))
    built: list[str] = []
    made = build.generate

    def generate(lessons: list[Lesson], root: Path) -> dict[str, Path]:
        built[:] = [lesson.name for lesson in lessons]
        return made(lessons, root)

    monkeypatch.setattr(build, "generate", generate)
    assert not record.unchanged(tmp_path)
    assert build.build() == built == ["97_other", "98_lesson"]
    assert record.unchanged(tmp_path)
    assert build.build() == built == []

    one.write_text(one.read_text().replace("    return x\n", "    return 3 * x\n"))  # a mistake
    assert not record.unchanged(tmp_path)
    assert build.build() == [] and built == ["98_lesson"]
    one.write_text(one.read_text().replace("A lesson", "Another lesson"))
    assert build.build() == built == ["97_other", "98_lesson"]
    released = build.released("97_other")
    was = released.read_bytes()
    released.write_bytes(was.replace(b"Are you", b"Am I"))
    assert build.build(check=True) == ["97_other"] and not record.unchanged(tmp_path)
    assert build.build() == ["97_other"] == built and released.read_bytes() == was
    (tmp_path / ".course" / "source" / "98_lesson" / "98_lesson.ipynb").unlink()
    assert build.build() == [] and built == ["98_lesson"] and record.unchanged(tmp_path)
    (tmp_path / "lessons" / "96_gone").mkdir()
    assert not record.unchanged(tmp_path), "which a build has something to say of"


@pytest.mark.slow
def test_a_build_lists_the_lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Is a table in README.md that is not of these lessons noticed, and then mended?

    And are lines that end as Windows ends them no change?
    """
    for name, folder in {"ROOT": "", "SOLUTIONS": "solutions", "LESSONS": "lessons"}.items():
        monkeypatch.setattr(build, name, tmp_path / folder)
    monkeypatch.setattr(paths, "LESSONS", tmp_path / "lessons")
    (tmp_path / "solutions").mkdir()
    opening = "# # 9.8 · A lesson\n#\n# **Is a pipe (|)\n# met?**\n"
    write(tmp_path / "solutions", GOOD.replace("# # 9.8 · A lesson\n", opening))
    readme = tmp_path / "README.md"
    readme.write_text(f"# Mine\n\n{contents.BEGIN}| old |\n{contents.END}\nMore.\n")
    assert build.build(check=True) == ["98_lesson", "README.md"]
    assert "| old |" in readme.read_text(), "a check writes nothing"
    assert build.build() == ["98_lesson", "README.md"]
    row = "[9.8 · A lesson](lessons/98_lesson/98_lesson.ipynb) | Is a pipe (\\|) met? | 20 |"
    assert f"\n| {row}\n" in readme.read_text()
    assert f"\n**9** {contents.PARTS[-1]}\n" in readme.read_text()
    assert "\n- **The whole of it**, 1 hour\n" in readme.read_text()
    assert "| old |" not in readme.read_text() and readme.read_text().endswith("\nMore.\n")
    for path in (readme, build.released("98_lesson")):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert build.build(check=True) == []


def test_the_table_says_where_kernels_were_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Is a GPU named once the run on it has kept its kernels, and not before?"""
    monkeypatch.setattr(contents, "GPU", tmp_path / "gpu.json")

    def told() -> list[str]:
        readme = contents.with_table(f"{contents.BEGIN}{contents.END}", LESSONS)
        return re.findall(rf"{contents.KERNELS}( \(.*?\))?(?: ·|$)", readme)

    assert told() == [""]
    about = {"device": "A GPU", "versions": {}, "date": "2026-01-01"}
    Record(contents.GPU, "paper", about).keep("table 2", {})
    assert told() == [""]
    Record(contents.GPU, "kernels", about).keep("fused", {})
    assert told() == [" (measured on A GPU)"]


def test_a_folder_without_lessons_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Does a build of nothing say what a lesson is?"""
    monkeypatch.setattr(build, "SOLUTIONS", tmp_path)
    with pytest.raises(LessonError, match=r"NN_topic\.py"):
        build.build()
