"""Pyodide for tests: its public server's, or files that stand in for it where that is out of reach.

The folder `DROPOUT_WASM` holds wheels for wasm of NumPy, matplotlib, Pillow and kiwisolver.
Pyodide's runtime comes from npm, and the other packages from PyPI.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from grader.paths import ROOT
from grader.website.lite.pyodide import LOCK, VERSION, Pyodide
from judge import Job

CACHE = ROOT / ".cache" / f"wasm-{VERSION}"
WASM = ["--platform", "pyemscripten_2025_0_wasm32", "--python-version", "3.13",
        "--implementation", "cp", "--abi", "cp313"]  # fmt: skip
PURE = ["--platform", "any", "--python-version", "3.13", "--implementation", "py", "--abi", "none"]
HERE = Path(__file__).resolve().parent
RUN = """import { readFileSync } from "node:fs";
const [runtime, lock, code, ...files] = process.argv.slice(2);
const { loadPyodide } = await import(runtime);
const python = await loadPyodide({ lockFileURL: lock, packages: ["ipython", "dropoutlab"] });
for (const file of files)
  python.FS.writeFile(file.split("/").at(-1), readFileSync(file, "utf8"));
await python.runPythonAsync(code);
"""


def pyodide(tmp: Path) -> Pyodide:
    """The public server's; or, if `DROPOUT_WASM` is set, what stands in for it, in `.cache`."""
    given = os.environ.get("DROPOUT_WASM")
    if not given:
        return Pyodide()
    CACHE.mkdir(parents=True, exist_ok=True)
    for wheel in Path(given).glob("*.whl"):
        shutil.copyfile(wheel, CACHE / wheel.name)
    packages = json.loads(LOCK.read_text(encoding="utf-8"))["packages"]
    for name, about in packages.items():
        if name not in _wheels():
            _bring(name, about["version"])
    if not (CACHE / f"pyodide-{VERSION}.tgz").exists():
        run("npm", "pack", f"pyodide@{VERSION}", "--silent", "--pack-destination", CACHE)
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    for name, wheel in _wheels().items():
        if name in lock["packages"]:
            lock["packages"][name] |= {
                "file_name": wheel.name, "version": wheel.name.split("-")[1],
                "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
            }  # fmt: skip
    lock["packages"]["sqlite3"]["package_type"] = "package"
    return Pyodide(CACHE.as_uri(), f"{CACHE.as_uri()}/pyodide-{VERSION}.tgz", lock, tmp)


def _wheels() -> dict[str, Path]:
    return {re.sub(r"[-_.]+", "-", p.name.split("-")[0]).lower(): p for p in CACHE.glob("*.whl")}


def _bring(name: str, version: str) -> None:
    """A wheel from PyPI of this version, or of the nearest; an empty one of sqlite3."""
    if name == "sqlite3":  # a part of Python, which nothing here uses
        with zipfile.ZipFile(CACHE / f"sqlite3-{version}-py3-none-any.whl", "w") as wheel:
            about = f"Metadata-Version: 2.1\nName: sqlite3\nVersion: {version}\n"
            wheel.writestr(f"sqlite3-{version}.dist-info/METADATA", about)
        return
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
           "--disable-pip-version-check", "--dest", CACHE]  # fmt: skip
    for kind in (PURE, WASM):
        for wanted in (f"{name}=={version}", name):
            with contextlib.suppress(subprocess.CalledProcessError):
                return run(*pip, *kind, wanted)
    raise FileNotFoundError(f"PyPI has no wheel of {name} for Pyodide")


def run(*command: str | Path, **how: Any) -> Any:
    """Run a command and return what it prints; Node's are looked for, and skip the test."""
    program = shutil.which(command[0])
    if program is None:
        missing = f"no {command[0]} was found: install Node.js"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    done = subprocess.run(
        [program, *command[1:]], check=True, capture_output=True, text=True, **how
    )
    return done.stdout


def judged(jobs: dict[str, Job], site: Path, tmp: Path) -> dict[str, dict[str, str]]:
    """What checks say of answers in a browser's Python, which Node runs: `judge.verdicts`."""
    static = site / "static"
    (tmp / "run.mjs").write_text(RUN, encoding="utf-8")
    (tmp / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    run("npm", "install", "--silent", "--prefix", tmp, f"pyodide@{VERSION}")
    said = run(
        "node", tmp / "run.mjs", tmp / "node_modules" / "pyodide" / "pyodide.mjs",
        static / "pyodide-lock.json", 'import judge; judge.main("jobs.json")',
        HERE / "judge.py", tmp / "jobs.json",
    )  # fmt: skip
    lines = [line.removeprefix("found ") for line in said.splitlines() if line.startswith("found ")]
    return dict(map(json.loads, lines))
