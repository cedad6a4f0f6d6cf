"""How fast processors are at the moment: what else runs on a core's twin can halve that."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

TASK = "sum(i * i for i in range(2_000_000))"
USUAL = 0.15
"""Seconds of processor time that the task takes where no neighbour shares caches and units."""


def slow() -> float:
    """How many times as long the task takes now; 1 where it is as fast as usual."""
    begin = time.process_time()
    eval(TASK)
    return max(1.0, (time.process_time() - begin) / USUAL)


IN_PAGE = """new Promise((done) => requestAnimationFrame(() => {
  const place = document.createElement("div");
  document.body.append(place);
  for (let round = 0; round < 6; round++) {
    const parts = [];
    for (let i = 0; i < 300; i++) {
      const [x, y] = [(i * 7.3 + round) % 800, (i * 3.1) % 300];
      parts.push(`<rect x="${x.toFixed(2)}" y="${y}" width="9" height="9" fill="green"></rect>`);
      parts.push(`<text x="${x.toFixed(2)}" y="${y}" font-size="12">${i + round}</text>`);
    }
    place.innerHTML = `<svg width="800" height="300">${parts.join("")}</svg>`;
    place.getBoundingClientRect();
  }
  place.remove();
  done(place.childNodes.length);
}))"""
USUAL_IN_PAGE = 40.0
"""Milliseconds that this task takes, once compiled, where no other program shares the core.

It draws, as what is measured beside it does: neighbours that use a core's caches and memory slow
drawing four times as much as they slow arithmetic.
"""


def in_page(page: Page, moves: Callable[[], int], rounds: int = 3) -> float:
    """Milliseconds of a page's own thread for a move, the best of some rounds.

    A round makes some moves and tells how many. A busy machine makes all slower, so a task that
    is known is measured beside it, in the same thread.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
    session.send("Performance.enable")

    def spent() -> float:
        metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        return 1000 * sum(
            metrics[f"{kind}Duration"] for kind in ("Script", "Layout", "RecalcStyle")
        )

    for _ in range(4):
        page.evaluate(IN_PAGE)  # until it is compiled
    each = []
    for _ in range(rounds):
        start = spent()
        page.evaluate(IN_PAGE)
        before = spent()
        made = moves()
        taken = spent() - before
        each.append(taken / made / max(1, (before - start) / USUAL_IN_PAGE))
    session.detach()
    return min(each)
