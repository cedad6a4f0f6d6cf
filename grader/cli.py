"""The commands: `python3 grader lab | test | build | grade | submit | demo | hub`."""

from __future__ import annotations

import argparse
import os
import sys

from grader.errors import CourseError, LessonError, Unavailable

REMEDY = """\
Learners' code runs only where it cannot do harm. `python3 grader doctor` says what this
machine offers; a Linux of 5.13 or later with user namespaces has all of it, also in a
container or virtual machine that allows them. For your own notebook, which you trust:
`python3 grader grade NN --unsafe`."""

TIERS = {
    "quick": "only what takes seconds",
    "all": "also what takes long",
    "oldest": "the main path, with the oldest packages allowed",
}


def main(argv: list[str]) -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python3 grader", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    lab = commands.add_parser("lab", help="open JupyterLab on the lessons")
    lab.add_argument("--no-browser", action="store_true", help="print the address only")
    lab.add_argument("--port", type=int, default=8888)
    lab.add_argument("--ip", default="localhost", help="the address to listen on")
    lab.add_argument("--instructor", action="store_true", help="with Formgrader")
    lab.set_defaults(run=_lab)

    test = commands.add_parser("test", help="run the tests; further arguments go to pytest")
    tier = test.add_mutually_exclusive_group()
    for name, what in TIERS.items():
        tier.add_argument(f"--{name}", dest="tier", action="store_const", const=name, help=what)
    test.set_defaults(run=_test, rest=True, tier="default")

    build = commands.add_parser("build", help="make lessons/ from solutions/")
    build.add_argument("--check", action="store_true", help="only say what would change")
    build.set_defaults(run=_build)

    grade = commands.add_parser("grade", help="grade your own notebooks where they lie")
    grade.add_argument("lessons", nargs="+", metavar="LESSON", help='"13", a full name, or "all"')
    grade.add_argument("--unsafe", action="store_true", help="run it without the sandbox")
    grade.set_defaults(run=_grade)

    auto = commands.add_parser("autograde", help="grade a class")
    auto.add_argument("lessons", nargs="+", metavar="LESSON", help='"13", a full name, or "all"')
    _of_course(auto)
    auto.add_argument("--learner", nargs="+", metavar="ID", default=[], help="only these")
    auto.add_argument("--workers", type=_count, default=0, metavar="N", help="default: the cores")
    auto.add_argument("--scheduler", default="", metavar="ADDRESS", help="of a Dask cluster")
    auto.add_argument("--force", action="store_true", help="grade what is graded again")
    auto.add_argument("--json", metavar="FILE", help="write every row to this file")
    auto.add_argument("--timeout", type=_seconds, metavar="S", help="for one cell or check")
    auto.add_argument("--no-feedback", action="store_true", help="grades only, no HTML")
    auto.add_argument("--unsafe", action="store_true", help="run answers without the sandbox")
    auto.set_defaults(run=_autograde)

    doctor = commands.add_parser("doctor", help="what this machine offers for grading")
    doctor.set_defaults(run=_doctor)

    report = commands.add_parser("report", help="what a class got wrong")
    report.add_argument("lesson", metavar="LESSON")
    _of_course(report)
    report.add_argument("--html", metavar="FILE", help="write a page with a chart")
    report.add_argument("--csv", metavar="FILE", help="write a table")
    report.set_defaults(run=_report)

    export = commands.add_parser("export", help="grades for a learning-management system")
    export.add_argument("lessons", nargs="+", metavar="LESSON")
    export.add_argument("--to", choices=["canvas", "moodle"], required=True)
    export.add_argument("--file", default="grades.csv")
    _of_course(export)
    export.set_defaults(run=_export)

    bench = commands.add_parser("bench", help="measure the grader, or kernels on a GPU")
    bench.add_argument("what", choices=["autograde", "memory", "gpu"])
    bench.add_argument("--lesson", default="13")
    bench.add_argument("--submissions", type=int, default=200, metavar="N")
    bench.add_argument("--plain", type=int, default=4, metavar="N", help="for nbgrader, a turn")
    bench.add_argument("--turns", type=int, default=3, metavar="N")
    bench.add_argument("--workers", type=int, default=0, metavar="N")
    bench.set_defaults(run=_bench)

    paper = commands.add_parser("paper", help="repeat the tables of Srivastava et al. (2014)")
    tables = ["table9", "table2", "figure7", "figure9", "figure10", "figure11", "table10"]
    paper.add_argument("table", nargs="?", choices=[*tables, "all"], default="all")
    paper.add_argument("--data", choices=["mnist", "fashion-mnist"], default="mnist")
    paper.add_argument("--seeds", type=_some, metavar="N", help="networks of each kind")
    paper.add_argument("--updates", type=_some, metavar="N", help="the paper has a million")
    paper.add_argument("--device", choices=["cpu", "cuda"], help="default: the GPU if there is one")
    paper.add_argument("--quick", action="store_true", help="reduced, for ten minutes on a CPU")
    paper.set_defaults(run=_paper)

    submit = commands.add_parser("submit", help="hand your notebooks in")
    submit.add_argument("lessons", nargs="+", metavar="LESSON")
    submit.set_defaults(run=_submit)

    site = commands.add_parser("site", help="the course as a static site, to be read")
    site.add_argument("--to", metavar="DIR", help="where the site is made (default: .site)")
    site.set_defaults(run=_site)

    demo = commands.add_parser("demo", help="a class in miniature, from assignment to grades")
    demo.set_defaults(run=_demo)

    hub = commands.add_parser("hub", help="a class on this machine, with JupyterHub (as root)")
    hub.add_argument("--learners", metavar="FILE", required=True, help="names, one a line")
    hub.add_argument("--instructor", metavar="NAME", required=True, help="who releases and grades")
    hub.add_argument("--ip", default="127.0.0.1", help="the address to listen on")
    hub.add_argument("--port", type=int, default=8000)
    hub.add_argument("--certificate", metavar="FILE", default="", help="for https, with --key")
    hub.add_argument("--key", metavar="FILE", default="")
    hub.add_argument("--config", metavar="FILE", help="write the configuration, start nothing")
    hub.set_defaults(run=_hub)

    args, rest = parser.parse_known_args(argv)
    if rest and not hasattr(args, "rest"):
        parser.error(f"unknown: {' '.join(rest)}")
    args.rest = rest
    try:
        return args.run(args)
    except (CourseError, LessonError) as error:
        print(error, file=sys.stderr)
        return 1
    except Unavailable as error:
        print(f"no sandbox here: {error}.\n{REMEDY}", file=sys.stderr)
        return 1


def _count(text: str) -> int:
    if (count := int(text)) < 0:
        raise ValueError
    return count


def _some(text: str) -> int:
    if (count := int(text)) < 1:
        raise ValueError
    return count


def _seconds(text: str) -> float:
    if not 0 < (seconds := float(text)) < 1e6:  # nan is no such number
        raise ValueError
    return seconds


def _of_course(command: argparse.ArgumentParser) -> None:
    """Options that say which class is meant."""
    command.add_argument("--course", metavar="DIR", help="where submitted/ is (default: .course)")
    command.add_argument("--db", default="", metavar="URL", help="of the gradebook's database")


def _lab(args: argparse.Namespace) -> int:
    from grader import lab

    return lab.start(
        instructor=args.instructor, port=args.port, ip=args.ip, browser=not args.no_browser
    )


def _test(args: argparse.Namespace) -> int:
    from grader import tiers

    return tiers.run(args.tier, args.rest)


def _build(args: argparse.Namespace) -> int:
    from grader.authoring.build import build

    changed = build(check=args.check)
    if args.check and changed:
        print(f"not as solutions/ has them: {', '.join(changed)}. Run `python3 grader build`.")
        return 1
    print(f"built: {', '.join(changed)}" if changed else "lessons/ is as solutions/ has it.")
    return 0


def _grade(args: argparse.Namespace) -> int:
    from rich.console import Console

    from grader.grading.choice import own_notebooks
    from grader.grading.own import grade
    from grader.grading.terminal import show

    notebooks, ungraded = own_notebooks(args.lessons), 0
    console = Console()
    for lesson, notebook in notebooks:
        try:
            with console.status(f"grading {lesson.name} …"):
                graded, report = grade(lesson, notebook, unsafe=args.unsafe)
            show(graded, report, console)
        except CourseError as error:
            console.print(f"[bold]{lesson.name}[/] was not graded: {error}", highlight=False)
            ungraded += 1
    return 1 if ungraded else 0


def _autograde(args: argparse.Namespace) -> int:
    from dataclasses import replace
    from pathlib import Path

    from rich.console import Console

    from grader.grading import autograde, terminal
    from grader.grading.choice import chosen
    from grader.grading.report import write_rows
    from grader.paths import COURSE

    if args.json and (Path(args.json).is_dir() or not Path(args.json).absolute().parent.is_dir()):
        raise CourseError(f"{args.json} cannot be written: name a file in a folder that is there.")
    limits = autograde.Limits()
    if args.timeout:
        limits = replace(limits, check=args.timeout, submission=5 * args.timeout)
    options = autograde.Options(
        Path(args.course) if args.course else COURSE,
        learners=tuple(args.learner),
        workers=args.workers,
        scheduler=args.scheduler,
        url=args.db,
        force=args.force,
        unsafe=args.unsafe,
        limits=limits,
        feedback=not args.no_feedback,
    )
    console = Console()
    with terminal.Bar(console) as bar:
        results = autograde.autograde(chosen(args.lessons), options, bar)
    terminal.show_class(results, console)
    if args.json:
        write_rows(results, Path(args.json))
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape

    from grader.isolation import doctor

    console = Console()
    with console.status("looking …"):
        findings = doctor.examine()
    for finding in findings:
        mark = "[green]✓[/]" if finding.good else "[red]✗[/]"
        said = escape(finding.detail).replace("\n", "\n    ")
        console.print(f"{mark} {finding.what}: {said}", highlight=False, soft_wrap=True)
    good = all(finding.good for finding in findings)
    console.print("learners' code can be run here." if good else f"\n{REMEDY}")
    return 0 if good else 1


def _report(args: argparse.Namespace) -> int:
    from pathlib import Path

    from rich.console import Console

    from grader.grading import report, terminal
    from grader.grading.choice import chosen

    (lesson,) = chosen([args.lesson])
    with _gradebook(args) as book:
        exercises = report.exercises(book.results(lesson.name))
    terminal.show_report(lesson.name, exercises, Console())
    if args.html:
        report.write_html(lesson, exercises, Path(args.html))
    if args.csv:
        report.write_csv(exercises, Path(args.csv))
    return 0


def _export(args: argparse.Namespace) -> int:
    from pathlib import Path

    from grader.grading.choice import chosen
    from grader.grading.export import export

    with _gradebook(args) as book:
        count = export(book.gradebook, chosen(args.lessons), args.to, Path(args.file))
    print(f"{args.file}: {count} learners, for {args.to.capitalize()}.")
    return 0


def _gradebook(args: argparse.Namespace):
    from pathlib import Path

    from grader.grading.gradebook import opened
    from grader.paths import COURSE

    place = Path(args.course) if args.course else COURSE
    if not args.db and not (place / "gradebook.db").exists():
        raise CourseError(f"{place} has no gradebook.db: run `python3 grader autograde` first.")
    return opened(place, args.db)


def _bench(args: argparse.Namespace) -> int:
    if args.what == "gpu":
        from grader.bench import gpu

        print(f"written: {gpu.command(print)}")
        return 0
    from grader.bench import autograde as bench
    from grader.grading.choice import chosen

    if args.what == "memory":
        bench.memory(args.submissions, print)
        return 0
    (lesson,) = chosen([args.lesson])
    found = bench.compare(
        lesson, args.submissions, args.plain, args.turns, args.workers, print
    )  # fmt: skip
    print(*bench.report(found), sep="\n")
    return 0 if found.equal else 1


def _paper(args: argparse.Namespace) -> int:
    from grader.paper import reproduction

    names = list(reproduction.tables.TABLES) if args.table == "all" else [args.table]
    try:
        for name in names:
            reproduction.command(name, args.data, args.device, args.quick, args.seeds, args.updates)
    except KeyboardInterrupt:
        print("stopped. The same command goes on from here: what is finished is kept, and at most "
              "two minutes of the rest are lost.", file=sys.stderr)  # fmt: skip
        return 130
    return 0


def _submit(args: argparse.Namespace) -> int:
    from grader.grading.choice import chosen
    from grader.submit import submit

    for lesson in chosen(args.lessons):
        print(submit(lesson))
    return 0


def _hub(args: argparse.Namespace) -> int:
    from pathlib import Path

    from grader import environment, hub
    from grader.hub import accounts

    environment.add("hub")
    accounts.valid(args.instructor, "--instructor")
    learners = accounts.read(Path(args.learners), args.instructor)
    secret = [str(Path(file).resolve()) if file else "" for file in (args.certificate, args.key)]
    if all(secret) != any(secret) or not all(os.path.isfile(file) for file in secret if file):
        raise CourseError("https needs two files: --certificate FILE and --key FILE.")
    members = hub.Class(args.instructor, learners, args.ip, args.port, *secret)
    if args.config:
        hub.write(members, Path(args.config))
    else:
        hub.start(members)
    return 0


def _site(args: argparse.Namespace) -> int:
    from pathlib import Path

    from rich.console import Console

    from grader import environment
    from grader.authoring.reading import read_all
    from grader.paths import ROOT, SOLUTIONS

    environment.add("website")
    from grader import website

    to = Path(args.to).absolute() if args.to else ROOT / ".site"
    try:
        website.build(read_all(SOLUTIONS), to, Console())
    except KeyboardInterrupt:
        print("stopped. The same command goes on from here: lessons that were run are kept.",
              file=sys.stderr)  # fmt: skip
        return 130
    print(f"made: {to / 'index.html'}")
    return 0


def _demo(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from grader import demo

    console = Console()
    with console.status("starting …") as status:

        def say(step: str) -> None:
            status.update(step)
            console.print(step, highlight=False, soft_wrap=True)

        results = demo.run(say)
    table = Table("learner", "what they did", "score", title="The class", title_justify="left")
    for graded in results:
        table.add_row(graded.learner, graded.story, f"{graded.score:g} of {graded.most:g}")
    console.print(table)
    for graded in results:
        console.print(f"{graded.learner}: {graded.feedback}", highlight=False, soft_wrap=True)
    return 0
