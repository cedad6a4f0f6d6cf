"""What a lesson's finished notebook follows from."""

from __future__ import annotations

import pytest

from grader.authoring import finished
from grader.paths import LESSONS

PACKAGE = LESSONS / "dropoutlab"


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("from dropoutlab import train", "train.py"),
        ("import dropoutlab.train as t", "train.py"),
        ("from dropoutlab.train import error_rate", "train.py"),
        ("def late():\n    from dropoutlab import train", "stacked.py"),  # which train imports
        ("from dropoutlab import explore\nexplore.scaling(f)", "explore/scaling.py"),
        ("from dropoutlab import explore\nexplore.scaling(f)", "explore/explorer.py"),
    ],
)
def test_what_is_imported_counts(source: str, file: str):
    """Is a file found that a lesson imports by name, inside a function, or through another?"""
    assert PACKAGE / file in finished.imported(source)


def test_what_is_not_imported_does_not_count():
    """Is a module left out that no line reaches, so that another lesson's change trains nothing?"""
    found = {path.name for path in finished.imported("from dropoutlab import plot")}
    assert "plot.py" in found
    assert not found & {"train.py", "capstone.py", "coadaptation.py"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('studies.kept("images")', ["images.json"]),
        ('ROOT / "datasets" / "digits.csv.gz"', ["digits.csv.gz"]),
        ("images, digits, paper", []),
    ],
)
def test_data_count_where_they_are_named(text: str, names: list[str]):
    """Does a file of data count for what names it, and for nothing else?"""
    assert [path.name for path in finished.data(text)] == names


def test_the_tables_of_the_paper_count_together():
    """Does a text that reads their folder follow from each of them?"""
    tables = finished.data('RESULTS = ROOT / "datasets" / "paper"')
    assert len(tables) > 5 and {path.parent.name for path in tables} == {"paper"}
