"""Results of training, for a machine that cannot train: a browser, which has no PyTorch.

When a lesson is run for the site, each function that is marked `@kept` writes what it returned into
the folder `DROPOUT_KEEP`, under a digest of what it was called with. The site has these files, and
there the same call fetches the same result.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import os
import pickle
import zlib
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from dropoutlab.data import ROOT

P = ParamSpec("P")
T = TypeVar("T")
INDEX = ROOT / "datasets" / "kept.json"
"""For each call its file on the site; a clone has no such list, and trains."""
FOLDER = "static/kept"
"""Where the site has the files."""


within: list[str] = []
"""The calls that are being made."""


def kept(train: Callable[P, T]) -> Callable[P, T]:
    """Return what was kept of this call, if anything was; else make it, and keep it if asked to."""

    @wraps(train)
    def run(*args: P.args, **how: P.kwargs) -> T:
        given = inspect.signature(train).bind(*args, **how)
        given.apply_defaults()
        name = f"{digest([train.__module__, train.__name__, given.arguments])}.pickle.z"
        if INDEX.exists() and name in (files := json.loads(INDEX.read_text(encoding="utf-8"))):
            return pickle.loads(zlib.decompress(fetched(f"{FOLDER}/{files[name]}")))
        within.append(name)  # what it calls itself need not be kept
        try:
            result = train(*args, **how)
        except ModuleNotFoundError as error:
            raise RuntimeError(
                f"`{train.__name__}` needs {error.name}, which a browser does not have, and only "
                "the lesson's own call was computed beforehand. Clone the course to change it."
            ) from None
        finally:
            within.pop()
        if (folder := os.environ.get("DROPOUT_KEEP")) and not within:
            Path(folder, name).write_bytes(zlib.compress(pickle.dumps(plain(result))))
        return result

    return run


def fetched(path: str) -> bytes:
    """A file of the site, by its path from where the site's JupyterLite lies."""
    from js import XMLHttpRequest, location  # type: ignore[import-not-found]

    request = XMLHttpRequest.new()
    request.open("GET", f"{location.href.partition('/extensions/')[0]}/{path}", False)
    request.responseType = "arraybuffer"
    try:
        request.send()
    except Exception:  # what a browser raises without a network
        raise RuntimeError(
            f"{path} cannot be fetched: connect to the network and try again"
        ) from None
    if request.status != 200:
        raise RuntimeError(f"the site sent {request.status} for {path}: reload the page")
    return request.response.to_bytes()


def digest(value: Any) -> str:
    """A digest of numbers, strings, arrays and containers, the same on every machine.

    Of whole numbers the size in memory does not count: a browser's are shorter.
    """
    return hashlib.sha256(_told(value)).hexdigest()[:24]


def _told(value: Any) -> bytes:
    if isinstance(value, Mapping):
        return b"{%s}" % b",".join(_told(pair) for pair in sorted(value.items()))
    if isinstance(value, list | tuple | range):
        value = list(value)
        if not all(isinstance(entry, int | float | np.number) for entry in value):
            return b"[%s]" % b",".join(map(_told, value))
    if isinstance(value, list | np.ndarray | int | float | np.number):
        array = np.asarray(value)
        plain = array.astype("<f8" if array.dtype.kind == "f" else "<i8")
        return f"{array.shape}{plain.dtype}".encode() + plain.tobytes()
    if value is None or isinstance(value, str):
        return repr(value).encode()
    raise TypeError(f"a call with a {type(value).__name__} cannot be kept")


def plain(result: Any) -> Any:
    """A result with arrays of half precision in place of tensors, so that it is small and loads."""
    if isinstance(result, Mapping):
        return {key: plain(value) for key, value in result.items()}
    if isinstance(result, list | tuple):
        return type(result)(map(plain, result))
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        fields = {f.name: plain(getattr(result, f.name)) for f in dataclasses.fields(result)}
        return dataclasses.replace(result, **fields)
    if hasattr(result, "detach"):
        return result.detach().cpu().numpy().astype(np.float16)
    return result
