"""`python3 grader new`: is what it writes a lesson that passes, and is a wrong name told?"""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.authoring import finished, skeleton
from grader.authoring.reading import read
from grader.authoring.trial import trial
from grader.errors import CourseError


def test_a_skeleton_is_a_lesson(tmp_path: Path):
    """Does it keep every rule, do its checks bite, and does it name the lesson before it?"""
    first = read(skeleton.new("31_first", tmp_path))
    path = skeleton.new("38_drop_connect", tmp_path)
    lesson = read(path)
    assert (first.title, lesson.title) == ("3.1 · First", "3.8 · Drop connect")
    assert "Before: [3.1 · First](../31_first/31_first.ipynb)." in lesson.cells[0].source
    kinds = {cell.kind for cell in lesson.cells}
    assert {"guess", "figure", "hint", "check", "mistake", "correct", "answer"} <= kinds
    assert list(trial(lesson, seeds=5)) == []
    assert any("left as it is" in cell.source for cell in lesson.of("exercise")), "what trial reads"
    assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 100


@pytest.mark.slow
def test_a_skeleton_runs(tmp_path: Path):
    """Does its notebook run from top to bottom, with the answers, and show figure and explorer?"""
    notebook = finished.run(finished.answered(read(skeleton.new("38_drop_connect", tmp_path))))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    shown = [kind for output in outputs for kind in output.get("data", {})]
    assert shown.count("image/png") == 1
    assert shown.count("application/vnd.jupyter.widget-view+json") == 1


NAMES = {
    "38": "no name of a lesson",
    "38_Dropconnect": "no name of a lesson",
    "038_dropconnect": "no name of a lesson",
    "38_drop-connect": "no name of a lesson",
    "38_" + "d" * 31: "no name of a lesson",
    "../38_dropconnect": "no name of a lesson",
    "31_dropconnect": "31 is taken by 31_images",
    "31_images": "31 is taken by 31_images",
    "38_images": "`images` is the topic of 31_images",
    "38_class": "`class` means something else",
    "38_plot": "`plot` means something else",
    "15_gpu": "15_gpu is what 41_stateless_masks was called before",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_cannot_be_is_told(name: str, tmp_path: Path):
    """Is it one sentence, that says what to do, and is nothing written?"""
    (tmp_path / "31_images.py").write_text("mine")
    with pytest.raises(CourseError, match=NAMES[name]) as refused:
        skeleton.new(name, tmp_path)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["31_images.py"]
    assert (tmp_path / "31_images.py").read_text() == "mine"
