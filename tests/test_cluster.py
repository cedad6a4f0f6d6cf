"""Grading on a cluster: a real Dask scheduler and workers, as processes of their own, with TLS."""

from __future__ import annotations

import os
import pickle
import pickletools
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import classroom
from classroom import FULL_POINTS, HALF, HALF_POINTS, RIGHT, hand_in, notebook
from grader.judge import Task
from grader.sandbox import Limits
from test_resume import graded, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resume")]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Dask's configuration for TLS, as environment variables: one authority, one key."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=class", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = "DASK_DISTRIBUTED__COMM__TLS__"
    names = {f"{tls}CA_FILE": certificate, "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        names |= {f"{tls}{role}__CERT": certificate, f"{tls}{role}__KEY": key}
    return {name: str(value) for name, value in names.items()}


@pytest.fixture
def cluster(certificates: dict[str, str]) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """The address of a scheduler with two workers, and these."""
    environment = classroom.environment() | certificates
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tls://127.0.0.1:{port}"

    def start(*arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    scheduler = start("dask_scheduler", "--host", address, "--no-dashboard", "--no-show")
    workers = [
        start("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        for _ in range(2)
    ]
    yield address, workers
    for process in (*workers, scheduler):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_lost_worker_costs_nothing(
    cluster: tuple[str, list[subprocess.Popen]], certificates: dict[str, str], tmp_path: Path
):
    """With one of two workers killed in the middle: are all rows there, with the right scores?"""
    address, workers = cluster
    text = classroom.released(tmp_path)
    expected = {f"learner{k:02d}": (0, HALF_POINTS, FULL_POINTS)[k % 3] for k in range(16)}
    for k, learner in enumerate(expected):
        hand_in(tmp_path, learner, notebook(text, ({}, HALF, RIGHT)[k % 3]))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in certificates.items():
            patch.setenv(name, value)
        run = subprocess.Popen(
            classroom.command("autograde", "00", "--course", str(tmp_path), "--scheduler",
                              address, "--no-feedback"),
            env=classroom.environment(), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        wait_for(lambda: len(graded(tmp_path)) >= 3 or run.poll() is not None)
        os.killpg(workers[0].pid, signal.SIGKILL)
        out, err = run.communicate(timeout=180)
    assert run.returncode == 0, out + err
    assert classroom.scores(classroom.rows(tmp_path, "--no-feedback")) == expected


def test_only_plain_data_travels():
    """Does a task hold texts, bytes and numbers alone, so that no learner's object travels?"""
    plain = (str, bytes, bool, tuple, Limits, type(None))
    task = Task("ann", "00", "{}", "{}", b"{}", hidden=("/x",))
    assert all(isinstance(getattr(task, field.name), plain) for field in fields(Task))
    found = [arg for op, arg, _ in pickletools.genops(pickle.dumps(task)) if op.name == "GLOBAL"]
    texts = [arg for op, arg, _ in pickletools.genops(pickle.dumps(task)) if type(arg) is str]
    modules = {text for text in [*found, *texts] if text.startswith(("grader", "dropoutlab"))}
    assert modules <= {"grader.judge", "grader.sandbox"}, modules
