"""Wheels for the browser's Python: of the course's package with its data, and of packages here.

Widgets are not in Pyodide. Their packages are Python alone, so what is installed here serves there,
and both are of one version.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from grader.paths import LESSONS, ROOT

PACKAGE = LESSONS / "dropoutlab"
DATA = ("digits.csv.gz", "studies/*.json", "paper/*.json")
"""What lessons read of datasets/."""
NATIVE = {".so", ".pyd", ".dylib", ".pyc"}
"""Endings of what is of one machine; where psygnal has such a file, it has its source too."""
BEGUN = (1980, 1, 1, 0, 0, 0)
"""The time of each file, so that two builds give the same bytes."""


def course(folder: Path, kept: Mapping[str, str]) -> dict[str, Any]:
    """Write the wheel of `dropoutlab`, with the data that it reads; what a lock says of it.

    kept : for results of training their files on the site, see `dropoutlab.kept`
    """
    files = {
        f"dropoutlab/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    data = ROOT / "datasets"
    files |= {
        f"dropoutlab/datasets/{path.relative_to(data).as_posix()}": path.read_bytes()
        for pattern in DATA
        for path in data.glob(pattern)
    }
    files["dropoutlab/datasets/kept.json"] = json.dumps(kept, sort_keys=True).encode()
    about = b"Metadata-Version: 2.1\nName: dropoutlab\nVersion: 0\n"
    files["dropoutlab-0.dist-info/METADATA"] = about
    needs = ["numpy", "matplotlib", "threadpoolctl", "ipython", "anywidget"]
    return _written(folder, "dropoutlab", "0", files, ["dropoutlab"], needs)


def installed(folder: Path, package: str, *needs: str) -> dict[str, Any]:
    """Write a wheel of a package as it is installed here; what a lock says of it."""
    here = distribution(package)
    files = {
        path.as_posix(): Path(str(here.locate_file(path))).read_bytes()
        for path in here.files or []
        if ".." not in path.parts and path.suffix not in NATIVE
    }
    modules = sorted({path.partition("/")[0] for path in files if path.endswith("/__init__.py")})
    return _written(folder, package, here.version, files, modules, list(needs))


def described(wheel: Path, address: str, *needs: str) -> dict[str, Any]:
    """What a lock says of a wheel that is there already, at an address."""
    package, version, *_ = wheel.name.split("-")
    name = re.sub(r"[-_.]+", "-", package).lower()
    return {
        "name": name, "version": version, "file_name": address, "install_dir": "site",
        "package_type": "package", "imports": [package], "depends": list(needs),
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(), "unvendored_tests": False,
    }  # fmt: skip


def _written(
    folder: Path, package: str, version: str, files: Mapping[str, bytes], modules: list[str],
    needs: list[str],
) -> dict[str, Any]:  # fmt: skip
    """Write a wheel, named by its content too, so that no browser keeps an old one."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.encode() + b"\0" + files[path])
    build = f"0_{digest.hexdigest()[:12]}"  # a wheel's build tag begins with a digit
    wheel = folder / f"{package}-{version}-{build}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            archive.writestr(zipfile.ZipInfo(path, BEGUN), files[path], zipfile.ZIP_DEFLATED)
    return described(wheel, wheel.name, *needs) | {"imports": modules}
