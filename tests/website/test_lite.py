"""Lessons in the browser, as they are made: what they need, and what is brought and checked."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from curriculum import LESSONS, named
from grader.errors import CourseError
from grader.paths import ROOT
from grader.website.lite import needs, wheels
from grader.website.lite.pyodide import LOCK, Pyodide

RUN = {"00", "11", "12", "13", "14", "15", "22", "23", "24"}
"""Numbers of lessons that are to run in a browser, whatever else may."""


def test_each_lesson_of_numpy_runs():
    """Does no lesson of NumPy alone need what a browser lacks, and is PyTorch seen where it is?"""
    able = {lesson.name[:2] for lesson in LESSONS if not needs.missing(lesson)}
    assert able >= RUN
    assert needs.missing(named("pytorch")) == ["PyTorch"]
    assert "PyTorch" in needs.missing(named("uncertainty"))


def test_the_package_comes_with_its_data(tmp_path: Path):
    """Has its wheel the modules, scripts and digits, and twice the same bytes; and no answers?"""
    about = wheels.course(tmp_path, {"of-a-call.pickle.z": "a-file"})
    wheel = tmp_path / about["file_name"]
    assert about["sha256"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        listed = json.loads(archive.read("dropoutlab/datasets/kept.json"))
    assert listed == {"of-a-call.pickle.z": "a-file"}
    assert {"dropoutlab/expect/coins.py", "dropoutlab/explore/kit.js",
            "dropoutlab/datasets/digits.csv.gz"} <= names  # fmt: skip
    assert not [name for name in names if "solutions" in name or "__pycache__" in name]
    wheel.unlink()
    assert wheels.course(tmp_path, {"of-a-call.pickle.z": "a-file"}) == about
    assert wheels.course(tmp_path, {})["file_name"] != about["file_name"]


def test_what_is_installed_is_brought(tmp_path: Path):
    """Is the wheel of an installed package whole, with no file of this machine alone?"""
    about = wheels.installed(tmp_path, "psygnal")
    with zipfile.ZipFile(tmp_path / about["file_name"]) as archive:
        names = archive.namelist()
    assert "psygnal/_signal.py" in names
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
    assert about["imports"] == ["psygnal"]


@pytest.fixture
def server(tmp_path: Path) -> Pyodide:
    """A distribution of one package, on a server of its own."""
    place = tmp_path / "server"
    place.mkdir()
    (place / "numpy.whl").write_bytes(b"numpy")
    digest = hashlib.sha256(b"numpy").hexdigest()
    lock = {"info": {}, "packages": {"numpy": {"file_name": "numpy.whl", "sha256": digest}}}
    with tarfile.open(place / "pyodide.tgz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("package/pyodide.js"), io.BytesIO())
    return Pyodide(place.as_uri(), f"{place.as_uri()}/pyodide.tgz", lock, tmp_path / "cache")


def test_a_package_that_was_changed_is_refused(server: Pyodide, tmp_path: Path):
    """Is each file compared with its sum, in the cache too, and none kept that differs?"""
    with pytest.raises(CourseError, match=r"pyodide\.tgz sent another file"):
        server.bring(tmp_path / "first")  # the runtime is not that of npm
    assert (tmp_path / "cache" / "numpy.whl").read_bytes() == b"numpy"
    (tmp_path / "cache" / "numpy.whl").write_bytes(b"damaged")
    (tmp_path / "server" / "numpy.whl").write_bytes(b"something else")
    with pytest.raises(CourseError, match=r"numpy\.whl sent another file"):
        server.bring(tmp_path / "second")
    (tmp_path / "server" / "numpy.whl").unlink()
    with pytest.raises(CourseError, match="cannot be had"):
        server.bring(tmp_path / "third")


def test_packages_lie_where_the_lock_says():
    """Does each package come from Pyodide's server, or from the folder that is named?"""
    given = Pyodide()
    assert given.packages()["numpy"]["file_name"].startswith(f"{given.server}/numpy-")
    assert given.packages("pyodide")["numpy"]["file_name"].startswith("pyodide/numpy-")
    lock = json.loads(LOCK.read_text(encoding="utf-8"))["packages"]
    needed = {name.replace("_", "-") for about in lock.values() for name in about["depends"]}
    assert needed <= lock.keys(), "a package that another needs is left out"


def test_what_checks_and_explorers_import():
    """Are the package's parts that lessons of NumPy use free of what a browser lacks?"""
    absent = set(needs.ABSENT)
    for module in ("expect", "plot", "data", "train", "explore", "oracle", "machine", "probes"):
        assert not needs._through(f"dropoutlab.{module}") & absent, module
    assert (ROOT / "lessons" / "dropoutlab" / "oracle.py").exists()
