"""Everything that builds, runs and grades the course: `python3 grader --help`."""

import os
import sys

# nbgrader starts `alembic` by its name: let that be the one beside this Python.
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])

# jsonschema looks for it, to check a kind of address that no notebook holds; it builds a grammar
# for a second. Without it that one check is left out.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
