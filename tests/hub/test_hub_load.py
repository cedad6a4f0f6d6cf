"""A class of thirty hands in at the same time, as JupyterLab's Assignment List does it."""

from __future__ import annotations

import concurrent.futures
import json
import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import psutil
import pytest

from classroom import FULL_POINTS, HALF, HALF_POINTS, LESSON, RIGHT
from hub_stage import COURSE, TEACHER, Stage, User
from project import ARTIFACTS

pytestmark = [pytest.mark.slow(minutes=2), pytest.mark.long("a hub of 31 servers")]

LEARNERS = [f"learner{number:02d}" for number in range(1, 31)]
TWICE = LEARNERS[::6]
"""They notice a mistake and hand in again at once."""
AT_ONCE = 4
"""Servers that are started at the same time; the test need not wait for a stampede."""
NAMING = {"course_id": "dropout", "assignment_id": LESSON.name}
NOTEBOOK = f"{LESSON.name}/{LESSON.name}.ipynb"
INBOUND = f"{COURSE}/.hub/exchange/dropout/inbound"
MIB = 1 << 20


@dataclass
class Handed:
    """One submission: whose, what it says of itself, and when its answer came."""

    learner: str
    mark: str
    sent: float
    answered: float = field(default_factory=time.perf_counter)


def answers(learner: str, mark: str) -> dict[str, str]:
    """What a learner writes: every second has all right; who comes again, only then."""
    right = LEARNERS.index(learner) % 2 == 0 and (learner not in TWICE or mark.endswith("again"))
    chosen = RIGHT if right else HALF
    return chosen | {"scale": f"{chosen['scale']}\n# {mark}"}


def fetch(stage: Stage, learner: str) -> tuple[User, dict]:
    """Sign in, fetch the lesson, and open it."""
    user = stage.sign_in(learner)
    user.start()
    fetched = user.post(user.own("assignments/fetch"), json=NAMING)
    assert fetched.ok and fetched.json()["success"], fetched.text
    notebook = user.get(user.own(f"api/contents/{NOTEBOOK}")).json()["content"]
    save(user, notebook, f"{learner} first")
    return user, notebook


def save(user: User, notebook: dict, mark: str) -> None:
    """Write the answers into the notebook and save it, as JupyterLab does."""
    given = answers(user.name, mark)
    for cell in notebook["cells"]:
        cell["source"] = given.get(cell["id"], cell["source"])
    body = {"type": "notebook", "content": notebook}
    assert user.put(user.own(f"api/contents/{NOTEBOOK}"), json=body).ok


def submit(user: User, mark: str) -> Handed:
    """Press Submit."""
    sent = time.perf_counter()
    answer = user.post(user.own("assignments/submit"), json=NAMING)
    assert answer.ok and answer.json()["success"], answer.text
    return Handed(user.name, mark, sent)


def memory(stage: Stage) -> dict[str, list[float]]:
    """MiB (PSS: what is shared is divided by those who share it) of hub, proxy and servers."""
    found: dict[str, list[float]] = {"hub": [], "proxy": [], "server": []}
    kinds = {"jupyterhub_config.py": "hub", "configurable-http-proxy": "proxy",
             "jupyterhub.singleuser": "server"}  # fmt: skip
    for process in psutil.Process(stage.process.pid).children(recursive=True):
        line = " ".join(process.cmdline())
        kind = next((kind for part, kind in kinds.items() if part in line), "")
        if kind and not line.startswith("sh "):
            found[kind].append(process.memory_full_info().pss / MIB)
    return found


def processor_time(stage: Stage) -> float:
    """The seconds of processor time that the hub has used so far, with all that it started."""
    running = psutil.Process(stage.process.pid).children(recursive=True)
    used = [process.cpu_times() for process in running]
    return sum(t.user + t.system + t.children_user + t.children_system for t in used)


def test_thirty_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Do 30 learners who submit together lose nothing, and is all graded as it was handed in?"""
    clock = [time.perf_counter()]
    took = {}

    def lap(what: str) -> None:
        clock.append(time.perf_counter())
        took[what] = round(clock[-1] - clock[-2], 1)

    with Stage(tmp_path_factory.mktemp("load"), LEARNERS) as stage:
        lap("hub")
        teacher = stage.sign_in(TEACHER)
        teacher.start()
        released = teacher.post(teacher.own(f"formgrader/api/assignment/{LESSON.name}/release"))
        assert released.json()["success"], released.text
        alone = memory(stage)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            ready = list(pool.map(lambda learner: fetch(stage, learner), LEARNERS))
        lap("servers")
        before, used = memory(stage), processor_time(stage)
        assert len(before["server"]) == 1 + len(LEARNERS)

        together = threading.Barrier(len(LEARNERS))

        def hand_in(user: User, notebook: dict) -> list[Handed]:
            together.wait(timeout=60)
            handed = [submit(user, f"{user.name} first")]
            if user.name in TWICE:
                save(user, notebook, f"{user.name} again")
                handed.append(submit(user, f"{user.name} again"))
            return handed

        with concurrent.futures.ThreadPoolExecutor(len(LEARNERS)) as pool:
            handed = [one for some in pool.map(hand_in, *zip(*ready, strict=True)) for one in some]
        lap("submit")
        used = processor_time(stage) - used
        after = memory(stage)
        seconds = max(h.answered for h in handed) - min(h.sent for h in handed)
        assert used < len(handed)  # 0.06 s for each, whatever else the machine does

        inbound = stage.run(TEACHER, sys.executable, "-c", READ, INBOUND, LESSON.name)
        arrived = json.loads(inbound.stdout)
        found = Counter((owner, tuple(marks)) for owner, marks in arrived)
        assert found == Counter((h.learner, (h.mark,)) for h in handed)

        collected = teacher.post(teacher.own(f"formgrader/api/assignment/{LESSON.name}/collect"))
        assert collected.json()["success"], collected.text
        lap("collect")
        graded = stage.run(TEACHER, sys.executable, f"{COURSE}/grader", "autograde", "00",
                           "--no-feedback")  # fmt: skip
        assert graded.returncode == 0, graded.stdout + graded.stderr
        lap("grade")
        rows = teacher.get(teacher.own(f"formgrader/api/submissions/{LESSON.name}")).json()
        scores = {row["student"]: row["score"] for row in rows}
        assert scores == {
            learner: HALF_POINTS if number % 2 else FULL_POINTS
            for number, learner in enumerate(LEARNERS)
        }

    waited = [h.answered - h.sent for h in handed]
    figures = {
        "learners": len(LEARNERS),
        "submissions": len(handed),
        "seconds from first request to last answer": round(seconds, 1),
        "seconds of processor time for them": round(used),
        "median seconds of a submission": round(statistics.median(waited), 1),
        "worst seconds of a submission": round(max(waited), 1),
        "MiB of a server, before": round(statistics.mean(before["server"])),
        "MiB of a server, after": round(statistics.mean(after["server"])),
        "MiB of the largest server, after": round(max(after["server"])),
    }
    for part in ("hub", "proxy"):
        for when, found in (("alone", alone), ("before", before), ("after", after)):
            figures[f"MiB of the {part}, {when}"] = round(sum(found[part]))
    figures["seconds for each part"] = took
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "hub-load.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print(json.dumps(figures, indent=1))


# Who owns each folder in the exchange, and which marks its notebook bears.
READ = """
import json, pathlib, re, sys
found = []
for place in pathlib.Path(sys.argv[1]).iterdir():
    text = (place / f"{sys.argv[2]}.ipynb").read_text()
    owner = place.owner()
    assert place.name.startswith(owner + "+")
    found.append((owner, re.findall("# (learner\\\\d+ [a-z]+)", text)))
print(json.dumps(found))
"""
