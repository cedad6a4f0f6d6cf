"""The commands: `python3 grader lab | test | build | grade | submit | demo`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from grader.course import CourseError
from grader.lesson import LessonError


def main(argv: list[str]) -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python3 grader", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="make lessons/ from solutions/")
    build.add_argument("--check", action="store_true", help="only say what would change")
    build.set_defaults(run=_build)

    args = parser.parse_args(argv)
    # nbgrader and JupyterLab start `alembic` and `jupyter` by name: those beside this Python.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    try:
        return args.run(args)
    except (CourseError, LessonError) as error:
        print(error, file=sys.stderr)
        return 1


def _build(args: argparse.Namespace) -> int:
    from grader.build import build

    changed = build(check=args.check)
    if args.check and changed:
        print(f"not as solutions/ has them: {', '.join(changed)}. Run `python3 grader build`.")
        return 1
    print(f"built: {', '.join(changed)}" if changed else "lessons/ is as solutions/ has it.")
    return 0
