"""Take in what a class has handed in elsewhere: `python3 grader collect 13 --from moodle ZIP`.

Leaves `submitted/ID/NN_topic/NN_topic.ipynb`, nbgrader's own layout, and in the gradebook each
learner's name and the number by which the system knows them, with which `export` goes back.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from grader.authoring.lesson import Lesson
from grader.classes import download
from grader.classes.download import Participant, Unread, Upload
from grader.course import STAMP
from grader.errors import CourseError
from grader.files import write_whole
from grader.grading.folders import ClassFolder, is_of
from grader.grading.gradebook import Writer
from grader.isolation.text import plain

LONGEST = 100
"""Signs of a learner's ID, at most; a gradebook holds 128."""
EACH = 2 * download.LARGEST
"""Bytes of one learner's notebooks, at most; what is more is left out."""
MOST = 100
"""Notebooks of one learner, at most."""


@dataclass
class Collected:
    """What became of a download."""

    new: list[str] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)
    """Whose submission took the place of an earlier one."""
    same: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """A sentence for whatever a person should look at."""


def collect(
    lesson: Lesson, source: Path, origin: str, place: Path, book: Writer, sheet: Path | None = None
) -> Collected:
    """Take the submissions of a lesson from a download into the class folder `place`."""
    people = download.worksheet(sheet, book.syllabus.zone) if sheet else {}
    done = Collected()
    with download.opened(source, origin, lesson.name) as (uploads, odd):
        done.remarks += odd
        if not uploads and origin == "git":
            raise CourseError(f"no folder in {source} holds lessons/{lesson.name}/: clone into it.")
        if not uploads:
            other = "canvas" if origin == "moodle" else "moodle"
            raise CourseError(
                f"{source} holds no file named as {origin.capitalize()} names them: "
                f"was it downloaded from {other.capitalize()} (--from {other})?"
            )
        if sheet and not people.keys() & {upload.number for upload in uploads}:
            raise CourseError(f"{sheet} is of another assignment: it has none of these numbers.")
        by_learner: dict[tuple[str, str], list[Upload]] = {}
        for upload in uploads:
            by_learner.setdefault((upload.number, upload.name), []).append(upload)
        ids = _ids(list(by_learner), origin, people, book, done)
        for (number, name), files in by_learner.items():
            learner, person = ids[number, name], people.get(number)
            kept = _kept(lesson, learner, files, done)
            if person and person.handed_in:
                kept[STAMP] = f"{person.handed_in} UTC".encode()
            if any(upload.late for upload in files):
                done.late.append(learner)
            _leave(ClassFolder(place).notebook("submitted", lesson.name, learner), kept, done)
            first, last = _split(person.name if person else name)
            book.know(learner, first, last, person.email if person else "")
            if origin == "canvas" and number.isdigit():
                book.number(learner, number)
            elif origin == "moodle":
                book.number(learner, number, lesson.name)
    return done


def _ids(
    people: list[tuple[str, str]],
    origin: str,
    sheet: dict[str, Participant],
    book: Writer,
    done: Collected,
) -> dict[tuple[str, str], str]:
    """Each learner's ID here, by number and name: the same in all lessons, as far as can be known.

    From Canvas that is name and number, or the ID that the gradebook has for the number. From
    Moodle it is the e-mail address in the worksheet, or else the name.
    """
    known = book.numbers() if origin == "canvas" else {}
    ids = {}
    for number, name in people:
        person = sheet.get(number)
        if origin == "canvas":
            new = _slug(name, f"_{number}") if name else _slug(number)
            ids[number, name] = known.get(number) or new
        else:
            ids[number, name] = _slug((person.email or person.name) if person else name)
    numbered: set[tuple[str, str]] = set()
    while more := [person for person in _alike(ids) if person[0] and person not in numbered]:
        for number, name in more:
            ids[number, name] = _slug(ids[number, name], f"_{number}")
            done.remarks.append(
                f"{plain(name)} {number} shares the name with another: here "
                f"{ids[number, name]}. Moodle's numbers differ from one assignment to the next; "
                "--worksheet FILE, its grading worksheet, tells both by their e-mail."
            )
        numbered.update(more)
    if twice := _alike(ids):
        named = " and ".join(plain(name, 100) for _, name in twice)
        raise CourseError(f"{named} would be one learner here: rename them in the download.")
    return ids


def _alike(ids: dict[tuple[str, str], str]) -> list[tuple[str, str]]:
    """Those whose ID another has too, where capitals do not count."""
    often = Counter(map(str.casefold, ids.values()))
    return [person for person, learner in ids.items() if often[learner.casefold()] > 1]


def _slug(name: str, end: str = "") -> str:
    """A name as a folder can have it on every system, and a shell without quotes."""
    text = re.sub(r"[^\w.@-]+", "_", name).strip("._-") or "learner"
    while len((text + end).encode()) > LONGEST:
        text = text[:-1]
    return text + end


def _split(name: str) -> tuple[str, str]:
    """A name in the gradebook's two fields, such that joined they are the name again."""
    first, _, last = name.rpartition(" ")
    return first, last


def _kept(lesson: Lesson, learner: str, files: list[Upload], done: Collected) -> dict[str, bytes]:
    """What is kept of a learner's files, by name: the lesson's notebook, where it can be told."""
    read: dict[str, tuple[Upload, bytes]] = {}
    wanted, room = f"{lesson.name}.ipynb", EACH
    notebooks = [upload for upload in files if upload.is_notebook]
    notebooks.sort(key=lambda upload: (-upload.upload, upload.file.rpartition("/")[2] != wanted))
    for upload in notebooks:
        if room < 0 or len(read) == MOST:
            most = f"{MOST} notebooks, or {EACH >> 20} MB of them"
            done.remarks.append(f"{learner} handed in more than {most}: others were left out.")
            break
        name = plain(upload.file.replace("/", "_"))[-50:]
        while name in read and read[name][0].upload == upload.upload:
            name = f"{len(read)}_{name}"
        if name in read:  # a newer one
            continue
        try:
            read[name] = upload, upload.read()
            room -= len(read[name][1])
        except Unread as fault:
            done.remarks.append(f"{learner}: {plain(upload.file, 100)} {fault}.")
    if not read:
        if not notebooks:
            there = plain(", ".join(upload.file for upload in files), 100)
            done.remarks.append(f"{learner} handed in no notebook: {there}.")
        return {}
    own = [name for name, (_, text) in read.items() if is_of(lesson.exercises, text)]
    last = [name for name in own if read[name][0].upload == max(read[n][0].upload for n in own)]
    if wanted in own:
        name = wanted
    elif len(last) == 1:
        (name,) = last
        if read[name][0].file.rpartition("/")[2] != wanted:
            done.remarks.append(f"{learner}: {name} was taken for {wanted}.")
    elif not own and [*read] == [wanted]:
        done.remarks.append(f"{learner}: {wanted} holds few of the lesson's cells.")
        name = wanted
    else:
        why = "each hold the lesson" if own else "hold few of the lesson's cells"
        done.remarks.append(
            f"{learner}: {plain(', '.join(own or read), 200)} {why}. Rename the one that counts, "
            "in submitted/."
        )
        return {name: text for name, (_, text) in read.items()}
    others = [other for other in own if other != name]
    if others:
        done.remarks.append(f"{learner}: {name} counts, and not {plain(', '.join(others), 200)}.")
    return {wanted: read[name][1]}


def _leave(notebook: Path, kept: dict[str, bytes], done: Collected) -> None:
    """Have a learner's folder hold what is kept, and say whether that is news."""
    folder = notebook.parent
    learner = folder.parent.name
    there = {path.name: path for path in folder.iterdir()} if folder.is_dir() else None
    before = {name: path.read_bytes() for name, path in (there or {}).items() if path.is_file()}
    if there is not None and before == kept:
        done.same.append(learner)
        return
    (done.new if there is None else done.newer).append(learner)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in kept.items():
        write_whole(folder / name, text)
