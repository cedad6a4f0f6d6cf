"""Explorers that the browser draws: Python calls the learner's function, once, for a table.

`NAME.js` beside `NAME.py` turns the table and the controls' places into panels and a sentence. It
draws with `kit.js`, needs no kernel, and is tested without a browser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike

from dropoutlab import expect

HERE = Path(__file__).parent
KINDS = {"int8", "uint8", "uint16", "int16", "int32", "float32"}
"""The dtypes that travel; others become the nearest of them."""
IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)


@dataclass(frozen=True)
class Control:
    """A control: its label, the values that it takes, the words of each, and where it starts.

    kind : "slider"; "again", a button that takes the next; "hidden", which drawings alone move
    """

    label: str
    values: Sequence[float | str]
    start: int
    words: Sequence[str]
    kind: str = "slider"


def grid(label: str, value: float, low: float, high: float, step: float) -> Control:
    """A slider over low, low + step, … high, which starts at `value`."""
    digits = max(len(f"{number:g}".partition(".")[2]) for number in (low, step))
    count = round((high - low) / step) + 1
    values = [round(low + step * i, digits) for i in range(count)]
    if not digits:
        values = [int(v) for v in values]
    start = int(np.argmin(np.abs(np.subtract(values, value))))
    return Control(label, values, start, [f"{v:.{digits}f}" for v in values])


def choice(label: str, value: float | str, options: Sequence[float | str]) -> Control:
    """A slider over some values, named or not evenly spaced."""
    words = [option if isinstance(option, str) else f"{option:g}" for option in options]
    return Control(label, list(options), list(options).index(value), words)


def again(label: str, draws: int, start: int = 0) -> Control:
    """A button that shows the next of some draws, and after the last the first."""
    return Control(label, list(range(draws)), start, [str(i) for i in range(draws)], "again")


class Explorer(anywidget.AnyWidget):
    """The controls and the table of one explorer; `at` has each control's place.

    `script` is the stem of its JavaScript. `table()` calls the learner's functions over the values
    of all controls and returns arrays by name. Where it fails, `trouble` says so in a sentence.
    """

    controls = traitlets.List(traitlets.Dict()).tag(sync=True)
    at = traitlets.Dict().tag(sync=True)
    arrays = traitlets.List(traitlets.Dict()).tag(sync=True)
    table = traitlets.Bytes().tag(sync=True)
    trouble = traitlets.Unicode().tag(sync=True)
    script = traitlets.Unicode().tag(sync=True)
    _css = (HERE / "kit.css").read_text(encoding="utf-8")

    def __init__(
        self, script: str, table: Callable[[], Mapping[str, ArrayLike]], /, **controls: Control
    ):
        trouble, arrays = "", {}
        try:
            arrays = {name: packed(values) for name, values in table().items()}
        except Exception as error:  # the learner's functions run here
            trouble = f"Your function stopped with {type(error).__name__}: {error}"
            if expect.unwritten(error):
                trouble = "Not written yet: write the exercise above, run its cell, then this one."
        listed, data = [], b""
        for name, array in arrays.items():
            data += bytes(-len(data) % 4)
            listed.append({"name": name, "kind": array.dtype.name, "shape": list(array.shape),
                           "offset": len(data)})  # fmt: skip
            data += array.tobytes()
        super().__init__(
            controls=[{"name": name} | vars(control) for name, control in controls.items()],
            at={name: control.start for name, control in controls.items()},
            arrays=listed, table=data, trouble=trouble, script=script, _esm=module(script),
        )  # fmt: skip

    def __repr__(self) -> str:
        """What stands in a notebook where no widget can be shown."""
        return f"The explorer {self.script}. Run this cell to move its controls."


def packed(values: ArrayLike) -> np.ndarray:
    """The values in a dtype that travels, in C order; what is not finite is refused."""
    array = np.asarray(values)
    if array.dtype.name not in KINDS:
        wanted = {"b": "uint8", "i": "int32", "u": "int32"}.get(array.dtype.kind, "float32")
        array = array.astype(wanted)
    if not np.isfinite(array).all():
        raise ValueError("a result holds NaN or an infinity")
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))


def module(script: str) -> str:
    """One ES module of an explorer's script and of those that it imports, `kit.js` before all."""
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        text = (HERE / f"{name}.js").read_text(encoding="utf-8")
        for other in IMPORT.findall(text):
            if other not in parts:
                add(other)
        parts[name] = IMPORT.sub("", text)

    add(script)
    if next(iter(parts)) != "kit":
        raise ValueError(f'{script}.js must begin with: import {{ … }} from "./kit.js";')
    return "".join(parts.values())
