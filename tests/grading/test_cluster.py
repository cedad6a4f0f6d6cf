"""Grading on a cluster: a real Dask scheduler and workers, as processes of their own, with TLS."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import pickletools
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dask
import pytest

import classroom
import interruption
from grader.errors import CourseError
from grader.grading import cluster
from grader.grading.cluster import Cluster
from grader.grading.task import Task

pytestmark = [
    pytest.mark.slow(minutes=0.7),
    pytest.mark.xdist_group("cluster"),
    # Dask drops, unclosed, the socket of an attempt to connect that came too early.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
    ),
]

TLS = "DASK_DISTRIBUTED__COMM__TLS__"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Dask's configuration for TLS, as environment variables: an authority and what it signed."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=course",
            "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=class", "-keyout", "key.pem",
            "-out", "request.pem")  # fmt: skip
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-days",
            "2", "-CAcreateserial", "-out", "certificate.pem")  # fmt: skip
    names = {f"{TLS}CA_FILE": "ca.pem"}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        names |= {f"{TLS}{role}__CERT": "certificate.pem", f"{TLS}{role}__KEY": "key.pem"}
    return {name: str(folder / file) for name, file in names.items()} | {
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"
    }


@dataclass
class Machines:
    """A scheduler and its workers."""

    environment: dict[str, str]
    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tls://127.0.0.1:{free.getsockname()[1]}"
        self.scheduler = self._start("dask_scheduler", "--host", self.address, "--no-show")

    def worker(self) -> subprocess.Popen[bytes]:
        """Start another worker."""
        return self._start("dask_worker", self.address, "--nthreads", "1", "--no-nanny")

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *arguments, "--no-dashboard"],
            env=classroom.environment() | self.environment, cwd=self.folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def end(self) -> None:
        for process in reversed(self.started):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def machines(
    certificates: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machines]:
    """A scheduler, so far without workers."""
    machines = Machines(certificates, tmp_path_factory.mktemp("machines"))
    yield machines
    machines.end()


@contextlib.contextmanager
def secure(environment: dict[str, str]) -> Iterator[None]:
    """Dask in this process, configured by these environment variables."""
    with dask.config.set(
        dask.config.merge(dask.config.config, dask.config.collect_env(environment))
    ):
        yield


@dataclass
class Run:
    """A class that was graded on a cluster."""

    place: Path
    code: int
    output: str
    rows: Path
    players: set[int]
    """The workers that had players."""


@pytest.fixture(scope="module")
def run(
    machines: Machines, certificates: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Graded by two workers, one of which is killed in the middle."""
    place = tmp_path_factory.mktemp("class")
    interruption.make(place)
    workers = [machines.worker(), machines.worker()]
    rows = place / "rows.json"
    options = ["--scheduler", machines.address, "--no-feedback", "--json", str(rows)]
    process = interruption.started(place, *options, **certificates)
    interruption.reached(process, lambda: len(interruption.graded(place)) >= 4)
    servers = interruption.processes(place, "grader.isolation.forkserver")
    players = {interruption.parent(pid) for pid in servers}
    os.killpg(workers[0].pid, signal.SIGKILL)
    output = "".join(process.communicate(timeout=150))
    return Run(place, process.returncode, output, rows, players & {w.pid for w in workers})


def refusal(address: str) -> str:
    """The one sentence with which a cluster is refused."""
    with pytest.raises(CourseError) as caught:
        Cluster(address, threading.Event()).__enter__()
    sentence = str(caught.value)
    del caught
    gc.collect()  # a client collected while the next one starts would wait for its lock
    assert "\n" not in sentence
    return sentence


def test_a_scheduler_without_workers_is_told(machines: Machines):
    """Is a cluster that has no workers (yet) said to have none?"""
    with secure(machines.environment):
        assert "has no workers" in refusal(machines.address)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "tls://127.0.0.1:1"])
def test_a_scheduler_that_is_not_there_is_told(address: str, monkeypatch: pytest.MonkeyPatch):
    """Is an address at which nobody answers said in one sentence?"""
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    assert address in refusal(address)


def test_a_scheduler_talks_to_nobody_without_a_certificate(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
):
    """Is who has no certificate of the class turned away, in one sentence?"""
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    for address in (machines.address, machines.address.replace("tls", "tcp")):
        assert "no scheduler answers" in refusal(address)


def test_a_lost_worker_costs_nothing(run: Run):
    """With one of two workers killed in the middle: are all rows there, with the right scores?"""
    assert run.code == 0, run.output
    assert (
        classroom.scores(json.loads(run.rows.read_text(encoding="utf-8"))) == interruption.EXPECTED
    )
    assert "killed" not in classroom.outcomes(run.place).values()


def test_the_workers_do_the_work(run: Run):
    """Were learners' cells run by the workers, and not by the machine that asked?"""
    assert len(run.players) == 2


def test_a_lost_scheduler_is_told(run: Run, machines: Machines):
    """Is the loss of the scheduler said in a sentence, and does the next run, here, go on?"""
    process = interruption.started(
        run.place, "--scheduler", machines.address, "--force", "--no-feedback",
        **machines.environment,
    )  # fmt: skip
    before = interruption.when(run.place)
    interruption.reached(process, lambda: interruption.when(run.place) != before)
    os.killpg(machines.scheduler.pid, signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out + err
    assert "was lost" in err and "the same command goes on" in err and "Traceback" not in err


def test_only_plain_data_travels():
    """Does a task's pickle name the grader's own two dataclasses, and nothing else?"""
    task = Task("ann", "00", "{}", "{}", b"{}", hidden=("/x",))
    steps = pickletools.genops(pickle.dumps(task, protocol=3))  # names each class in one word
    named = {arg for operation, arg, _ in steps if operation.name == "GLOBAL"}
    own = {"grader.grading.task Task", "grader.isolation.confinement Limits"}
    assert own <= named <= own | {"copyreg _reconstructor", "builtins object"}, named
