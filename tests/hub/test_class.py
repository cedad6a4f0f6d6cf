"""Who takes part in a class on JupyterHub, and what configuration the hub is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader import environment, hub
from grader.cli import main
from grader.errors import CourseError
from grader.hub import accounts

MEMBERS = hub.Class("ada", ["anna", "ben"], "0.0.0.0", 8000)
# What The Littlest JupyterHub's own configuration settles before it loads an administrator's.
LITTLEST = """
c.JupyterHub.hub_port = 15001
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.ConfigurableHTTPProxy.should_start = False
c.Authenticator.admin_users = {"root"}
c.Spawner.environment = {"KEPT": "1"}
c.JupyterHub.load_roles = [{"name": "idle-culler", "scopes": ["list:users"]}]
load_subconfig("dropout.py")
"""
LOAD = """
import json, sys
from jupyterhub.app import JupyterHub
app = JupyterHub.instance(config_file=sys.argv[1])
app.load_config_file(sys.argv[1])
print(json.dumps(app.config, default=repr))
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("anna\nanna\n", "line 2: anna is in line 1 already"),
        ("anna\n\nada # ours\n", "line 3: ada is the instructor"),
        ("Anna\n", "line 1: 'Anna' cannot be an account's name"),
        ("anna ben\n", "line 1: 'anna ben' cannot"),
        ("-rf\n", "line 1: '-rf' cannot"),
        ("a" * 33, "32 at most"),
        ("daemon\n", "line 1: daemon is an account of the system"),
        ("# nobody\n\n", "names no learner"),
    ],
)
def test_a_faulty_list_is_told_with_its_line(tmp_path: Path, text: str, says: str):
    """Is each fault refused in a sentence that names the line and the remedy?"""
    (tmp_path / "class.txt").write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match=says):
        accounts.read(tmp_path / "class.txt", "ada")


def test_a_list_may_hold_comments(tmp_path: Path):
    """Are names read in their order, without comments and empty lines?"""
    (tmp_path / "class.txt").write_text("ben # late\n\n# anna\nchloe\n", encoding="utf-8")
    assert accounts.read(tmp_path / "class.txt", "ada") == ["ben", "chloe"]


def test_who_is_not_root_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """Does the command name `sudo` and change nothing?"""
    (tmp_path / "class.txt").write_text("anna\n", encoding="utf-8")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(environment, "add", lambda command: None)
    monkeypatch.setattr(hub, "HUB", tmp_path / "hub")
    assert main(["hub", "--learners", str(tmp_path / "class.txt"), "--instructor", "ada"]) == 1
    assert "sudo" in capsys.readouterr().err
    assert not (tmp_path / "hub").exists()


def test_the_configuration_stands_alone(tmp_path: Path):
    """Does the file that `--config` writes settle everything that a hub needs?"""
    found = _loaded(tmp_path, "dropout.py")
    assert "Members" in found["JupyterHub"]["authenticator_class"]  # who sign in with PAM
    assert found["JupyterHub"]["bind_url"] == "http://0.0.0.0:8000"
    assert found["Spawner"]["cmd"][0] == sys.executable
    assert "anna" in str(found["Authenticator"]["allowed_users"])
    assert found["Authenticator"]["allow_existing_users"] is False


def test_the_configuration_leaves_alone_what_another_settles(tmp_path: Path):
    """As a part of another, does it add groups, roles and folders, and nothing besides?"""
    (tmp_path / "jupyterhub_config.py").write_text(LITTLEST, encoding="utf-8")
    found = _loaded(tmp_path, "jupyterhub_config.py")
    assert found["JupyterHub"]["authenticator_class"] == "dummy"
    assert found["JupyterHub"]["spawner_class"] == "simple"
    assert found["ConfigurableHTTPProxy"] == {"should_start": False}
    assert set(found["Authenticator"]) == {"admin_users"}
    assert not {"bind_url", "hub_bind_url", "db_url"} & set(found["JupyterHub"])
    assert "cmd" not in found["Spawner"]
    assert {"KEPT", "DROPOUT_EXCHANGE"} <= set(found["Spawner"]["environment"])
    assert "PATH" not in found["Spawner"]["environment"]
    roles = [role["name"] for role in found["JupyterHub"]["load_roles"]]
    assert roles == ["idle-culler", "instructor"]


def _loaded(place: Path, name: str) -> dict:
    """The configuration that JupyterHub reads from a file, beside which ours lies."""
    environment.add("hub")
    (place / "dropout.py").write_text(hub.configuration(MEMBERS), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(place / name)],
        capture_output=True, text=True, check=True, cwd=place,
    )  # fmt: skip
    return json.loads(done.stdout)
