"""A class in miniature, through nbgrader's own commands."""

from __future__ import annotations

import csv

import pytest

import rehearsal
from grader import demo
from grader.grading.choice import chosen


@pytest.mark.slow
def test_the_class_gets_the_scores_that_it_deserves():
    """Do four learners get what their notebooks are worth, each with feedback of their own?"""
    (lesson,) = chosen([demo.LESSON])
    by_hand = sum(cell.points for cell in lesson.of("answer"))
    full = lesson.points - by_hand
    first = lesson.exercises[0]
    mistakes = {cell.name: cell.source for cell in reversed(lesson.of("mistake"))}
    names = rehearsal.stage(lesson, **mistakes)
    lost = sum(c.points for c in lesson.of("check") if rehearsal.verdict(c, names) is not None)

    steps: list[str] = []
    made = demo.run(steps.append)
    results = {graded.learner: graded for graded in made.learners}

    endless = sum(c.points for c in lesson.of("check", first))
    scores = {name: graded.score for name, graded in results.items()}
    assert scores == {"ada": full, "bo": full - lost, "cy": 0, "di": full - endless}
    assert 0 < lost < full
    assert {graded.most for graded in results.values()} == {lesson.points}
    for graded in results.values():
        assert lesson.title.split(" · ")[1] in graded.feedback.read_text()
    hint = lesson.of("mistake", first)[0].says
    assert hint in results["bo"].feedback.read_text()
    assert any("autograde" in step for step in steps)
    assert "bo" in made.report.read_text() and " " not in str(made.report)
    guide = lesson.of("answer")[0].source
    assert not any(guide in graded.feedback.read_text() for graded in made.learners)
    (fetched,) = (made.report.parent / "homes" / "bo").rglob("*.html")
    assert fetched.read_bytes() == results["bo"].feedback.read_bytes()
    grades = results["ada"].feedback.parents[4] / "grades.csv"
    table = csv.DictReader(grades.read_text().splitlines())
    rows = {row["student_id"]: float(row["score"]) for row in table}
    assert rows == scores
