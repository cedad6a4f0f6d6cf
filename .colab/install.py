"""Make a lesson run in Google Colab: `%run dropout/.colab/install.py`, in its first cell.

Colab's own packages stay as they are; only what it lacks is installed, in versions that leave
them alone. Then this kernel finds the course, and its explorers answer.
"""

import importlib.metadata
import re
import site
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = {"# the lessons", "# the notebooks"}  # of requirements.txt
FRONT_ENDS = {"jupyterlab"}  # Colab is one itself


def wanted():
    """The requirements of the lessons by name, as their lines in requirements.txt."""
    lines, section = {}, ""
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            section = line
        elif line and section in SECTIONS:
            lines[re.match(r"[\w.-]+", line)[0]] = line.partition("#")[0].strip()
    return {name: line for name, line in lines.items() if name not in FRONT_ENDS}


def installed(name):
    """Its version here, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def install():
    """Install what is missing, holding what is there."""
    lines = wanted()
    missing = [line for name, line in lines.items() if not installed(name)]
    if missing:
        held = [f"{name}=={installed(name)}\n" for name in lines if installed(name)]
        with tempfile.TemporaryDirectory() as folder:
            constraints = Path(folder, "held.txt")
            constraints.write_text("".join(held))
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", constraints]
            subprocess.run([*pip, *missing], check=True)
    print("installed:", ", ".join(missing) or "nothing, all was there")


install()
site.addsitedir(str(ROOT / "lessons"))  # in this kernel, at once
if "google.colab" in sys.modules:  # its front end draws anywidget's widgets when it is told to
    from google.colab import output

    output.enable_custom_widget_manager()
