"""What a lesson says it found: does each sentence rest on a figure, and does that bear it out?"""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

import curriculum
from grader.authoring import claims, finished
from grader.authoring.lesson import Lesson
from grader.authoring.reading import read
from grader.errors import LessonError
from small_lesson import GOOD, line_of, write

TOLD = """
# %% [markdown]
# ## Once more, by `hand`
# Nothing.

# %%
plot.show(fig, "Once.", claims={"once-is-less": 1 < 2})

# %% [markdown]
# ## What we found
# It was known before, as once-is-less.
#
# Once is less
# than twice.
# {{claim:once-is-less}} And more.
"""
CLAIMED = [lesson for lesson in curriculum.LESSONS if lesson.claims]


def test_a_claim_leads_to_its_figure(tmp_path: Path):
    """Is the sentence kept, and does its link lead to the heading above the figure?"""
    lesson = read(write(tmp_path, GOOD + TOLD))
    assert lesson.claims == {"once-is-less": "Once is less than twice."}
    link = "than twice. [↑](98_lesson.ipynb#Once-more,-by-hand) And more."
    assert link in lesson.cells[-1].source


def test_no_link_leads_to_a_heading_with_a_source_in_it(tmp_path: Path):
    """Is the heading above taken, as a page writes the name of a source for `{{pytorch}}`?"""
    told = TOLD.replace("Once more, by hand", "Once more, from {{pytorch}}")
    lesson = read(write(tmp_path, GOOD + told))
    assert "[↑](98_lesson.ipynb" in lesson.cells[-1].source
    assert "pytorch" not in lesson.cells[-1].source.lower()


def test_a_mark_is_one_in_a_story_only(tmp_path: Path):
    """Is what looks like a mark, in code, left as the author wrote it?"""
    text = TOLD.replace('plot.show(fig, "Once."', 'plot.show(fig, "{{claim:once-is-less}}"')
    lesson = read(write(tmp_path, GOOD + text))
    assert 'plot.show(fig, "{{claim:once-is-less}}"' in lesson.cells[-2].source


FAULTS = {
    "nothing measures it": (('claims={"once-is-less": 1 < 2}', ""), "{{claim", "no figure above"),
    "nothing tells it": (("{{claim:once-is-less}}", ""), 'plot.show(fig, "Once', "tell it"),
    "no name": (("once-is-less", "Once"), 'plot.show(fig, "Once', "is no claim's name"),
    "measured twice": (
        ("# %% [markdown]\n# ## What", 'plot.show(fig, "", claims={"once-is-less": 0})\n\n'
         "# %% [markdown]\n# ## What"), 'plot.show(fig, "Once', "stands in line",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_claim_without_its_figure_is_refused(fault: str, tmp_path: Path):
    """Is a sentence without a measurement refused by line, and a measurement without one?"""
    (old, new), place, said = FAULTS[fault]
    text = GOOD + TOLD.replace(old, new)
    with pytest.raises(LessonError, match=said) as refused:
        read(write(tmp_path, text))
    line = line_of(text, place)
    assert f"98_lesson.py:{line}:" in str(refused.value).replace(f":{line - 1}:", f":{line}:")


def test_a_run_that_shows_otherwise_says_so():
    """Do the notebook's metadata keep what held, and is what did not hold named below?"""
    cell = new_code_cell(
        "from dropoutlab import plot\n"
        "fig, _ = plot.figure()\n"
        "plot.show(fig, 'Lines.', claims={'it-holds': True, 'it-does-not': [] != []})"
    )
    notebook = new_notebook(cells=[cell])
    finished.run(notebook)
    assert claims.measured(notebook) == {
        "it-holds": (True, "Lines."),
        "it-does-not": (False, "Lines."),
    }
    (printed,) = [o.text for o in notebook.cells[0].outputs if o.output_type == "stream"]
    assert "“it does not”" in printed and "it holds" not in printed


@pytest.mark.long("every claim, measured again with other coins")
@pytest.mark.slow(minutes=1.5)
@pytest.mark.parametrize("lesson", CLAIMED, ids=lambda lesson: lesson.name)
def test_what_was_found_is_found_again(lesson: Lesson):
    """Does each claim of a lesson hold in one more run, in which everything unseeded differs?"""
    shown = claims.measured(finished.run(finished.answered(lesson)))
    assert {name: lesson.claims[name] for name in lesson.claims if not shown[name].holds} == {}
