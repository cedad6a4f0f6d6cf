"""Pyodide, the Python that runs in a browser: what a lesson needs of it, and where that comes from.

`pyodide-lock.json` here is the part of Pyodide's own file of that name which lessons need. Browsers
compare each package with its sum; so does a build that brings the packages to the site.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from grader.errors import CourseError
from grader.paths import ROOT

VERSION = "0.29.3"
"""The one that jupyterlite-pyodide-kernel is made for."""
LOCK = Path(__file__).with_name("pyodide-lock.json")
CACHE = ROOT / ".cache" / f"pyodide-{VERSION}"
RUNTIME = ("pyodide.js", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")
INTEGRITY = (
    "22UBuhOJawj7vKUnS7/F3xK+515LJdjiMAHoCfuS6/PbHiOrSQVnYwDe+2sbVwiOZ3sMMexdXICew6NqOMQGgA=="
)
"""SHA-512 of the runtime's archive, as npm publishes it."""


def _lock() -> dict[str, Any]:
    return json.loads(LOCK.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Pyodide:
    """A distribution of Pyodide: its packages on a server, and its runtime in an archive."""

    server: str = f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full"
    runtime: str = f"https://registry.npmjs.org/pyodide/-/pyodide-{VERSION}.tgz"
    lock: dict[str, Any] = field(default_factory=_lock)
    cache: Path = CACHE

    @property
    def script(self) -> str:
        """Where browsers find the runtime, unless a site has its own."""
        return f"{self.server}/pyodide.js"

    def packages(self, folder: str = "") -> dict[str, Any]:
        """The lock's packages, each at an address: on the server, or in a `folder` beside."""
        at = folder or self.server
        return {
            name: about | {"file_name": f"{at}/{about['file_name']}"}
            for name, about in self.lock["packages"].items()
        }

    def bring(self, folder: Path) -> None:
        """Put packages and runtime into a folder, from the server or from the cache.

        Raises CourseError where something cannot be had, or is not what it should be.
        """
        folder.mkdir(parents=True)
        for about in self.lock["packages"].values():
            name = about["file_name"]
            content = self._fetched(f"{self.server}/{name}", "sha256", about["sha256"])
            (folder / name).write_bytes(content)
        packed = self._fetched(self.runtime, "sha512", base64.b64decode(INTEGRITY).hex())
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            for name in RUNTIME:
                part = archive.extractfile(f"package/{name}")
                assert part is not None, name
                (folder / name).write_bytes(part.read())

    def _fetched(self, url: str, kind: str, digest: str) -> bytes:
        """The file at an address, once it is in the cache from there; its sum is looked at."""
        kept = self.cache / url.rpartition("/")[2]
        if kept.exists() and hashlib.new(kind, content := kept.read_bytes()).hexdigest() == digest:
            return content
        try:
            with urlopen(url, timeout=60) as answer:
                content = answer.read()
        except (OSError, HTTPError, HTTPException) as error:
            raise CourseError(
                f"{url} cannot be had ({error}). `--self-hosted` brings Pyodide to the site and "
                "needs a network; without it the site is made offline, and browsers ask there."
            ) from None
        if hashlib.new(kind, content).hexdigest() != digest:
            raise CourseError(
                f"{url} sent another file than Pyodide {VERSION} has there (its sum differs), and "
                "nothing was kept: make the site again, from another network if this one asks for "
                "a log-in."
            )
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
        return content
