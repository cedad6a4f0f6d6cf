"""What can be asked for: the commands of `python3 grader` and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable

TIERS = {
    "quick": "only tests that take seconds each: some minutes",
    "all": "every test, then the oldest packages: some hours",
    "oldest": "the main path, with the oldest packages allowed",
}
"""What `test` runs in place of its default."""

LESSON = '"13" or a full name'
LESSONS = '"13", a full name, "1" for a part, or "all"'
TIMEOUT = "for one cell or check (60); a submission has five times that"
AUDIENCES = {
    "learn": ("lab", "grade", "submit"),
    "teach": (
        "demo",
        "assign",
        "collect",
        "autograde",
        "watch",
        "report",
        "similar",
        "export",
        "pack",
        "template",
        "doctor",
        "hub",
        "site",
    ),
    "write": ("new", "check", "build", "test", "bench", "paper", "gpu"),
}
"""For whom each command is."""


class Parser(argparse.ArgumentParser):
    """Lists the commands by their audience."""

    def format_help(self) -> str:
        commands = next((a for a in self._actions if isinstance(a, Commands)), None)
        if commands is None:
            return super().format_help()
        helps = {action.dest: action.help for action in commands._choices_actions}
        lines = [f"usage: {self.prog} COMMAND …", "", self.description or ""]
        for audience, names in AUDIENCES.items():
            lines += ["", audience, *(f"  {name:<10} {helps[name]}" for name in names)]
        return "\n".join([*lines, "", f"{self.prog} COMMAND --help lists a command's options.", ""])


Commands = argparse._SubParsersAction


def parse(argv: list[str]) -> argparse.Namespace:
    """The command in `argv` with its options; a wrong one ends the process with its usage."""
    parser = Parser(prog="python3 grader", description="Dropout from Scratch: the commands.")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=argparse.ArgumentParser
    )

    lab = commands.add_parser("lab", help="open JupyterLab on the lessons")
    lab.add_argument("--no-browser", action="store_true", help="print the address only")
    lab.add_argument("--port", type=int, default=8888, help="default: 8888")
    lab.add_argument("--ip", default="localhost", help="to listen on (default: localhost)")
    lab.add_argument("--instructor", action="store_true", help="with Formgrader")

    test = commands.add_parser("test", help="run the tests; further arguments go to pytest")
    tier = test.add_mutually_exclusive_group()
    for name, what in TIERS.items():
        tier.add_argument(f"--{name}", dest="tier", action="store_const", const=name, help=what)
    test.set_defaults(tier="default")

    new = commands.add_parser("new", help="begin a lesson: a small one that passes, to write over")
    new.add_argument("name", metavar="NN_TOPIC", help='such as "38_dropconnect"')

    build = commands.add_parser("build", help="make lessons/ from solutions/")
    build.add_argument("--check", action="store_true", help="only say what would change")

    check = commands.add_parser("check", help="try a lesson's answers, mistakes and hints")
    check.add_argument("lesson", metavar="LESSON", help=LESSON)
    check.add_argument("--exercise", default="", metavar="NAME", help="only this one")
    check.add_argument("--seeds", type=positive, metavar="N", help="draws (60; for --mutants 2)")
    check.add_argument("--mutants", action="store_true", help="which small edits go unnoticed?")

    grade = commands.add_parser("grade", help="grade your own notebooks where they lie")
    grade.add_argument("lessons", nargs="+", metavar="LESSON", help=LESSONS)
    grade.add_argument("--open", action="store_true", help="show the page in a browser")
    grade.add_argument("--summary", metavar="FILE", help="add a table in Markdown to this file")
    _isolated(grade)

    assign = commands.add_parser("assign", help="put lessons and due dates into the gradebook")
    assign.add_argument("lessons", nargs="*", default=["all"], metavar="LESSON", help=LESSONS)
    _of_course(assign)

    collect = commands.add_parser(
        "collect", help="take in what Moodle, Canvas or a git host gives out"
    )
    collect.add_argument("lesson", metavar="LESSON", help=LESSON)
    collect.add_argument(
        "source", metavar="DOWNLOAD", help="a ZIP or folder of all submissions, or of clones"
    )
    collect.add_argument(
        "--from", dest="origin", choices=["moodle", "canvas", "git"], required=True
    )
    _with_worksheet(collect)
    _of_course(collect)

    auto = commands.add_parser("autograde", help="grade a class")
    auto.add_argument("lessons", nargs="+", metavar="LESSON", help=LESSONS)
    _of_course(auto)
    auto.add_argument("--learner", nargs="+", metavar="ID", default=[], help="only these")
    auto.add_argument("--workers", type=count, default=0, metavar="N", help="default: the cores")
    auto.add_argument("--scheduler", default="", metavar="ADDRESS", help="of a Dask cluster")
    auto.add_argument("--force", action="store_true", help="grade what is graded again")
    auto.add_argument("--json", metavar="FILE", help="write every row to this file")
    auto.add_argument("--timeout", type=seconds, metavar="S", help=TIMEOUT)
    auto.add_argument("--no-feedback", action="store_true", help="grades only, no HTML")
    _isolated(auto)

    watch = commands.add_parser("watch", help="grade what is handed in as it comes")
    watch.add_argument("lessons", nargs="+", metavar="LESSON", help=LESSONS)
    _of_course(watch)
    watch.add_argument("--workers", type=count, default=0, metavar="N", help="default: the cores")
    watch.add_argument("--timeout", type=seconds, metavar="S", help=TIMEOUT)
    _isolated(watch)

    commands.add_parser("doctor", help="what this machine offers for grading")

    report = commands.add_parser("report", help="what a class got wrong")
    report.add_argument("lesson", metavar="LESSON", help=LESSON)
    _of_course(report)
    report.add_argument("--html", metavar="FILE", help="write a page with a chart")
    report.add_argument("--csv", metavar="FILE", help="write a table")

    similar = commands.add_parser("similar", help="pairs of answers that are alike, to look at")
    similar.add_argument("lesson", metavar="LESSON", help=LESSON)
    similar.add_argument("--course", metavar="DIR", help="where submitted/ is (default: .course)")
    similar.add_argument("--most", type=positive, default=20, metavar="N", help="pairs shown")

    export = commands.add_parser("export", help="grades for a learning-management system")
    export.add_argument("lessons", nargs="+", metavar="LESSON", help=LESSONS)
    export.add_argument("--to", choices=["canvas", "moodle", "csv"], required=True)
    export.add_argument("--file", default="grades.csv", help="default: grades.csv")
    _with_worksheet(export)
    _of_course(export)

    pack = commands.add_parser("pack", help="a lesson as an autograder for Gradescope")
    pack.add_argument("lesson", metavar="LESSON", help=LESSON)
    pack.add_argument("--for", dest="host", choices=["gradescope"], required=True)
    pack.add_argument("--file", metavar="ZIP", help="default: NN_topic-gradescope.zip")
    when = ["after_due_date", "after_published", "hidden"]
    pack.add_argument("--hidden", choices=when, default=when[1], help="when those checks are seen")
    _isolated(pack)

    template = commands.add_parser("template", help="the repository for learners on a git host")
    template.add_argument("folder", metavar="FOLDER", help="a new one")
    template.add_argument("lessons", nargs="*", metavar="LESSON", help="default: all")

    bench = commands.add_parser("bench", help="measure the grader, lessons or explorers")
    bench.add_argument("what", choices=["autograde", "watch", "memory", "lines", "explorers"])
    bench.add_argument("--lesson", default="13", help="default: 13")
    bench.add_argument("--submissions", type=positive, default=200, metavar="N", help="(200)")
    bench.add_argument(
        "--plain", type=positive, default=4, metavar="N", help="for nbgrader, a turn (4)"
    )
    bench.add_argument("--turns", type=positive, default=3, metavar="N", help="(3)")
    bench.add_argument("--workers", type=count, default=0, metavar="N", help="(the cores)")

    paper = commands.add_parser("paper", help="repeat the tables of Srivastava et al. (2014)")
    tables = ["table9", "recipe", "table2", "figure7", "figure9", "figure10", "figure11", "table10"]
    everything = "default: all, in full size: days on a CPU"
    paper.add_argument("table", nargs="?", choices=[*tables, "all"], default="all", help=everything)
    paper.add_argument("--data", choices=["mnist", "fashion-mnist"], default="mnist")
    paper.add_argument("--seeds", type=positive, metavar="N", help="networks of each kind")
    paper.add_argument("--updates", type=positive, metavar="N", help="the paper has a million")
    paper.add_argument("--device", choices=["cpu", "cuda"], help="default: the GPU if there is one")
    size = paper.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", action="store_const", dest="size", const="quick", default="full",
        help="reduced: minutes on a CPU",
    )  # fmt: skip
    size.add_argument(
        "--evening", action="store_const", dest="size", const="evening",
        help="the paper's networks and images, 60 passes: hours on a CPU",
    )  # fmt: skip

    steps = ["kernels", "checks", "together", "paper"]
    gpu = commands.add_parser("gpu", help="measure on a GPU, in nine minutes, what no CPU can")
    gpu.add_argument("--only", nargs="+", choices=steps, default=[], help="these steps of it")
    gpu.add_argument("--seconds", type=seconds, metavar="S", help="for all steps together (530)")
    how = gpu.add_mutually_exclusive_group()
    how.add_argument("--rehearse", action="store_true", help="try all of it, tiny, on the CPU")
    how.add_argument("--bundle", action="store_true", help="write what the GPU's machine needs")

    submit = commands.add_parser("submit", help="hand your notebooks in")
    submit.add_argument("lessons", nargs="+", metavar="LESSON", help=LESSONS)
    submit.add_argument(
        "--wait",
        action="store_true",
        help="for the page where grades come at once, and print its address",
    )

    site = commands.add_parser("site", help="the course as a static site, to be read")
    site.add_argument("--to", metavar="DIR", help="where the site is made (default: .site)")
    site.add_argument(
        "--self-hosted",
        action="store_true",
        help="bring Pyodide to the site, so that lessons ask no other host",
    )

    commands.add_parser("demo", help="a class in miniature, from assignment to grades")

    hub = commands.add_parser("hub", help="a class on this machine, with JupyterHub (as root)")
    hub.add_argument("--learners", metavar="FILE", required=True, help="names, one a line")
    hub.add_argument("--instructor", metavar="NAME", required=True, help="who releases and grades")
    hub.add_argument("--ip", default="127.0.0.1", help="to listen on (default: 127.0.0.1)")
    hub.add_argument("--port", type=int, default=8000, help="default: 8000")
    hub.add_argument("--certificate", metavar="FILE", default="", help="for https, with --key")
    hub.add_argument("--key", metavar="FILE", default="")
    hub.add_argument("--config", metavar="FILE", help="write the configuration, start nothing")

    args, rest = parser.parse_known_args(argv)
    if args.command is None:
        parser.print_help()
        parser.exit()
    if rest and args.command != "test":
        listed = f"`python3 grader {args.command} --help` lists its options"
        parser.error(f"{args.command} has no {' '.join(rest)}: {listed}")
    args.rest = rest
    return args


def count(text: str) -> int:
    """A whole number from 0."""
    return int(_number(text, int, lambda number: number >= 0, "a whole number from 0"))


def positive(text: str) -> int:
    """A whole number from 1."""
    return int(_number(text, int, lambda number: number >= 1, "a whole number from 1"))


def seconds(text: str) -> float:
    """A time of more than 0 seconds."""
    meant = "seconds: above 0, below a million"
    return _number(text, float, lambda number: 0 < number < 1e6, meant)  # nan is no such number


def _number(text: str, kind: type, good: Callable[[float], bool], meant: str) -> float:
    try:
        if good(number := kind(text)):
            return number
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"invalid: {text!r}. Give {meant}.")


def _of_course(command: argparse.ArgumentParser) -> None:
    """Options that say which class is meant."""
    command.add_argument("--course", metavar="DIR", help="where submitted/ is (default: .course)")
    command.add_argument("--db", default="", metavar="URL", help="of the gradebook's database")


def _with_worksheet(command: argparse.ArgumentParser) -> None:
    command.add_argument("--worksheet", metavar="CSV", help="Moodle's own, downloaded")


def _isolated(command: argparse.ArgumentParser) -> None:
    """Options that say how far answers are kept from this machine."""
    less = command.add_mutually_exclusive_group()
    bare = "run answers as you, without isolation"
    kinds, uid = ["sandbox", "uid"], "uid: by another account, as root, where there is no sandbox"
    less.add_argument("--isolation", choices=kinds, default="sandbox", help=uid)
    less.add_argument("--unsafe", dest="isolation", action="store_const", const="none", help=bare)
