"""The course's lessons, read once for all modules that ask something of each."""

from __future__ import annotations

import pytest

from grader.authoring.lesson import Lesson
from grader.authoring.reading import read_all
from grader.paths import SOLUTIONS

LESSONS = read_all(SOLUTIONS)

ON_SITE = {"00_start_here", "11_bernoulli_masks", "13_inverted_dropout", "16_pytorch"}
"""Lessons that are cheap to run, of which the site is made; the last needs PyTorch."""

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
"""Runs a test with each lesson as its argument `lesson`."""


def named(topic: str) -> Lesson:
    """The lesson of a topic, such as "inverted_dropout"."""
    return next(lesson for lesson in LESSONS if lesson.name.partition("_")[2] == topic)
