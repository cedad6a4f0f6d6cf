"""What each command of `python3 grader` does; `grader.options` lists them.

Each imports for itself what takes a while to be imported, so that a wrong word is told at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grader import options
from grader.errors import CourseError, LessonError, Unavailable
from grader.paths import COURSE, ROOT, SOLUTIONS

if TYPE_CHECKING:
    from grader.grading import gradebook

REMEDY = """\
Learners' code runs only where it cannot do harm. `python3 grader doctor` says what this
machine offers; a Linux of 5.13 or later with user namespaces has all of it, also in a
container or virtual machine that allows them. For your own notebook, which you trust:
`python3 grader grade NN --unsafe`."""

BUILT = "lessons/ is as solutions/ has it."


def main(argv: list[str]) -> int:
    """Run one command; return its exit status."""
    args = options.parse(argv)
    try:
        return COMMANDS[args.command](args)
    except (CourseError, LessonError) as error:
        print(error, file=sys.stderr)
        return 1
    except Unavailable as error:
        print(f"no sandbox here: {error}.\n{REMEDY}", file=sys.stderr)
        return 1


def _lab(args: argparse.Namespace) -> int:
    from grader import lab

    return lab.start(
        instructor=args.instructor, port=args.port, ip=args.ip, browser=not args.no_browser
    )


def _test(args: argparse.Namespace) -> int:
    from grader import tiers

    return tiers.run(args.tier, args.rest)


def _new(args: argparse.Namespace) -> int:
    from grader.authoring import skeleton

    path = skeleton.new(args.name, SOLUTIONS)
    print(f"written: {path.relative_to(ROOT)}. It is a whole lesson, to be written over.")
    print(f"Then: `python3 grader build` and `python3 grader check {args.name[:2]}`.")
    return 0


def _build(args: argparse.Namespace) -> int:
    from grader.authoring import record

    if not args.check and record.unchanged(ROOT):  # packages that take seconds are not imported
        print(BUILT)
        return 0
    from grader.authoring.build import build

    changed = build(check=args.check)
    if args.check and changed:
        print(f"not as solutions/ has them: {', '.join(changed)}. Run `python3 grader build`.")
        return 1
    print(f"built: {', '.join(changed)}" if changed else BUILT)
    return 0


def _check(args: argparse.Namespace) -> int:
    from grader.grading.choice import one

    lesson = one(args.lesson)
    from rich.console import Console

    from grader.authoring import sitting, trial

    if args.exercise not in ("", *lesson.exercises):
        raise CourseError(f"{lesson.name} has no exercise `{args.exercise}`.")
    if args.mutants:
        from grader.authoring import mutation

        return mutation.command(lesson, args.exercise, args.seeds or mutation.SEEDS)
    few: list[int] = []
    count = len(trial.answers(lesson, args.exercise))
    with Console(stderr=True).status(f"{lesson.name}: {count} answers") as status:

        def say(done: int, of: int, draws: int) -> None:
            status.update(f"{lesson.name}: {done} of {of} answers tried")
            if draws:
                few.append(draws)

        processes, seeds = os.cpu_count() or 1, args.seeds or trial.SEEDS
        seconds = float("inf") if args.seeds else trial.SECONDS
        findings = sorted(
            trial.trial(lesson, seeds, args.exercise, processes=processes, seconds=seconds, say=say)
        )
    for finding in findings:
        print(f"{lesson.path.name}:{finding.line}: {finding.text}")
    print(f"{lesson.name}: {len(findings)} findings, {count} answers tried.")
    print(f"{lesson.name}: {sitting.summary(lesson)}.")
    if few:
        print(
            f"{len(few)} answers had fewer than {seeds} draws, as their checks take long: "
            f"{min(few)} at least. `--seeds {seeds}` asks for all."
        )
    return 1 if findings else 0


def _grade(args: argparse.Namespace) -> int:
    from grader.grading.choice import own_notebooks

    notebooks, ungraded = own_notebooks(args.lessons), 0
    from rich.console import Console
    from rich.markup import escape

    from grader.grading.own import Grading, address

    console = Console()
    with Grading(unsafe=args.unsafe) as grading:
        for lesson, notebook in notebooks:
            try:
                with console.status(f"grading {lesson.name} …"):
                    graded, page = grading(lesson, notebook)
            except CourseError as error:
                console.print(f"[bold]{lesson.name}[/] was not graded: {escape(str(error))}")
                ungraded += 1
                continue
            from grader.grading.terminal import show

            show(graded, lesson.title, address(page) or page.as_uri(), console)
            if args.open:
                import webbrowser

                webbrowser.open(page.as_uri())  # from there its links lead into JupyterLab
    return 1 if ungraded else 0


def _autograde(args: argparse.Namespace) -> int:
    if args.json and (Path(args.json).is_dir() or not Path(args.json).absolute().parent.is_dir()):
        raise CourseError(f"{args.json} cannot be written: name a file in a folder that is there.")
    if args.scheduler:
        from grader import environment

        environment.add("cluster")
    _add_database(args)
    from grader.grading.choice import chosen, names

    place = Path(args.course) if args.course else COURSE
    if names(args.lessons) and not (place / "submitted").is_dir():
        raise CourseError(
            f"nobody has handed in: {place / 'submitted'}/ID/NN_topic/ is where `nbgrader collect` "
            "puts submissions."
        )
    lessons = chosen(args.lessons)
    from dataclasses import replace

    from rich.console import Console

    from grader.grading import autograde, terminal
    from grader.grading.report import write_rows

    limits = autograde.Limits()
    if args.timeout:
        limits = replace(limits, check=args.timeout, submission=5 * args.timeout)
    wanted = autograde.Options(
        place,
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
        results = autograde.autograde(lessons, wanted, bar)
    terminal.show_class(results, console)
    if args.json:
        write_rows(results, Path(args.json))
    return 0


def _watch(args: argparse.Namespace) -> int:
    _add_database(args)
    from grader.grading.choice import chosen

    lessons = chosen(args.lessons)
    from dataclasses import replace

    from rich.console import Console

    from grader.grading import terminal
    from grader.grading.autograde import Limits, Options
    from grader.grading.watch import watch

    limits = Limits()
    if args.timeout:
        limits = replace(limits, check=args.timeout, submission=5 * args.timeout)
    place = Path(args.course) if args.course else COURSE
    place.mkdir(parents=True, exist_ok=True)
    options = Options(place, workers=args.workers, url=args.db, unsafe=args.unsafe, limits=limits)
    watch(lessons, options, terminal.Lines(Console(soft_wrap=True)))
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
        answer = escape(finding.detail).replace("\n", "\n    ")
        console.print(f"{mark} {finding.what}: {answer}", highlight=False, soft_wrap=True)
    good = all(finding.good for finding in findings)
    console.print("learners' code can be run here." if good else f"\n{REMEDY}")
    return 0 if good else 1


def _report(args: argparse.Namespace) -> int:
    from grader.grading.choice import one

    _has_gradebook(args)
    lesson = one(args.lesson)
    from rich.console import Console

    from grader.grading import report, terminal

    with _gradebook(args) as book:
        exercises = report.exercises(book.results(lesson.name))
    terminal.show_report(lesson.title, exercises, Console())
    if args.html:
        report.write_html(lesson, exercises, Path(args.html))
    if args.csv:
        report.write_csv(exercises, Path(args.csv))
    return 0


def _export(args: argparse.Namespace) -> int:
    _has_gradebook(args)
    from grader.grading.choice import chosen
    from grader.grading.export import export

    with _gradebook(args) as book:
        count = export(book.gradebook, chosen(args.lessons), args.to, Path(args.file))
    print(f"{args.file}: {count} learners, for {args.to.capitalize()}.")
    return 0


def _has_gradebook(args: argparse.Namespace) -> Path:
    """The course folder, in which a gradebook is; told before anything that takes a while."""
    place = Path(args.course) if args.course else COURSE
    if not args.db and not (place / "gradebook.db").exists():
        raise CourseError(f"{place} has no gradebook.db: run `python3 grader autograde` first.")
    return place


def _gradebook(args: argparse.Namespace) -> gradebook.Writer:
    place = _has_gradebook(args)
    _add_database(args)
    from grader.grading.gradebook import opened

    return opened(place, args.db)


def _add_database(args: argparse.Namespace) -> None:
    """Install the driver of the gradebook's database where that is not SQLite."""
    if args.db.startswith("postgres"):
        from grader import environment

        environment.add("postgresql")


def _bench(args: argparse.Namespace) -> int:
    if args.what == "gpu":
        from grader.bench import gpu

        print(f"written: {gpu.command(print)}")
        return 0
    if args.what == "lines":
        from grader.bench import lines

        print(*lines.table(ROOT), sep="\n")
        return 0
    from grader.bench import autograde as bench
    from grader.grading.choice import one

    if args.what == "memory":
        bench.memory(args.submissions, print)
        return 0
    lesson = one(args.lesson)
    if args.what == "watch":
        from grader.bench import watch

        took, equal = watch.seconds(lesson, args.submissions, print)
        print(*watch.report(took, args.submissions, equal), sep="\n")
        return 0 if equal and len(took) == args.submissions else 1
    compared = bench.compare(lesson, args.submissions, args.plain, args.turns, args.workers, print)
    print(*bench.report(compared), sep="\n")
    return 0 if compared.equal else 1


def _paper(args: argparse.Namespace) -> int:
    from grader.paper import reproduction, tables

    names = list(tables.TABLES) if args.table == "all" else [args.table]
    try:
        for name in names:
            reproduction.command(name, args.data, args.device, args.quick, args.seeds, args.updates)
    except KeyboardInterrupt:
        print(
            "stopped. The same command goes on from here: what is finished is kept, and at most "
            "two minutes of the rest are lost.",
            file=sys.stderr,
        )
        return 130
    return 0


def _submit(args: argparse.Namespace) -> int:
    from grader.grading.choice import chosen

    lessons = chosen(args.lessons)
    from grader.submit import submit, wait

    times = {}
    for lesson in lessons:
        times[lesson] = submit(lesson)
        print(f"{lesson.name} is handed in, at {times[lesson]}.", flush=True)
    try:
        for lesson in lessons if args.wait else ():
            print(f"waiting for the page of {lesson.name}; Ctrl-C ends that", flush=True)
            print(f"page: {wait(lesson, times[lesson]).as_uri()}")
    except KeyboardInterrupt:
        print("\nwhat was handed in stays so: its page comes when it is graded.")
    return 0


def _hub(args: argparse.Namespace) -> int:
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
    from rich.console import Console

    from grader import environment
    from grader.authoring.reading import read_all

    environment.add("website")
    from grader import website

    to = Path(args.to).absolute() if args.to else ROOT / ".site"
    try:
        website.build(read_all(SOLUTIONS), to, Console())
    except KeyboardInterrupt:
        print(
            "stopped. The same command goes on from here: lessons that were run are kept.",
            file=sys.stderr,
        )
        return 130
    print(f"made: {to / 'index.html'}")
    return 0


def _demo(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from grader import demo
    from grader.grading import terminal

    console = Console()
    with console.status("starting …") as status:

        def say(step: str) -> None:
            status.update(step)
            console.print(step, highlight=False, soft_wrap=True)

        made = demo.run(say)
    terminal.show_report(made.lesson.title, made.exercises, console)
    table = Table("learner", "what they did", "score", title="\nThe class", title_justify="left")
    for graded in made.learners:
        table.add_row(graded.learner, graded.story, f"{graded.score:g} of {graded.most:g}")
    console.print(table)
    console.print(f"report: {made.report.as_uri()}", highlight=False, soft_wrap=True)
    page = next(graded.feedback for graded in made.learners if graded.learner == "bo")
    console.print(f"the page that bo gets: {page.as_uri()}", highlight=False, soft_wrap=True)
    return 0


COMMANDS = {
    "lab": _lab,
    "test": _test,
    "new": _new,
    "build": _build,
    "check": _check,
    "grade": _grade,
    "autograde": _autograde,
    "watch": _watch,
    "doctor": _doctor,
    "report": _report,
    "export": _export,
    "bench": _bench,
    "paper": _paper,
    "submit": _submit,
    "site": _site,
    "demo": _demo,
    "hub": _hub,
}
