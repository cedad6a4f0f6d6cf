"""`syllabus.toml` in a class's folder: which lessons count, until when, and for how much.

    zone = "Europe/Berlin"              # of the times below; without it, this machine's
    pass = 50                           # percent of the course, to pass it

    [late]
    grace = 15                          # minutes that are not late
    per_day = 10                        # percent of the score, for each day that has begun
    most = 50                           # percent, at most
    days = 7                            # what comes later gets no points

    [lessons.13_inverted_dropout]       # or [lessons.13]
    due = 2026-10-05T23:59:00           # or a day, which ends at midnight
    weight = 2                          # without it, 1
    pass = 60                           # percent of the lesson
    attempts = 3                        # submissions that `watch` grades; without it, all
    shows = "points"                    # of a failed check, not what it said; without it, "all"

    [extensions.ada]                    # the ID of a learner
    13_inverted_dropout = 2026-10-12

The gradebook follows it: nbgrader's own due date, extension and penalty are set from it, whenever
it is opened to grade, to report or to export.
"""

from __future__ import annotations

import datetime
import math
import tomllib
import zoneinfo
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.errors import CourseError
from grader.grading import choice

FILE = "syllabus.toml"
DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Late:
    """What a late submission loses."""

    grace: float = 0
    per_day: float = 0
    most: float = 100
    days: float = math.inf

    def penalty(self, score: float, seconds: float) -> float:
        """The points that a score loses, for the seconds after the due date."""
        if seconds <= self.grace * 60:
            return 0.0
        if seconds > self.days * DAY:
            return score
        return score * min(self.per_day * math.ceil(seconds / DAY), self.most, 100) / 100


@dataclass(frozen=True)
class Term:
    """How a lesson counts."""

    due: datetime.datetime | None = None
    """In UTC and without its zone, as nbgrader keeps it."""
    weight: float = 1
    percent: float = 0
    """To pass it."""
    attempts: float = math.inf
    """Submissions of a learner that are graded as they are handed in, at most."""
    shows: str = "all"
    """What a page says of a failed check: "all", or "points" alone."""


@dataclass(frozen=True)
class Syllabus:
    """What a class has agreed on."""

    lessons: dict[str, Term] = field(default_factory=dict)
    """By name, in the order of the file."""
    late: Late = field(default_factory=Late)
    extensions: dict[tuple[str, str], datetime.datetime] = field(default_factory=dict)
    """Until when, by learner and lesson."""
    percent: float = 0
    """To pass the course."""
    zone: datetime.tzinfo | None = None
    """Of times that name none; None for this machine's."""

    def term(self, lesson: str) -> Term:
        return self.lessons.get(lesson, Term())

    def due(self, lesson: str, learner: str = "") -> datetime.datetime | None:
        """Until when a lesson may be handed in; by a learner, who may have longer."""
        return self.extensions.get((learner, lesson), self.term(lesson).due)

    def local(self, time: datetime.datetime) -> str:
        """A time in UTC as the clocks of the class show it."""
        here = time.replace(tzinfo=datetime.UTC).astimezone(self.zone)
        return f"{here:%A}, {here.day} {here:%B %Y, %H:%M %Z}"

    def key(self, lesson: str, learner: str) -> str:
        """Stands for all that changes a submission's penalty or page; "" where nothing does."""
        due, shows = self.due(lesson, learner), self.term(lesson).shows
        return (f"{due} {self.late}" if due else "") + (shows if shows != "all" else "")


def read(place: Path) -> Syllabus:
    """The syllabus of the class in `place`; one that asks for nothing where it has none."""
    file = place / FILE
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Syllabus()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CourseError(f"{file} cannot be read: {error}.") from None
    try:
        return _syllabus(data)
    except _Wrong as error:
        raise CourseError(f"{file}: {error}.") from None


class _Wrong(Exception):
    """What is wrong with a syllabus."""


def _syllabus(data: dict[str, Any]) -> Syllabus:
    _only(data, "", {"zone", "pass", "late", "lessons", "extensions"})
    zone = None
    if "zone" in data:
        try:
            zone = zoneinfo.ZoneInfo(data["zone"])
        except (OSError, TypeError, ValueError, zoneinfo.ZoneInfoNotFoundError):
            raise _Wrong(f'zone = {data["zone"]!r} is none, such as "Europe/Berlin"') from None
    late = _table(data, "late")
    _only(late, "late.", {"grace", "per_day", "most", "days"})
    rule = Late(**{key: _number(late, key, "late.") for key in late})
    lessons = {}
    for word, terms in _table(data, "lessons").items():
        where = f"lessons.{word}."
        _only(_table({word: terms}, word), where, {"due", "weight", "pass", "attempts", "shows"})
        due = _time(terms["due"], f"{where}due", zone) if "due" in terms else None
        weight = _number(terms, "weight", where, 10_000) if "weight" in terms else 1.0
        percent = _number(terms, "pass", where, 100) if "pass" in terms else 0.0
        attempts, shows = terms.get("attempts", math.inf), terms.get("shows", "all")
        if attempts != math.inf and (type(attempts) is not int or attempts < 1):
            raise _Wrong(f"{where}attempts = {attempts!r} is not a whole number from 1")
        if shows not in ("all", "points"):
            raise _Wrong(f'{where}shows = {shows!r} is neither "all" nor "points"')
        if (name := _lesson(word)) in lessons:
            raise _Wrong(f"lessons.{word}: {name} is there twice")
        lessons[name] = Term(due, weight, percent, attempts, shows)
    extensions = {}
    for learner, until in _table(data, "extensions").items():
        for word, time in _table({learner: until}, learner).items():
            name = _lesson(word)
            if name not in lessons or lessons[name].due is None:
                raise _Wrong(f"extensions.{learner}: lessons.{name} has no due date")
            if (learner, name) in extensions:
                raise _Wrong(f"extensions.{learner}: {name} is there twice")
            extensions[learner, name] = _time(time, f"extensions.{learner}.{word}", zone)
    percent = _number(data, "pass", "", 100) if "pass" in data else 0.0
    return Syllabus(lessons, rule, extensions, percent, zone)


def _only(table: dict[str, Any], where: str, known: set[str]) -> None:
    unknown = sorted(table.keys() - known)
    if unknown:
        raise _Wrong(f"{where}{unknown[0]} means nothing here, but {', '.join(sorted(known))} do")


def _table(data: dict[str, Any], name: str) -> dict[str, Any]:
    table = data.get(name, {})
    if not isinstance(table, dict):
        raise _Wrong(f"{name} is a table: write its entries below [{name}]")
    return table


def _number(table: dict[str, Any], key: str, where: str, most: float = math.inf) -> float:
    value = table[key]
    if type(value) not in (int, float) or not 0 <= value <= most:
        words = "a number from 0" + (f" to {most:g}" if most < math.inf else "")
        raise _Wrong(f"{where}{key} = {value!r} is not {words}")
    return float(value)


def _time(value: Any, where: str, zone: datetime.tzinfo | None) -> datetime.datetime:
    """A time in UTC. A day ends at its midnight; what names no zone is in that of the class."""
    if type(value) is datetime.date:
        value = datetime.datetime.combine(value, datetime.time(23, 59, 59))
    if not isinstance(value, datetime.datetime) or not 1 < value.year < 9999:
        raise _Wrong(f"{where} = {value!r} is no time, such as 2026-10-05T23:59:00, unquoted")
    return utc(value, zone)


def _lesson(word: str) -> str:
    try:
        names = choice.names([word])
    except CourseError as error:
        raise _Wrong(str(error).rstrip(".")) from None
    if len(names) != 1:
        raise _Wrong(f"{word} means {len(names)} lessons: name each")
    return names[0]


def utc(time: datetime.datetime, zone: datetime.tzinfo | None) -> datetime.datetime:
    """A time as nbgrader keeps it; what names no zone is in that of the class."""
    if time.tzinfo is None and zone is not None:
        time = time.replace(tzinfo=zone)
    return time.astimezone(datetime.UTC).replace(tzinfo=None)
