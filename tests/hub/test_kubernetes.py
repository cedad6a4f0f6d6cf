"""A class on Kubernetes, as far as it can be tried without a cluster.

The chart's own check of its values, and what else was tried once by hand, stands in
grader/hub/kubernetes/README.md.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jsonschema
import nbformat
import pytest
import requests
import yaml
from nbformat.v4 import new_markdown_cell

from grader import environment
from grader.errors import CourseError
from grader.paths import LESSONS, ROOT

HERE = ROOT / "grader" / "hub" / "kubernetes"
LESSON = "00_start_here"
VALUES = yaml.safe_load((HERE / "values.yaml").read_text(encoding="utf-8"))
GROUPS = VALUES["hub"]["config"]["JupyterHub"]["load_groups"]
NGSHARE = yaml.safe_load((HERE / "ngshare.yaml").read_text(encoding="utf-8"))


SCHEMA = yaml.safe_load("""
additionalProperties: false
properties:
  singleuser:
    additionalProperties: false
    properties:
      image: &image
        additionalProperties: false
        required: [name, tag]
        properties: { name: { type: string }, tag: { type: string } }
      cmd: { type: [array, string, "null"] }
      defaultUrl: { type: [string, "null"] }
      startTimeout: { type: [integer, "null"] }
      cpu: &limits
        additionalProperties: false
        properties:
          guarantee: { type: [number, string, "null"] }
          limit: { type: [number, string, "null"] }
      memory: *limits
      storage:
        additionalProperties: false
        properties: { capacity: { type: [string, "null"] } }
      extraEnv: { type: [object, array] }
  hub:
    additionalProperties: false
    properties:
      config: { type: object }
      loadRoles: { type: object }
      services: { type: object }
  cull:
    additionalProperties: false
    properties:
      enabled: { type: boolean }
      timeout: { type: [integer, "null"] }
      every: { type: [integer, "null"] }
""")
"""What the chart's values.schema.yaml (commit 02dd73d) says of the keys that are used here.

Its other keys are left out, so a new one must be looked up there first.
"""


def test_the_values_are_the_charts():
    """Are all keys and types those of the chart?"""
    jsonschema.validate(VALUES, SCHEMA)


def test_the_two_charts_fit_together():
    """Do hub and ngshare name the same teacher, groups and token, and JupyterLab real folders?"""
    config = VALUES["hub"]["config"]
    (teacher,) = NGSHARE["ngshare"]["admins"]
    assert GROUPS["formgrade-dropout"]["users"] == [teacher]
    everybody = config["Authenticator"]["allowed_users"]
    assert set(GROUPS["nbgrader-dropout"]["users"]) == set(everybody)
    assert VALUES["hub"]["services"]["ngshare"]["apiToken"] == NGSHARE["ngshare"]["hub_api_token"]
    role, spawner = VALUES["hub"]["loadRoles"]["instructor"], config["KubeSpawner"]
    assert set(role["scopes"]) <= set(spawner["server_token_scopes"])
    override = spawner["group_overrides"]["instructor"]
    assert role["groups"] == override["groups"] == ["formgrade-dropout"]
    for variables in (
        VALUES["singleuser"]["extraEnv"],
        override["spawner_override"]["environment"],
    ):
        for folder in variables["JUPYTER_CONFIG_PATH"].split(":"):
            assert list((ROOT / Path(folder).relative_to("/srv/dropout")).glob("*config*"))


def test_learners_get_no_answers():
    """Does the learners' image take folders by name, and none that holds an answer?"""
    text = (HERE / "Dockerfile").read_text(encoding="utf-8")
    stages = re.split(r"^FROM .* AS (\w+)$", text, flags=re.MULTILINE)[1:]
    copied = {
        name: {line.split()[1] for line in stage.splitlines() if line.startswith("COPY ")}
        for name, stage in zip(stages[::2], stages[1::2], strict=True)
    }
    assert all((ROOT / source).exists() for sources in copied.values() for source in sources)
    assert not copied["learner"] & {".", "./", "solutions", ".git", ".course"}
    assert copied["instructor"] == {"solutions"}


# ── the exchange ─────────────────────────────────────────────────────────────────────────────


class Hub(BaseHTTPRequestHandler):
    """What ngshare and nbgrader ask of the hub: whose token is this, and which groups are theirs?

    Here each token is its owner's name, and the groups are those of values.yaml.
    """

    def do_GET(self) -> None:
        name = self.headers.get("Authorization", "").removeprefix("token ")
        groups = [it for it, group in GROUPS.items() if name in group["users"]]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"name": name, "kind": "user", "groups": groups}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Pods:
    """The class: ngshare as it runs in its image, and a folder for each person's pod."""

    def __init__(self, place: Path, python: Path, packages: Path):
        self.place, self.packages = place, packages
        self.hub = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
        threading.Thread(target=self.hub.serve_forever, daemon=True).start()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/services/ngshare"
        self.api = f"http://127.0.0.1:{self.hub.server_port}/hub/api"
        around = {
            "JUPYTERHUB_API_URL": self.api,
            "JUPYTERHUB_API_TOKEN": "ngshare",
            "JUPYTERHUB_CLIENT_ID": "service-ngshare",
            "JUPYTERHUB_SERVICE_PREFIX": "/services/ngshare/",
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
        }
        database = f"sqlite:///{place / 'ngshare.db'}"
        command = [python, "-m", "ngshare", "--admins=teacher", f"--database={database}",
                   f"--storage={place / 'files'}"]  # fmt: skip
        self.log = (place / "ngshare.log").open("w")
        self.service = subprocess.Popen(
            command, env={**os.environ, **around}, stdout=self.log, stderr=self.log
        )
        for _ in range(240):
            try:
                requests.get(f"{self.url}/healthz", timeout=5)
                break
            except requests.RequestException:
                assert self.service.poll() is None, (place / "ngshare.log").read_text()
                time.sleep(0.25)  # between two questions

    def stop(self) -> None:
        self.service.terminate()
        self.service.wait(timeout=30)
        self.log.close()
        self.hub.shutdown()
        self.hub.server_close()

    def run(self, who: str, *command: str) -> str:
        """What a command prints in somebody's pod."""
        home = self.place / who
        home.mkdir(exist_ok=True)
        path = [self.packages, LESSONS, ROOT]
        around = {
            "HOME": str(home),
            "JUPYTERHUB_API_URL": self.api,
            "JUPYTERHUB_USER": who,
            "JUPYTERHUB_API_TOKEN": who,
            "NGSHARE_URL": self.url,
            "DROPOUT_COURSE": str(self.place / "course"),
            "JUPYTER_CONFIG_PATH": os.pathsep.join([str(HERE), str(ROOT / "grader")]),
            "PYTHONPATH": os.pathsep.join(map(str, path)),
        }
        done = subprocess.run(
            [sys.executable, *command], cwd=home, env={**os.environ, **around},
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def nbgrader(self, who: str, verb: str) -> str:
        """What `nbgrader VERB` says."""
        return self.run(who, "-m", "nbgrader", verb, LESSON)

    def ask(self, who: str, path: str) -> int:
        """The status that ngshare answers somebody with."""
        headers = {"Authorization": f"token {who}"}
        return requests.get(f"{self.url}/{path}", headers=headers, timeout=30).status_code


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    place = environment.ROOT / ".course" / "ngshare"
    stamp, wanted = place / "stamp", (HERE / "ngshare.txt").read_text(encoding="utf-8")
    (exchange,) = re.findall(r"--no-deps (\S+)", (HERE / "Dockerfile").read_text(encoding="utf-8"))
    python = place / "bin" / "python"
    recipe = f"{sys.version}\n{wanted}\n{exchange}\n"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != recipe:
        venv.create(place, clear=True, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet"]
        target = ["--target", place / "exchange", "--no-deps", exchange, "rapidfuzz>=3,<4"]
        for command in ([*pip, "-r", HERE / "ngshare.txt"], [*pip, *target]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise CourseError(f"ngshare could not be installed: {done.stderr[-500:]}")
        stamp.write_text(recipe, encoding="utf-8")
    pods = Pods(tmp_path_factory.mktemp("pods"), python, place / "exchange")
    yield pods
    pods.stop()


@pytest.mark.slow(minutes=1)
@pytest.mark.long("the exchange on Kubernetes")
def test_notebooks_go_round_through_ngshare(pods: Pods):
    """Do two learners fetch, submit and get their own feedback, and nobody another's files?"""
    for kind in ("source", "release"):
        folder = pods.place / "course" / {"source": ".course/source", "release": "lessons"}[kind]
        (folder / LESSON).mkdir(parents=True)
        text = (LESSONS / LESSON / f"{LESSON}.ipynb").read_text(encoding="utf-8")
        (folder / LESSON / f"{LESSON}.ipynb").write_text(text, encoding="utf-8")

    manage = ("-m", "ngshare_exchange.course_management")
    pods.run("teacher", *manage, "create_course", "dropout", "teacher")
    for who in ("anna", "ben"):
        pods.run("teacher", *manage, "add_student", "dropout", who, "--no-gb")
    pods.nbgrader("teacher", "release_assignment")
    for who in ("anna", "ben"):
        pods.nbgrader(who, "fetch_assignment")
        path = pods.place / who / LESSON / f"{LESSON}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.append(new_markdown_cell(f"I am {who}."))
        nbformat.write(notebook, path)
        pods.nbgrader(who, "submit")
    pods.nbgrader("teacher", "collect")
    course = pods.place / "course" / ".course"
    for who in ("anna", "ben"):
        handed_in = course / "submitted" / who / LESSON
        assert f"I am {who}." in (handed_in / f"{LESSON}.ipynb").read_text(encoding="utf-8")
        feedback = course / "feedback" / who / LESSON
        feedback.mkdir(parents=True)
        (feedback / f"{LESSON}.html").write_text(f"Well done, {who}.", encoding="utf-8")
        stamp = (handed_in / "timestamp.txt").read_text(encoding="utf-8")
        (feedback / "timestamp.txt").write_text(stamp, encoding="utf-8")
    pods.nbgrader("teacher", "release_feedback")
    for who in ("anna", "ben"):
        pods.nbgrader(who, "fetch_feedback")
        (page,) = (pods.place / who / LESSON / "feedback").rglob("*.html")
        assert page.read_text(encoding="utf-8") == f"Well done, {who}."

    own, other = (f"submission/dropout/{LESSON}/{who}" for who in ("anna", "ben"))
    assert pods.ask("teacher", own) == 200
    assert pods.ask("anna", other) == pods.ask("stranger", own) == 403
    assert pods.ask("anna", f"submissions/dropout/{LESSON}") == 403
    assert pods.ask("stranger", f"assignment/dropout/{LESSON}") == 403
