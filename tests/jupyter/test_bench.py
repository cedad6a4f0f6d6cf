"""How soon explorers answer: is each of them moved on a page and in JupyterLab?"""

import pytest

from curriculum import named
from grader.bench import explorers


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.long("explorers timed in JupyterLab")
def test_an_explorer_is_timed_where_it_is_used(chromium: str):
    """Does a row say how soon an explorer answered in both places?"""
    head, row = explorers.table([named("inverted_dropout")])
    _, *numbers = row.split()
    size, *took = map(float, numbers)
    assert size > 1 and len(took) == 4, row
    assert all(0 < ms < 1000 for ms in took), row
    assert took[0] <= took[1] and took[2] <= took[3], row
    assert "in JupyterLab" in head
