"""The commands' options: are they told without waiting for packages, and is each one served?"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from grader import cli, environment, options
from grader.bench import watch
from grader.paper import tables
from grader.paths import ROOT

LIGHT = """
import json, sys
from grader.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(json.dumps([end.code, sorted(k for k, m in sys.modules.items() if m is not None)]))
"""


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("--help", 0),
        ("", 0),
        ("autograde --help", 0),
        ("nosuch", 2),
        ("autograde 13 --workers -1", 2),
        ("hub", 2),
        ("lab --nosuch", 2),
    ],
)
def test_help_and_wrong_words_need_no_packages(words: str, status: int):
    """Is the answer given with a part of the standard library, which takes a tenth of a second?"""
    # With -S no other package is found: whoever imports one fails.
    done = subprocess.run(
        [sys.executable, "-S", "-c", LIGHT, *words.split()],
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == status
    assert "usage: python3 grader" in done.stdout + done.stderr
    tops = {name.partition(".")[0] for name in modules}
    assert "grader.environment" not in modules  # it takes as long as all the rest
    assert tops - sys.stdlib_module_names <= {"grader", "__main__", "sitecustomize"}


HEAVY = {"nbgrader", "nbformat", "torch", "numpy", "matplotlib", "jupytext", "sqlalchemy"}


@pytest.mark.parametrize(("words", "told"), [
    ("grade 99", "no lesson is called"), ("autograde 99 --course /nowhere", "no lesson"),
    ("autograde 13 --course /nowhere", "nobody has handed in"),
    ("report 13 --course /nowhere", "no gradebook.db"), ("check 1", "name one of"),
    ("export 13 --to moodle --course /nowhere", "no gradebook.db"), ("submit 99", "no lesson"),
    *((f"{words} /nowhere/file", "/nowhere/file cannot be written") for words in (
        "grade 00 --summary", "autograde 00 --json", "report 00 --html", "report 00 --csv",
        "export 00 --to csv --file", "pack 00 --for gradescope --file",
    )),
])  # fmt: skip
def test_what_is_wrong_is_told_before_anything_heavy_is_imported(words: str, told: str):
    """Is a mistake in a command said without the packages that take seconds to import?"""
    light = LIGHT.replace("    main(sys.argv[1:])", "    sys.exit(main(sys.argv[1:]))")
    done = subprocess.run(
        [sys.executable, "-P", "-c", light, *words.split()],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'lessons'}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert told in done.stderr
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 1 and not HEAVY & {*modules}


def test_help_lists_each_command_for_its_audience():
    """Has each command one audience, in the order learn, teach, write?"""
    listed = [name for names in options.AUDIENCES.values() for name in names]
    assert sorted(listed) == sorted(cli.COMMANDS)
    assert [*options.AUDIENCES] == ["learn", "teach", "write"]


def test_every_command_is_served(capsys: pytest.CaptureFixture):
    """Is there a function for each command, and does --help name each?"""
    with pytest.raises(SystemExit):
        options.parse(["--help"])
    told = capsys.readouterr().out.split()
    assert set(cli.COMMANDS) <= set(told)
    for command in cli.COMMANDS:
        with pytest.raises(SystemExit) as end:
            options.parse([command, "--help"])
        assert end.value.code == 0


def test_arguments_of_pytest_are_passed_on():
    """Does `test` leave alone what it does not know, in its order, and no other command?"""
    assert options.parse(["test", "--quick", "-k", "mask", "tests/paper"]).rest == [
        *("-k", "mask", "tests/paper")
    ]
    with pytest.raises(SystemExit):
        options.parse(["build", "-k", "mask"])


@pytest.mark.parametrize(("words", "told"), [
    ("paper --seeds 0", "--seeds"), ("paper --updates x", "--updates"), ("paper table1", "table"),
    ("bench watch --submissions 0", "--submissions"), ("bench autograde --plain 0", "--plain"),
    ("bench autograde --turns -1", "--turns"), ("bench autograde --workers -1", "--workers"),
])  # fmt: skip
def test_a_wrong_number_or_name_is_refused(words: str, told: str, capsys: pytest.CaptureFixture):
    """Is it said which option is wrong?"""
    with pytest.raises(SystemExit):
        options.parse(words.split())
    assert f"argument {told}: invalid" in capsys.readouterr().err


@pytest.mark.parametrize("took", [[], [2.0], [2.0, 4.0]])
def test_a_watch_that_gave_little_back_is_told_too(took: list[float]):
    """Does a measurement in which no page, or one, came back say so, rather than end?"""
    first, *more = watch.report(took, 2, equal=False)
    assert first.startswith(f"{len(took)} of 2 pages") and more[-1].endswith("NO")
    assert ("median 3.0 s" in more[0]) is (len(took) == 2)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x"])
def test_a_time_is_a_positive_number(text: str):
    """Is a time that no cell could take refused?"""
    with pytest.raises(SystemExit):
        options.parse(["autograde", "13", "--timeout", text])


def test_the_paper_has_the_tables_that_are_offered(monkeypatch: pytest.MonkeyPatch):
    """Is `python3 grader paper` each table once, and may each be asked for by its name?"""
    from grader.paper import terminal

    made = []
    monkeypatch.setattr(terminal, "command", lambda name, *_: made.append(name))
    assert cli.main(["paper"]) == 0
    assert made == [*tables.TABLES]
    for name in made:
        assert options.parse(["paper", name]).table == name


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("autograde 13 --scheduler tcp://a:1", [("cluster",)]),
        ("autograde 13 --db postgresql://a/b", [("postgresql",)]),
        ("report 13 --db postgres://a/b", [("postgresql",)]),
        ("export 13 --to moodle --db postgresql://a/b", [("postgresql",)]),
        ("report 13 --db sqlite:///nosuch/b", []),
    ],
)
def test_what_a_command_needs_is_added(
    words: str, parts: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
):
    """Does an option that needs packages of its own have them added, before they are imported?"""
    added: list[tuple[str, ...]] = []

    def add(*names: str) -> None:
        added.append(names)
        raise cli.CourseError("far enough")

    monkeypatch.setattr(environment, "add", add)
    assert cli.main(words.split()) == 1
    assert added == parts
