"""The lessons that run in a reader's browser, beside the site's pages: JupyterLite with Pyodide.

Each lesson is there as nbgrader releases it, so what a learner downloads is graded as any other.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from dropoutlab.kept import FOLDER as RESULTS
from grader.authoring.build import generate
from grader.authoring.lesson import Lesson
from grader.errors import CourseError
from grader.paths import ROOT
from grader.website.lite import needs, wheels
from grader.website.lite.pyodide import RUNTIME, VERSION, Pyodide

HERE = Path(__file__).resolve().parent
FOLDER = "lite"
"""Where it stands on the site."""
PYODIDE = f"pyodide-{VERSION}"
"""Where a site that brings Pyodide has it, below `static`."""
OWN = (ROOT / "grader" / "jupyter" / "labextensions" / "dropout", HERE / "extension")
"""The course's own extensions of JupyterLab."""
KERNEL = "@jupyterlite/pyodide-kernel-extension"
EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "anywidget", KERNEL)
"""Of JupyterLab's extensions that are installed, those that lessons need."""
PRELOADED = (
    "micropip", "piplite", "sqlite3", "ipykernel", "comm", "pyodide_kernel", "jedi", "ipython",
    "dropoutlab",
)  # fmt: skip
"""What a kernel begins with. It would ask for all but the last one by one, and PyPI for some."""


SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "defer"},
    "@jupyterlab/docmanager-extension:plugin": {"autosaveInterval": 10},  # seconds
}
"""Of JupyterLab's plugins."""
ELSEWHERE = """# {title}

This lesson needs {needs}, which a browser does not run. Work on it in a clone of the course:

```
git clone {repository} dropout && cd dropout
python3 grader lab
```
"""
"""What stands in place of a lesson that does not run here."""
WORKER = {
    # browsers stop it when it is idle; started again, it has forgotten that it was asked to keep
    "let enableCache=!1": "let enableCache=!0",
    # what it has it asks for again, to have the newest: not where another content has another name
    "a?e.waitUntil(refetch(t))": "a?a.ok&&{named}.test(t.url)||e.waitUntil(refetch(t))",
}
"""What JupyterLite's service worker has, and what it has here."""
NAMED = r"/\.whl$|\.[0-9a-f]{7,}\.js|\/kept\/.*-|\/pyodide(-|\/v)" + re.escape(VERSION) + r"\//"
"""Addresses whose content never changes: a version or a digest is in them."""
REPOSITORY = "https://github.com/OWNER/NAME"


def address(lesson: Lesson) -> str:
    """Where a page of the site finds a lesson that runs."""
    return f"{FOLDER}/notebooks/index.html?path={lesson.name}/{lesson.name}.ipynb"


def build(
    lessons: Mapping[Lesson, Mapping[str, bytes]],
    to: Path,
    *,
    pyodide: Pyodide | None = None,
    self_hosted: bool = False,
) -> None:
    """Make it in the new folder `to`.

    lessons : for each what it trained when it was run, see `finished.trained`; of those that a
        browser cannot run, the notebook says so
    self_hosted : whether Pyodide is brought to the site, which then asks no other host
    """
    pyodide = pyodide or Pyodide()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        static = source / "static"
        static.mkdir(parents=True)
        runs = [lesson for lesson in lessons if not needs.missing(lesson)]
        _notebooks(runs, source / "files")
        _elsewhere([lesson for lesson in lessons if lesson not in runs], source / "files")
        kept = _results({lesson: lessons[lesson] for lesson in runs}, source / RESULTS)
        files = _locked(static, pyodide, self_hosted, wheels.course(static, kept))
        _configured(source, pyodide, self_hosted)
        _jupyterlite(source, to)
        _remembering(to / "service-worker.js")
        _begun_early(to / "notebooks" / "index.html", files)
        shutil.copytree(static, to / "static", dirs_exist_ok=True)


def _notebooks(lessons: list[Lesson], to: Path) -> None:
    """The lessons as nbgrader releases them: not the files in lessons/, which may be answered."""
    with tempfile.TemporaryDirectory() as folder:
        for name, notebook in generate(lessons, Path(folder)).items():
            (to / name).mkdir(parents=True)
            shutil.copyfile(notebook, to / name / notebook.name)


def _elsewhere(lessons: list[Lesson], to: Path) -> None:
    """In place of lessons that do not run here: notebooks that say why, and where they do."""
    for lesson in lessons:
        words = " and ".join(needs.missing(lesson))
        text = ELSEWHERE.format(title=lesson.title, needs=words, repository=REPOSITORY)
        (to / lesson.name).mkdir(parents=True)
        notebook = new_notebook(cells=[new_markdown_cell(text, id="elsewhere")])
        nbformat.write(notebook, to / lesson.name / f"{lesson.name}.ipynb")


def _results(lessons: Mapping[Lesson, Mapping[str, bytes]], to: Path) -> dict[str, str]:
    """Write what lessons trained, and for each lesson a list of it; the files by calls' names.

    A file is named by its content too, so that no browser keeps an old one.
    """
    to.mkdir(parents=True)
    files: dict[str, str] = {}
    for lesson, results in lessons.items():
        own = {
            name: f"{hashlib.sha256(made).hexdigest()[:8]}-{name}" for name, made in results.items()
        }
        for name, made in results.items():
            (to / own[name]).write_bytes(made)
        (to / f"{lesson.name}.json").write_text(json.dumps(sorted(own.values())), encoding="utf-8")
        files |= own
    return files


def _locked(static: Path, pyodide: Pyodide, self_hosted: bool, course: dict[str, Any]) -> list[str]:
    """Write the lock of all packages, and those that are neither Pyodide's nor the `course`.

    Returns where these packages and the runtime are: on a server, or from the lock.
    """
    if self_hosted:
        pyodide.bring(static / PYODIDE)
    packages = pyodide.packages(PYODIDE if self_hosted else "")
    kernel = labextension(KERNEL) / "static" / "pypi"
    for wheel in kernel.glob("*.whl"):
        if not wheel.name.startswith("widgetsnbextension"):
            about = wheels.described(wheel, f"../extensions/{KERNEL}/static/pypi/{wheel.name}")
            packages[about["name"]] = about
    own = [
        wheels.installed(static, "comm", "traitlets"),
        wheels.installed(static, "ipywidgets", "comm", "ipython", "traitlets"),
        wheels.installed(static, "psygnal"),
        wheels.installed(static, "anywidget", "ipywidgets", "psygnal", "typing-extensions"),
        course,
    ]
    packages |= {about["name"]: about for about in own}
    lock = {"info": pyodide.lock["info"], "packages": packages}
    (static / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
    runtime = [f"{PYODIDE if self_hosted else pyodide.server}/{name}" for name in RUNTIME]
    return runtime + [about["file_name"] for about in packages.values()]


def _configured(source: Path, pyodide: Pyodide, self_hosted: bool) -> None:
    """Write JupyterLite's own settings."""
    kernel = {
        "pyodideUrl": f"./static/{PYODIDE}/pyodide.js" if self_hosted else pyodide.script,
        "disablePyPIFallback": self_hosted,
        "loadPyodideOptions": {
            "lockFileURL": "./static/pyodide-lock.json", "packages": list(PRELOADED),
        },
    }  # fmt: skip
    data = {
        "appName": "Dropout from Scratch",
        "enableServiceWorkerCache": "true",
        "litePluginSettings": {f"{KERNEL}:kernel": kernel},
    }
    (source / "overrides.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    settings: dict[str, Any] = {"jupyter-lite-schema-version": 0, "jupyter-config-data": data}
    (source / "jupyter-lite.json").write_text(json.dumps(settings), encoding="utf-8")


def _jupyterlite(source: Path, to: Path) -> None:
    """Let JupyterLite make its site of what `source` holds."""
    settings = {
        "lite_dir": source,
        "output_dir": to,
        "contents": [source / "files"],
        "apps": ["notebooks"],
        "ignore_sys_prefix": True,
        "federated_extensions": [*OWN, *map(labextension, EXTENSIONS)],
        "no_sourcemaps": True,
        "no_unused_shared_packages": True,
        "no_libarchive": True,
    }
    (source / "jupyter_lite_config.json").write_text(
        json.dumps({"LiteBuildConfig": settings}, default=str), encoding="utf-8"
    )
    run = subprocess.run(
        [sys.executable, "-m", "jupyterlite_core", "build"],
        cwd=source, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if run.returncode:
        raise CourseError(f"JupyterLite could not be made:\n{run.stdout}{run.stderr}")


def _remembering(worker: Path) -> None:
    """Have JupyterLite's service worker keep what it fetched, and not ask for it in vain."""
    text = worker.read_text(encoding="utf-8")
    for theirs, ours in WORKER.items():
        if text.count(theirs) != 1:
            raise CourseError("JupyterLite's service worker is another than expected: see WORKER.")
        text = text.replace(theirs, ours.replace("{named}", NAMED))
    worker.write_text(text, encoding="utf-8")


def _begun_early(page: Path, files: list[str]) -> None:
    """Let browsers fetch Python while JupyterLite starts, which asks for it when it has."""
    addresses = [file if "://" in file else f"../static/{file}" for file in files]
    link = '<link rel="prefetch" href="{}" crossorigin="anonymous" />\n'
    links = "".join(map(link.format, addresses))
    text = page.read_text(encoding="utf-8")
    if "</head>" not in text:
        raise CourseError("JupyterLite's page is another than expected: it has no </head>.")
    page.write_text(text.replace("</head>", f"{links}</head>", 1), encoding="utf-8")


def labextension(name: str) -> Path:
    """The folder of an extension of JupyterLab that is installed here."""
    package = {
        "anywidget": "anywidget",
        KERNEL: "jupyterlite-pyodide-kernel",
    }.get(name, "jupyterlab-widgets")
    here = distribution(package)
    end = f"labextensions/{name}/package.json"
    for path in here.files or []:
        if path.as_posix().endswith(end):
            return Path(str(here.locate_file(path))).resolve().parent
    raise CourseError(f"{package} has no extension {name} here: install it anew.")
