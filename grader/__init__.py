"""Everything that builds, runs and grades the course: `python3 grader --help`."""

import os
import sys

# nbgrader starts `alembic` by its name: let that be the one beside this Python.
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
