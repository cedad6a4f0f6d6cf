"""What each command of `python3 grader` does; `grader.options` lists them.

Each imports for itself what takes a while to be imported, so that a wrong word is told at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader import options
from grader.errors import NOBODY, OF_A_LEARNER, CourseError, LessonError, Unavailable
from grader.paths import COURSE, ROOT, SOLUTIONS

if TYPE_CHECKING:
    from grader.grading import autograde, gradebook

REMEDY = """\
Learners' code runs only where it cannot do harm. `python3 grader doctor` says what this
machine offers; a Linux of 5.13 or later with user namespaces has all of it, also in a
container or virtual machine that allows them. For your own notebook, which you trust:
`python3 grader grade NN --unsafe`. As root, where namespaces are forbidden, there is a weaker
way: --isolation uid (see grader/README.md)."""

BUILT = "lessons/ is as solutions/ has it."


def main(argv: list[str]) -> int:
    """Run one command; return its exit status."""
    args = options.parse(argv)
    try:
        if args.command not in FOR_LEARNERS and not SOLUTIONS.is_dir():
            raise CourseError(OF_A_LEARNER)
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
        if not args.exercise:
            status.update(f"{lesson.name}: its explorer")
            findings += trial.explored(lesson)
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
    _writable(args.summary)
    from grader.grading.choice import own_notebooks

    notebooks, ungraded = own_notebooks(args.lessons), 0
    results = []
    from rich.console import Console
    from rich.markup import escape

    from grader.grading.own import Grading, address

    console = Console()
    with Grading(isolation=args.isolation) as grading:
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
            results.append((lesson.title, graded))
            if args.open:
                import webbrowser

                webbrowser.open(page.as_uri())  # from there its links lead into JupyterLab
    if not results and not ungraded:
        console.print("No exercise is written yet.")
    if args.summary:
        from grader.classes import summary

        summary.add(results, Path(args.summary))
    return 1 if ungraded else 0


def _assign(args: argparse.Namespace) -> int:
    place = _place(args)
    from grader.grading.choice import chosen

    lessons = chosen(_meant(args))
    place.mkdir(parents=True, exist_ok=True)
    _add_database(args)
    from grader import course
    from grader.grading.assignment import assign
    from grader.grading.gradebook import opened

    with opened(place, args.db) as book:
        for lesson in lessons:
            assign(lesson, place, course.folder(place.resolve(), args.db))
            book.follow([lesson.name])
            term = book.syllabus.term(lesson.name)
            due = f"due {book.syllabus.local(term.due)}" if term.due else "no due date"
            print(f"{lesson.name}: {lesson.points} points, weight {term.weight:g}, {due}.")
        known = {student.id for student in book.gradebook.students}
        for learner, name in sorted(book.syllabus.extensions):
            until = book.syllabus.extensions[learner, name]
            stranger = "" if learner in known else " The gradebook knows nobody of that ID yet."
            print(f"{name}: {learner} has until {book.syllabus.local(until)}.{stranger}")
    return 0


def _collect(args: argparse.Namespace) -> int:
    from grader.grading.choice import names, one

    source, sheet = Path(args.source), Path(args.worksheet) if args.worksheet else None
    names([args.lesson])
    if not source.exists():
        raise CourseError(f"{source} is not there: name the downloaded ZIP or folder.")
    if sheet and args.origin == "canvas":
        raise CourseError("--worksheet is Moodle's: Canvas names learners by one number always.")
    place = _place(args)
    place.mkdir(parents=True, exist_ok=True)
    _add_database(args)
    lesson = one(args.lesson)
    from grader.classes.collect import collect
    from grader.grading.gradebook import opened

    with opened(place, args.db) as book:
        done = collect(lesson, source, args.origin, place, book, sheet)
    print(*done.remarks, sep="\n", end="\n" if done.remarks else "")
    if done.late:
        late = f"late, as {args.origin.capitalize()} says: {', '.join(sorted(done.late))}"
        print(f"{late}. By how much it does not say, so no penalty is taken here.")
    counts = f"{len(done.new)} new, {len(done.newer)} newer, {len(done.same)} as before"
    print(f"{lesson.name}: {counts}, in {place / 'submitted'}.")
    print(f"Then: `python3 grader autograde {lesson.name[:2]}`.")
    return 0


def _autograde(args: argparse.Namespace) -> int:
    _writable(args.json)
    if args.scheduler:
        from grader import environment

        environment.add("cluster")
    _add_database(args)
    from grader.grading.choice import chosen, names

    place = _place(args)
    if names(args.lessons) and not (place / "submitted").is_dir():
        raise CourseError(NOBODY.format(place / "submitted", "NN_topic"))
    lessons = chosen(_meant(args))
    from rich.console import Console

    from grader.grading import autograde, terminal
    from grader.grading.report import write_rows

    wanted = _wanted(
        args,
        learners=tuple(args.learner),
        scheduler=args.scheduler,
        force=args.force,
        feedback=not args.no_feedback,
    )
    console = Console()
    with terminal.Bar(console) as bar:
        results = autograde.autograde(lessons, wanted, bar)
    terminal.show_class(results, console)
    graded = {result.lesson for result in results}
    if idle := [lesson.name for lesson in lessons if lesson.name not in graded]:
        print(f"no submission of {', '.join(idle)}.")
    if args.json:
        write_rows(results, Path(args.json))
    return 0


def _watch(args: argparse.Namespace) -> int:
    _add_database(args)
    from grader.grading.choice import chosen

    lessons = chosen(_meant(args))
    from rich.console import Console

    from grader.grading import terminal
    from grader.grading.watch import watch

    wanted = _wanted(args)
    wanted.place.mkdir(parents=True, exist_ok=True)
    watch(lessons, wanted, terminal.Lines(Console(soft_wrap=True)))
    return 0


def _wanted(args: argparse.Namespace, **more: Any) -> autograde.Options:
    """How to grade a class, as the options that `autograde` and `watch` share say."""
    from dataclasses import replace

    from grader.grading.autograde import Limits, Options

    limits = Limits()
    if args.timeout:
        limits = replace(limits, check=args.timeout, submission=5 * args.timeout)
    shared = {"workers": args.workers, "url": args.db, "isolation": args.isolation}
    return Options(_place(args), **shared, limits=limits, **more)


def _writable(*files: str | None) -> None:
    """Tell of a file that could not be written before all that takes a while."""
    for file in filter(None, files):
        if Path(file).is_dir() or not Path(file).absolute().parent.is_dir():
            raise CourseError(f"{file} cannot be written: name a file in a folder that is there.")


def _place(args: argparse.Namespace) -> Path:
    """The class's folder."""
    return Path(args.course) if args.course else COURSE


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
    _writable(args.html, args.csv)
    from grader.grading.choice import one

    _has_gradebook(args)
    lesson = one(args.lesson)
    from rich.console import Console

    from grader.grading import report, standing, terminal

    console = Console()
    with _gradebook(args) as book:
        exercises = report.exercises(book.results(lesson.name))
        book.follow([lesson.name])
        told = standing.told(book, lesson)
    terminal.show_report(lesson.title, exercises, console)
    for line in told:
        console.print(line, highlight=False, markup=False)
    if args.html:
        report.write_html(lesson, exercises, Path(args.html), told)
    if args.csv:
        report.write_csv(exercises, Path(args.csv))
    return 0


def _export(args: argparse.Namespace) -> int:
    _writable(args.file)
    _has_gradebook(args)
    from grader.grading.choice import chosen

    lessons, sheet = chosen(_meant(args)), Path(args.worksheet) if args.worksheet else None
    from grader.classes.export import export

    with _gradebook(args) as book:
        count = export(book, lessons, args.to, Path(args.file), sheet)
    system = "" if args.to == "csv" else f", for {args.to.capitalize()}"
    print(f"{args.file}: {count} learners{system}.")
    return 0


def _template(args: argparse.Namespace) -> int:
    from grader.grading.choice import chosen

    lessons = chosen(args.lessons or ["all"])
    from grader.classes import template

    folder = Path(args.folder)
    template.write(lessons, folder)
    print(f"made: {folder}, with {len(lessons)} lessons and no hidden check.")
    print("Push it, and let learners begin with a copy (on GitHub: a template repository).")
    return 0


def _pack(args: argparse.Namespace) -> int:
    _writable(args.file)
    from grader.grading.choice import one

    lesson = one(args.lesson)
    from grader.classes import pack

    file = Path(args.file or f"{lesson.name}-{args.host}.zip")
    pack.gradescope(lesson, file, args.hidden, args.isolation)
    print(f"written: {file}, {file.stat().st_size / 1e6:.1f} MB. It holds answers and checks.")
    print("On Gradescope: Create Assignment → Programming Assignment → Configure Autograder.")
    return 0


def _meant(args: argparse.Namespace) -> list[str]:
    """The lessons that the words mean; where the class has a syllabus, "all" are those in it."""
    from grader.grading import syllabus

    place = _place(args)
    listed = syllabus.read(place).lessons if args.lessons == ["all"] else {}
    return [*listed] or args.lessons


def _similar(args: argparse.Namespace) -> int:
    from grader.grading.choice import one

    place = _place(args)
    lesson = one(args.lesson)
    import nbformat
    from rich.console import Console

    from grader.classes import pack, similar

    console = Console()
    with console.status("comparing …"):
        released = nbformat.reads(pack.packed(lesson).released, as_version=4)
        answers = similar.handed_in(lesson, place, released)
        known = similar.forced(lesson, similar.written(released))
        prose = {cell.name for cell in lesson.of("answer")}
        found = similar.similar(answers, known, prose)
    similar.show(found, f"{lesson.name}: {len(answers)} learners", console, args.most)
    return 0


def _has_gradebook(args: argparse.Namespace) -> Path:
    """The course folder, in which a gradebook is; told before anything that takes a while."""
    place = _place(args)
    if not args.db and not (place / "gradebook.db").exists():
        where = f" --course {args.course}" if args.course else ""
        first = f"python3 grader autograde LESSON{where}"
        raise CourseError(f"{place} has no gradebook.db: run `{first}` first.")
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
    if args.what == "lines":
        from grader.bench import lines

        print(*lines.table(ROOT), sep="\n")
        return 0
    if args.what == "explorers":
        from grader import environment
        from grader.authoring.reading import read_all

        environment.add("tests", "website")
        from grader.bench import explorers

        for row in explorers.table(read_all(SOLUTIONS)):
            print(row, flush=True)
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
    from grader.paper import tables, terminal

    names = list(tables.TABLES) if args.table == "all" else [args.table]
    try:
        for name in names:
            terminal.command(name, args.data, args.device, args.size, args.seeds, args.updates)
    except KeyboardInterrupt:
        print(
            "stopped. The same command goes on from here: what is finished is kept, and at most "
            "two minutes of the rest are lost.",
            file=sys.stderr,
        )
        return 130
    return 0


def _gpu(args: argparse.Namespace) -> int:
    if args.bundle:
        from grader.gpu import bundle

        folders = [str(path.relative_to(ROOT)) for path in bundle.make()]
        print(f"written: {', '.join(folders)}. Bring them along with the course's folder.")
        return 0
    from grader.gpu import run

    return run.command(args.only, args.rehearse, args.seconds)


def _submit(args: argparse.Namespace) -> int:
    from grader.grading.choice import names

    lessons = names(args.lessons, print)
    from grader.submit import submit, wait

    times = {}
    for lesson in lessons:
        times[lesson] = submit(lesson)
        print(f"{lesson} is handed in, at {times[lesson]}.", flush=True)
    try:
        for lesson in lessons if args.wait else ():
            print(f"waiting for the page of {lesson}; Ctrl-C ends that", flush=True)
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
        website.build(read_all(SOLUTIONS), to, Console(), self_hosted=args.self_hosted)
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


FOR_LEARNERS = ("lab", "grade", "doctor", "submit")
"""The commands that need no solutions/."""
COMMANDS = {
    "lab": _lab,
    "test": _test,
    "new": _new,
    "build": _build,
    "check": _check,
    "grade": _grade,
    "assign": _assign,
    "collect": _collect,
    "autograde": _autograde,
    "watch": _watch,
    "doctor": _doctor,
    "report": _report,
    "export": _export,
    "pack": _pack,
    "template": _template,
    "similar": _similar,
    "bench": _bench,
    "paper": _paper,
    "gpu": _gpu,
    "submit": _submit,
    "site": _site,
    "demo": _demo,
    "hub": _hub,
}
