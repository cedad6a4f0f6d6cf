"""`doctor`: does it tell the truth about this machine?"""

from __future__ import annotations

import pytest

from grader.errors import Unavailable
from grader.isolation import doctor, linux


def test_every_part_is_looked_at():
    """Is each part of the sandbox tried, and a player looked at from within?"""
    findings = {finding.what: finding for finding in doctor.examine()}
    assert set(doctor.PARTS) < set(findings)
    assert all(finding.good for finding in findings.values()), findings
    within = findings["seen from within"].detail
    assert "socket: EPERM" in within and "fork: EPERM" in within and "exec: EPERM" in within
    assert "read the course: ENOENT" in within and "process 1" in within
    assert "memory that no limit counts: EPERM" in within


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    """Does a part that the machine cannot give make the whole bad, by name?"""

    def missing() -> None:
        raise Unavailable("Landlock: Function not implemented")

    monkeypatch.setitem(doctor.PARTS, "Landlock", missing)
    part = doctor._part("Landlock", missing)
    assert not part.good and "not implemented" in part.detail


def test_another_system_gets_a_sentence(monkeypatch: pytest.MonkeyPatch):
    """Is a machine that is no Linux told so, and nothing else tried?"""
    monkeypatch.setattr(linux.sys, "platform", "darwin")
    assert [f.good for f in doctor.examine()][-1] is False
    assert "Linux" in doctor.examine()[-1].detail
