"""A class on Kubernetes, as far as it can be tried without a cluster.

The chart's own check of its values, and what else was tried once by hand, stands in
grader/hub/kubernetes/README.md.
"""

from __future__ import annotations

import base64
import importlib
import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import types
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

import classroom
from classroom import RIGHT, notebook
from grader import environment
from grader.authoring.build import source_notebook
from grader.errors import CourseError
from grader.paths import LESSONS, ROOT, released

HERE = ROOT / "grader" / "hub" / "kubernetes"
LESSON = "00_start_here"
VALUES = yaml.safe_load((HERE / "values.yaml").read_text(encoding="utf-8"))
GROUPS = VALUES["hub"]["config"]["JupyterHub"]["load_groups"]
NGSHARE = yaml.safe_load((HERE / "ngshare.yaml").read_text(encoding="utf-8"))
SPAWNER = VALUES["hub"]["config"]["KubeSpawner"]["group_overrides"]["instructor"]
LEARNER = VALUES["singleuser"]["extraEnv"]["JUPYTER_CONFIG_PATH"]
INSTRUCTOR = SPAWNER["spawner_override"]["environment"]["JUPYTER_CONFIG_PATH"]

# In place of ngshare_exchange, which is not installed here.
STAND_IN = """
from nbgrader.exchange.abc import ExchangeCollect
def configureExchange(config, url):
    pass
"""
NO_NAMESPACES = """
from grader.errors import Unavailable
from grader.grading import worker
def work(task):
    raise Unavailable("a user namespace: Operation not permitted")
worker.work = work
"""

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


def here(path: str) -> str:
    """The folders of configuration of a pod, as they lie here."""
    return path.replace("/srv/dropout", str(ROOT))


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
    assert config["Authenticator"]["username_pattern"] == f"^({'|'.join(everybody)})$"
    assert config["Authenticator"]["allow_existing_users"] is False
    assert VALUES["hub"]["services"]["ngshare"]["apiToken"] == NGSHARE["ngshare"]["hub_api_token"]
    role = VALUES["hub"]["loadRoles"]["instructor"]
    assert set(role["scopes"]) <= set(config["KubeSpawner"]["server_token_scopes"])
    assert role["groups"] == SPAWNER["groups"] == ["formgrade-dropout"]
    for path in (LEARNER, INSTRUCTOR):
        assert all(list(Path(folder).glob("*config*")) for folder in here(path).split(":"))


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


def test_images_hold_no_secret_and_no_state():
    """Is what an administrator fills in, and what git ignores, kept out of every image?"""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    left_out = {line for line in lines if line and not line.startswith("#")}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = [line.strip("/") for line in ignored if not line.startswith("#")]
    assert [name for name in ignored if not {name, f"**/{name}"} & left_out] == []
    filled_in = [path.relative_to(ROOT) for path in HERE.glob("*.yaml")]
    assert filled_in and all(any(map(path.match, left_out)) for path in filled_in)

    # An edited notebook has the name of a released one, so images are made of what is committed.
    steps = (HERE / "README.md").read_text(encoding="utf-8")
    builds = [line for line in steps.splitlines() if line.strip().startswith("git archive HEAD |")]
    assert builds and steps.count("docker build -f") == len(builds)
    assert all(line.endswith(" -") for line in builds)
    assert "cd ~/dropout-hub\n   helm upgrade" in steps, "from files outside the course's folder"


def put(course: Path, folder: str, text: str) -> None:
    """Write a notebook of the lesson into a folder of the course."""
    path = course / ".course" / folder / LESSON / f"{LESSON}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")


def in_pod(home: Path, *command: str, stand_in: str = STAND_IN) -> subprocess.CompletedProcess[str]:
    """Run nbgrader as the teacher's pod does, whose course lies in `home`."""
    (home / "ngshare_exchange.py").write_text(stand_in, encoding="utf-8")
    around = {
        "HOME": str(home),
        "DROPOUT_COURSE": str(home / "course"),
        "JUPYTER_CONFIG_PATH": here(INSTRUCTOR),
        "PYTHONPATH": os.pathsep.join(map(str, (home, LESSONS, ROOT))),
    }
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *command],
        cwd=home, env={**os.environ, **around}, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with its assignment, which nobody has handed in yet."""
    home = tmp_path_factory.mktemp("pod")
    put(home / "course", "source", nbformat.writes(source_notebook(classroom.LESSON)))
    done = in_pod(home, "generate_assignment", LESSON)
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "course"


@pytest.mark.slow(minutes=1)
@pytest.mark.xdist_group("pod")
@pytest.mark.parametrize("sandbox", [True, False])
def test_a_pod_runs_no_answer_as_the_teacher(tmp_path: Path, generated: Path, sandbox: bool):
    """Does Autograde in the teacher's pod use the sandbox, and where there is none, refuse?"""
    course, mark = tmp_path / "course", tmp_path / "intruder"
    shutil.copytree(generated, course)
    text = released(LESSON).read_text(encoding="utf-8")
    answers = RIGHT | {"scale": f"open({str(mark)!r}, 'w').close()\n{RIGHT['scale']}"}
    put(course, "submitted/anna", json.dumps(notebook(text, answers)))
    stand_in = STAND_IN + ("" if sandbox else NO_NAMESPACES)
    done = in_pod(tmp_path, "autograde", LESSON, "--create", stand_in=stand_in)
    assert (done.returncode == 0) == sandbox, done.stdout + done.stderr
    assert ("nothing was run" in done.stderr) != sandbox, done.stderr
    assert (course / ".course/autograded/anna" / LESSON / f"{LESSON}.ipynb").exists() == sandbox
    assert not mark.exists()


def test_what_is_no_file_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog):
    """Does collecting from ngshare go on past a path that cannot be, and keep the rest?"""
    stand_in = types.ModuleType("ngshare_exchange")
    exec(STAND_IN, vars(stand_in))
    monkeypatch.setitem(sys.modules, "ngshare_exchange", stand_in)
    monkeypatch.delitem(sys.modules, "grader.jupyter.ngshare", raising=False)
    collect = importlib.import_module("grader.jupyter.ngshare").Collect
    monkeypatch.delitem(sys.modules, "grader.jupyter.ngshare")
    course = types.SimpleNamespace(max_dir_size=1)
    asked = types.SimpleNamespace(log=logging.getLogger(), coursedir=course)
    given = {
        "own.ipynb": b"own", "deep/er.txt": b"deeper", "deep": b"a folder", "own.ipynb/x": b"x",
        "../out.txt": b"out", str(tmp_path / "absolute.txt"): b"out", "a\0b": b"zero",
        "n" * 300: b"long", "large.txt": bytes(2000), "": b"nothing", "timestamp.txt/x": b"x",
    }  # fmt: skip
    files = [{"path": path, "content": base64.b64encode(it).decode()} for path, it in given.items()]
    files.append({"path": "broken.txt", "content": "A"})
    files.append({"path": "timestamp.txt", "content": base64.b64encode(b"now").decode()})
    collect.do_copy(asked, files, str(tmp_path / "submitted" / "eve"))
    written = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    place = tmp_path / "submitted" / "eve"
    assert written.pop(place / "timestamp.txt") == b"now"
    assert written.pop(place / "deep") == b"a folder"
    assert len(written) == 1 and len(caplog.messages) == len(files) - 3


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
            "JUPYTER_CONFIG_PATH": here(INSTRUCTOR if who == "teacher" else LEARNER),
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
