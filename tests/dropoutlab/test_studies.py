"""Results of long measurements: kept part by part, and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from dropoutlab import studies

FOUND = {"rates": [0.1, 0.25], "tuned": {"p = 0.1": {"loss": [0.1 + 0.2, None]}}, "seconds": 3}


def test_what_is_kept_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Does a study begin with nothing, and go on with exactly what it kept, a line a part?"""
    monkeypatch.setattr(studies, "FOLDER", tmp_path / "studies")
    assert studies.kept("rates") == {}
    studies.keep("rates", FOUND)
    assert studies.kept("rates") == FOUND
    text = (tmp_path / "studies" / "rates.json").read_text()
    assert text.count("\n") == len(FOUND) + 2


def test_a_stopped_write_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Is what was kept before still there when writing was stopped half way?"""
    monkeypatch.setattr(studies, "FOLDER", tmp_path)
    studies.keep("rates", FOUND)

    def stopped(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", stopped)
    with pytest.raises(KeyboardInterrupt):
        studies.keep("rates", {"rates": []})
    assert studies.kept("rates") == FOUND


@pytest.mark.parametrize("file", sorted(studies.FOLDER.glob("*.json")), ids=lambda f: f.stem)
def test_each_result_has_its_study(file: Path):
    """Is there a module that measures what lies in datasets/studies, and nothing empty?"""
    assert (Path(studies.__file__).parent / f"{file.stem}.py").exists()
    assert studies.kept(file.stem)
