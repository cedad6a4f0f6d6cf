"""Run a command of the course: `python3 grader lab`, from any folder, with any Python from 3.11.

Every Python reads this file, an old one only to say so: hence its plain syntax.
"""

import os
import sys

if __name__ == "__main__":
    if __package__:  # python -m grader: the packages are there
        os.environ.pop("PYTHONSAFEPATH", None)  # `environment` set it for this process alone
        from grader.cli import main

        sys.exit(main(sys.argv[1:]))

    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(
            "The course needs Python 3.11 or newer and this is {}.{}. "
            "Run the same command with a newer one, such as python3.12.".format(*sys.version_info)
        )
    import environment  # type: ignore[import-not-found]  # this folder leads the path

    sys.exit(environment.start(sys.argv[1:]))
