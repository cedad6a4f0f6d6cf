"""An explorer's JavaScript, run without a browser: what it draws, and what it says."""

from __future__ import annotations

import json
from typing import Any, Protocol

from py_mini_racer import MiniRacer

from dropoutlab.explore.explorer import module

TIMEOUT = 20_000  # milliseconds


class View(Protocol):
    """An explorer, or what was kept of one."""

    script: str
    controls: list[dict]
    at: dict[str, int]
    arrays: list[dict]
    table: bytes


class Script:
    """The script of one explorer, over its table."""

    def __init__(self, explorer: View):
        self.explorer = explorer
        self._context = MiniRacer()
        source = module(explorer.script).replace("export default ", "const chosen = ")
        self._context.eval(source.replace("export ", ""))
        arrays, data = json.dumps(explorer.arrays), json.dumps(list(explorer.table))
        self._context.eval(
            f"const table = unpacked({arrays}, Uint8Array.from({data}));"
            f"const controls = {json.dumps(explorer.controls)};"
        )

    def evaluate(self, expression: str) -> Any:
        """The value of an expression that sees `table`, `controls` and `chosen.spec`."""
        return json.loads(str(self._context.eval(f"JSON.stringify({expression})", timeout=TIMEOUT)))

    def drawn(self, *, finished: bool = False, **at: int) -> tuple[list[str], str]:
        """The panels' SVG and the sentence, with some controls moved to these places.

        finished : whether what runs on by itself is at its end, not at its beginning
        """
        places = json.dumps(self.explorer.at | at)
        return self.evaluate(
            f"""((run) => {{
              while ({json.dumps(finished)} && run && !run.done) run.step();
              const {{panels, says}} = drawn(chosen.spec, table, controls, {places}, run);
              return [panels.map((panel) => panel.svg), says];
            }})(begun(chosen.spec, table, controls, {places}))"""
        )

    def tries(self) -> list[tuple[str, dict[str, int]]]:
        """The views that the explorer proposes: their words, and the places that they lead to."""
        return self.evaluate(
            "(chosen.spec.tries ?? []).map(([words, to]) => [words, places(controls, to)])"
        )
