"""The files for hosted services: do their own steps give a course that works?

Each step is read from its file or from lessons/README.md and run in a copy of the project. The
services themselves are not here: `repo2docker` says what Binder would run, and a bare environment
stands for Colab.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
import requests
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from grader.authoring import finished
from grader.authoring.reading import read
from grader.paths import ROOT, SOLUTIONS

pytestmark = [
    pytest.mark.slow(minutes=4),
    pytest.mark.long("environments of hosted services"),
    pytest.mark.xdist_group("launch"),
    pytest.mark.filterwarnings("ignore"),  # of the notebooks' client
]

TOKEN = "letmein"
COLAB = ["numpy", "torch==2.13.0", "matplotlib", "scikit-learn", "tqdm", "ipykernel", "ipywidgets"]
"""What of the course's packages Colab has, newer or older than the course would take them."""


def outside() -> dict[str, str]:
    """The variables of somebody who has not started the course yet."""
    kept = {key: it for key, it in os.environ.items() if not key.startswith(("PYTHON", "JUPYTER"))}
    return {**kept, "PIP_RETRIES": "0"}  # an index that is out of reach is passed over


def run(command: str | list, folder: Path, **variables: str) -> str:
    """What a step prints; it must succeed."""
    done = subprocess.run(
        command, shell=isinstance(command, str), cwd=folder, env={**outside(), **variables},
        capture_output=True, text=True, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@contextmanager
def serving(command: list, folder: Path, **variables: str) -> Iterator[str]:
    """A Jupyter server, started by a command; its address, once it answers."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    url, log = f"http://localhost:{port}", folder / f"server-{port}.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [*command, f"--port={port}"], cwd=folder, stdout=file, stderr=file,
            env={**outside(), "JUPYTER_TOKEN": TOKEN, **variables},
        )  # fmt: skip
    try:
        for _ in range(240):
            try:
                requests.get(f"{url}/api", timeout=5)
                break
            except requests.RequestException:
                assert server.poll() is None, log.read_text()
                time.sleep(0.5)  # between two questions
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture(scope="module")
def devcontainer(project: Path) -> dict:
    """Codespaces' settings, once their step of creation has run in the copy."""
    text = (project / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    settings = json.loads(re.sub(r"^\s*//.*", "", text, flags=re.MULTILINE))
    here = str(project)
    settings["containerEnv"] = {
        key: value.replace("${containerWorkspaceFolder}", here)
        for key, value in settings["containerEnv"].items()
    }
    assert not (project / ".venv").exists()
    run(with_python(settings["postCreateCommand"]), project, **settings["containerEnv"])
    return settings


def with_python(command: str) -> list[str]:
    """A command in which `python3` is a Python that holds none of the course's packages."""
    return [sys._base_executable if word == "python3" else word for word in shlex.split(command)]


def test_codespaces(project: Path, devcontainer: dict):
    """Does what its steps make open JupyterLab to Codespaces' address, and to no other?"""
    command = with_python(devcontainer["postAttachCommand"])
    (port,) = devcontainer["forwardPorts"]
    assert str(port) in devcontainer["portsAttributes"]
    with serving(command, project, **devcontainer["containerEnv"]) as url:
        page = requests.Session()
        page.get(f"{url}/lab?token={TOKEN}").raise_for_status()
        ours = {"Origin": "https://fluffy-name-x5-8888.app.github.dev"}
        assert page.get(f"{url}/api/contents", headers=ours).ok
        assert not page.get(f"{url}/api/contents", headers={"Origin": "https://evil.dev"}).ok
        names = [it["name"] for it in page.get(f"{url}/api/contents").json()["content"]]
        assert "00_start_here" in names


def test_binder(project: Path, devcontainer: dict, tmp_path: Path):
    """Do the steps that repo2docker finds run, and give lessons with nbgrader's lists?

    They run on top of the environment that Codespaces' step has just made from the same
    requirements, so that the packages are installed once.
    """
    tool = tmp_path / "tool"
    venv.create(tool, with_pip=True)
    run([tool / "bin" / "pip", "install", "--quiet", "jupyter-repo2docker"], tmp_path)
    code = (
        "from repo2docker.app import Repo2Docker;"
        "from repo2docker.buildpacks import PythonBuildPack;"
        "pack = PythonBuildPack(Repo2Docker().base_image); assert pack.detect();"
        "pack.platform = 'linux/amd64';"
        "print(pack.python_version);"
        "print(pack.render({}).replace('\\\\\\n', ' '))"
    )
    version, _, dockerfile = run([tool / "bin" / "python", "-c", code], project).partition("\n")
    assert version == "3.11"
    steps = re.findall(r"^RUN (.*(?:pip install|\.binder/).*)$", dockerfile, flags=re.MULTILINE)
    assert len(steps) >= 3, dockerfile  # install, and postBuild and start, each made executable
    assert any("requirements.txt" in step for step in steps)
    prefix = project / ".venv"
    around = {
        "KERNEL_PYTHON_PREFIX": str(prefix),
        "REPO_DIR": str(project),
        "PATH": f"{prefix / 'bin'}:{os.environ['PATH']}",
    }
    for step in steps:
        run(step, project, **around)
    start = project / re.search(r'R2D_ENTRYPOINT="\$\{REPO_DIR\}/(.*)"', dockerfile)[1]
    found = run([start, "python", "-c", "import dropoutlab; print(dropoutlab.__file__)"], project,
                **around)  # fmt: skip
    assert Path(found.strip()).parent == project / "lessons" / "dropoutlab"
    lab = [start, "jupyter", "lab", "--no-browser", "--allow-root"]
    with serving(lab, project, **around) as url:
        answer = requests.get(f"{url}/assignments?course_id=dropout&token={TOKEN}", timeout=60)
        assert answer.json()["success"], answer.text
        assert requests.get(f"{url}/formgrader?token={TOKEN}", timeout=60).status_code == 404


def test_colab(project: Path, tmp_path: Path):
    """Does the README's cell install what is missing, and nothing else, so that a lesson runs?"""
    place = tmp_path / "colab"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    run([python, "-m", "pip", "install", "--quiet", *COLAB], tmp_path)
    before = versions(python)
    source = tmp_path / "source"
    run(["git", "init", "--quiet", source], tmp_path)
    run(f"cp -r .binder .colab requirements.txt lessons datasets '{source}'", project)
    run("git add -f . && git -c user.name=a -c user.email=a@b commit --quiet -m a", source)

    text = (ROOT / "lessons" / "README.md").read_text(encoding="utf-8")
    cell = re.search(r"  ```\n(  !git clone .*?)  ```", text, flags=re.DOTALL)[1]
    cell = re.sub(r"^  ", "", cell, flags=re.MULTILINE)
    assert "https://github.com/OWNER/NAME" in cell
    cell = cell.replace("https://github.com/OWNER/NAME", f"file://{source}")

    lesson = read(SOLUTIONS / "11_bernoulli_masks.py")
    notebook = finished.answered(lesson)
    notebook.cells.insert(0, new_code_cell(cell))
    kernels = place / "share" / "jupyter"
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.kernel_manager_class = "jupyter_client.AsyncKernelManager"
    manager = client.create_kernel_manager()
    manager.kernel_spec_manager.kernel_dirs = [str(kernels / "kernels")]
    manager.kernel_spec.argv[0] = str(python)
    client.execute(env=outside())
    said = "".join(o.get("text", "") for o in notebook.cells[0].outputs)
    assert "anywidget" in said, said
    errors = [o for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "error"]
    assert not errors, nbformat.v4.writes(notebook)[-3000:]
    views = [o for c in notebook.cells for o in c.get("outputs", []) if "data" in o
             and "application/vnd.jupyter.widget-view+json" in o.data]  # fmt: skip
    assert views, "no explorer was shown"
    after = versions(python)
    assert {name: after[name] for name in before} == before
    assert "anywidget" in after.keys() - before.keys()


def versions(python: Path) -> dict[str, str]:
    """What is installed beside a Python."""
    listed = run([python, "-m", "pip", "list", "--format=json"], python.parent)
    return {each["name"]: each["version"] for each in json.loads(listed)}
