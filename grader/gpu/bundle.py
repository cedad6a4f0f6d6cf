"""What the run needs that a machine with nothing but a GPU cannot make: lessons read, and images.

`python3 grader gpu --bundle` writes both into `.cache`, which travels with the course's folder.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import linecache
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dropoutlab import data
from grader.authoring.lesson import Cell, Lesson, lesson_files
from grader.errors import CourseError
from grader.paths import ROOT, SOLUTIONS

CACHE = ROOT / ".cache"
BUNDLE = CACHE / "gpu" / "lessons.json"
REMEDY = "run `python3 grader gpu --bundle` where the course runs, and bring {} along"


def make() -> list[Path]:
    """Write lessons, MNIST and Fashion-MNIST into `.cache`; return the folders that must travel."""
    from grader.authoring.reading import read_all

    lessons = [
        {"name": lesson.name, "title": lesson.title, "cells": [asdict(c) for c in lesson.cells]}
        for lesson in read_all(SOLUTIONS)
    ]
    BUNDLE.parent.mkdir(parents=True, exist_ok=True)
    content = {"of": digest(), "lessons": lessons}
    BUNDLE.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    folders = [BUNDLE.parent]
    for name, load in {"mnist": data.mnist, "fashion-mnist": data.fashion_mnist}.items():
        try:
            load()
        except (FileNotFoundError, ValueError) as error:
            raise CourseError(str(error)) from None
        place = CACHE / name
        place.mkdir(exist_ok=True)
        for file in data.FILES:
            if not (place / file).exists():
                shutil.copyfile(ROOT / os.environ["DROPOUT_DATA"] / name / file, place / file)
        folders.append(place)
    return folders


@functools.cache
def lessons() -> dict[str, Lesson]:
    """All lessons by name: from their texts where they can be read, else from the bundle."""
    if importlib.util.find_spec("jupytext"):
        from grader.authoring.reading import read_all

        return {lesson.name: lesson for lesson in read_all(SOLUTIONS)}
    place = BUNDLE.relative_to(ROOT)
    if not BUNDLE.exists():
        raise CourseError(f"{place} is missing: {REMEDY.format('it')}.")
    kept = json.loads(BUNDLE.read_text(encoding="utf-8"))
    if kept["of"] != digest():
        raise CourseError(f"{place} is of other texts than solutions/ has: {REMEDY.format('it')}.")
    return {
        one["name"]: Lesson(
            SOLUTIONS / f"{one['name']}.py",
            one["title"],
            tuple(Cell(**cell) for cell in one["cells"]),
        )
        for one in kept["lessons"]
    }


def digest() -> str:
    """Of the texts of all lessons."""
    texts = [path.read_bytes() for path in lesson_files(SOLUTIONS)]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def kernels() -> dict[str, Any]:
    """The names that the answers of *Kernels* bind: its kernels and what launches them."""
    names: dict[str, Any] = {"__name__": "lesson"}
    for cell in lessons()["42_kernels"].cells:
        if cell.kind in ("setup", "exercise"):
            file = f"<lesson, {cell.kind} {cell.name}>"  # Triton reads its kernels' text
            lines = cell.source.splitlines(keepends=True)
            linecache.cache[file] = (len(cell.source), None, lines, file)
            exec(compile(cell.source, file, "exec"), names)
    return names
