"""What can somebody reach who has a learner's account, on the hub or on the machine?

Each request is shown to be a right one: whoever may make it makes it too, and gets an answer.

What cannot be refused where all share a machine and its processes are local, and is not tested:

- Learners see the names of each other's processes and the addresses that they listen on. A
  command line holds no secret. Mounting /proc with hidepid=2 hides them.
- One learner can take the processors, the memory and the disk from all: the hub sets no limits.
  systemd's slices and quotas do; The Littlest JupyterHub brings them.
- A learner says when they have handed in, in the name of the folder. Ten minutes later at most it
  is no longer believed: the time of the last change counts.
- A learner can try others' passwords, four at a time and some seconds each, and let others wait
  at the sign-in page meanwhile.
- Servers listen on ports of this machine. A learner who takes the port that the hub has just
  chosen for another's server, before that has started, answers in its place until the hub sees
  that it has ended.
- All servers have one address, and a learner rules what their own server answers. A colleague
  who opens a link to it gets no further than the hub's refusal, unless the hub's sign-in lets
  them pass; `JupyterHub.subdomain_host`, with a wildcard in the DNS, keeps the servers apart in
  the browser as well.
- nbgrader leaves a submission open to whoever knows its whole name in the exchange. The end of
  the name is random, and nobody but the instructor can list the folder.
"""

from __future__ import annotations

import concurrent.futures
import functools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests
import websocket

from classroom import FULL_POINTS
from grader.authoring.reading import read
from hub_stage import COURSE, RESTS_ON, TEACHER, Stage, User

pytestmark = [pytest.mark.slow(minutes=1), pytest.mark.xdist_group("security"), RESTS_ON]

LESSON = "00_start_here"
EXCHANGE = f"{COURSE}/.hub/exchange"
INBOUND = f"{EXCHANGE}/dropout/inbound"
STATE = f"{COURSE}/.hub/state"
NAMING = {"course_id": "dropout", "assignment_id": LESSON}
NOTEBOOK = f"{LESSON}/{LESSON}.ipynb"
MARK = "alertness()"
ACTIVE = f"""<script>{MARK}</script><img src=x onerror="{MARK}"><svg onload="{MARK}"></svg>
<iframe srcdoc="<script>{MARK}</script>"></iframe><a href="javascript:{MARK}">here</a>"""

# What the environments of processes hold, of those that this account may look at.
ENVIRONMENTS = """
import json, pathlib
found = {}
for place in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        pairs = (place / "environ").read_text().split("\\0")
    except OSError:
        continue
    found[place.name] = dict(pair.partition("=")[::2] for pair in pairs if pair)
print(json.dumps(found))
"""
# Make a submission in the exchange; further code says what lies in it.
HAND_IN = """
import datetime, os, sys
inbound, learner, lesson = sys.argv[1:4]
now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
place = f"{{inbound}}/{{learner}}+{{lesson}}+{{now}}+{{os.urandom(9).hex()}}"
os.mkdir(place)
os.chdir(place)
open("timestamp.txt", "w").write(now)
open("submission_secret.txt", "w").write(os.urandom(32).hex())
notebook = f"{{lesson}}.ipynb"
{}
print(place)
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A hub where ben has handed in a lesson."""
    stage = Stage(tmp_path_factory.mktemp("hub"), ["anna", "ben", "cleo", "dan", "eve"])
    (stage.course / ".git").mkdir()
    (stage.course / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    with stage:
        yield stage


@pytest.fixture(scope="module")
def users(stage: Stage) -> dict[str, User]:
    """Anna, Ben and the instructor, signed in, with their servers."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = {user.name: user for user in pool.map(stage.sign_in, ["anna", "ben", TEACHER])}
        list(pool.map(User.start, found.values()))
    teacher, learners = found[TEACHER], (found["anna"], found["ben"])
    done(teacher.post(teacher.own(f"formgrader/api/assignment/{LESSON}/release")))
    for learner in learners:
        done(learner.post(learner.own("assignments/fetch"), json=NAMING))
    done(found["ben"].post(found["ben"].own("assignments/submit"), json=NAMING))
    return found


@pytest.fixture(scope="module")
def anna(users: dict[str, User]) -> User:
    """The attacker."""
    return users["anna"]


@pytest.fixture(scope="module")
def ben(users: dict[str, User]) -> User:
    """Another learner."""
    return users["ben"]


@pytest.fixture(scope="module")
def teacher(users: dict[str, User]) -> User:
    """The instructor."""
    return users[TEACHER]


@pytest.fixture(scope="module")
def token(stage: Stage, anna: User) -> dict[str, str]:
    """The headers with which Anna's server speaks to the hub, from its environment."""
    return {"Authorization": f"token {server(stage, 'anna')['JUPYTERHUB_API_TOKEN']}"}


def ask(
    method: str, url: str, body: object = None, headers: dict[str, str] | None = None
) -> requests.Response:
    """Make a request as a program would, without anybody's session."""
    return requests.request(
        method, url, json=body, headers=headers, timeout=60, allow_redirects=False
    )


def done(answer: requests.Response) -> requests.Response:
    """The answer to a request that nbgrader has fulfilled."""
    assert answer.ok and answer.json().get("success", True), answer.text
    return answer


def environments(stage: Stage, name: str) -> dict[str, dict[str, str]]:
    """The environments of processes that an account can read, by process."""
    return json.loads(stage.run(name, sys.executable, "-c", ENVIRONMENTS).stdout)


@functools.cache
def server(stage: Stage, name: str) -> dict[str, str]:
    """The environment of a user's own server, as kernels and terminals see it: always the same."""
    found = next(e for e in environments(stage, name).values() if "JUPYTERHUB_API_TOKEN" in e)
    assert found["JUPYTERHUB_USER"] == name
    return found


def terminal(stage: Stage, name: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as in a terminal of the user's server."""
    kept = {
        key: value
        for key, value in server(stage, name).items()
        if key.startswith(("JUPYTER", "DROPOUT", "PYTHON", "PATH"))
    }
    return stage.run(name, "env", *(f"{key}={value}" for key, value in kept.items()), *command)


def only(stage: Stage, who: str, *commands: str) -> None:
    """Anna cannot run these shell commands; afterwards `who` can, and so they are right."""
    for command in commands:
        tried = stage.run("anna", "sh", "-c", command)
        assert tried.returncode, f"anna can: {command}\n{tried.stdout}"
        assert "ermission denied" in tried.stderr or "not permitted" in tried.stderr, tried.stderr
    for command in commands:
        may = stage.run(who, "sh", "-c", command)
        assert may.returncode == 0, f"{who} cannot: {command}\n{may.stderr}"


def hand_in(stage: Stage, account: str, code: str = "", learner: str = "") -> str:
    """Put a folder into the exchange from an account's terminal; Python `code` fills it."""
    command = [sys.executable, "-c", HAND_IN.format(code), INBOUND, learner or account, LESSON]
    made = stage.run(account, *command)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


# --- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["ben", TEACHER])
def test_homes(stage: Stage, users: dict[str, User], who: str) -> None:
    """Can a learner list another's home, read in it or write in it, or the instructor's?"""
    home = f"/home/{who}"
    only(stage, who, f"ls {home}", f"cat {home}/.profile", f"touch {home}/new",
         f"ls {home}/.local/share/jupyter/runtime", f"cp /etc/hostname {home}/.bashrc")  # fmt: skip


def test_answers(stage: Stage, users: dict[str, User]) -> None:
    """Can a learner reach the answers, the gradebook, submissions, or the project's history?"""
    folders = (f"{COURSE}/solutions", f"{COURSE}/.course")
    only(stage, TEACHER, *(f"ls {folder}" for folder in folders),
         *(f"touch {folder}/new" for folder in folders),
         f"cat {COURSE}/solutions/{LESSON}.py", f"cat {COURSE}/.course/gradebook.db >/dev/null",
         f"cat {COURSE}/.course/source/{LESSON}/{LESSON}.ipynb",
         f"touch {COURSE}/lessons/{LESSON}/new")  # fmt: skip
    only(stage, "root", f"ls {COURSE}/.git", f"cat {COURSE}/.git/HEAD")


def test_no_answer_lies_about(stage: Stage, users: dict[str, User]) -> None:
    """Does an answer or a hidden check lie in any file of the course that a learner can read?"""
    secret = []
    for path in (stage.course / "solutions").glob("*.py"):
        for cell in read(path).cells:
            if cell.kind == "check" and cell.hidden:
                secret.append(cell.source.strip())
            secret += re.findall(r"### BEGIN SOLUTION\n(.*?)\s*### END SOLUTION", cell.source, re.S)
    secret = [" ".join(text.split()) for text in secret]
    secret = [text for text in secret if len(text) > 30]
    assert secret

    def readable(who: str, folders: str) -> list[str]:
        listed = stage.run(who, "sh", "-c", f"grep -rlIE . {folders} 2>/dev/null; true").stdout
        found = []
        for name in listed.splitlines():
            text = (stage.course / name.removeprefix(f"{COURSE}/")).read_text(errors="replace")
            if name.endswith(".ipynb"):
                text = " ".join("".join(c["source"]) for c in json.loads(text)["cells"])
            squeezed = " ".join(text.split())
            found += [name for one in secret if one in squeezed]
        return found

    everything = f"--exclude-dir=node_modules {COURSE}"
    assert readable("anna", everything) == []
    assert readable(TEACHER, f"{COURSE}/solutions")


def test_hub_secrets(stage: Stage, users: dict[str, User]) -> None:
    """Can a learner read the hub's database, cookie secret, configuration or the passwords?"""
    names = ("jupyterhub.sqlite", "cookie_secret", "jupyterhub_config.py", "passwords.csv")
    only(stage, "root", f"ls {STATE}", *(f"cat {STATE}/{name} >/dev/null" for name in names))
    only(stage, "root", "cat /etc/shadow", f"touch {COURSE}/new", f"touch {COURSE}/grader/new.py",
         f"touch {COURSE}/.hub/proxy/new", f"touch {sys.prefix}/new")  # fmt: skip


def test_course_is_not_replaced(stage: Stage, users: dict[str, User]) -> None:
    """Can a learner move, replace or fill the exchange's folders of the course?"""
    course = f"{EXCHANGE}/dropout"
    only(stage, "root", f"mv {course} {course}2 && mv {course}2 {course}",
         f"chmod o-w {INBOUND} && chmod o+w {INBOUND}")  # fmt: skip
    only(stage, TEACHER, f"touch {course}/new", f"touch {course}/outbound/new",
         f"touch {course}/outbound/{LESSON}/new",
         f"cp /etc/hostname {course}/outbound/{NOTEBOOK}.new",
         f"mv {course}/outbound {course}/old && mv {course}/old {course}/outbound")  # fmt: skip


def test_course_is_not_invented(stage: Stage, anna: User, ben: User) -> None:
    """Is a course that a learner makes in the exchange offered to another?"""
    copy = f"cp -r {EXCHANGE}/dropout/outbound/{LESSON} {EXCHANGE}/evil/outbound/extra"
    made = stage.run("anna", "sh", "-c", f"mkdir -p {EXCHANGE}/evil/outbound && {copy}")
    assert made.returncode == 0, made.stderr  # nbgrader wants the exchange open to all
    assert ben.get(ben.own("courses")).json()["value"] == ["dropout"]
    listed = ben.get(ben.own("assignments"), params={"course_id": "evil"}).json()
    assert listed == {"success": True, "value": []}
    ben.post(ben.own("assignments/fetch"), json={"course_id": "evil", "assignment_id": "extra"})
    assert stage.run("ben", "ls", "extra").returncode
    assert stage.run("ben", "ls", LESSON).returncode == 0


def test_submissions_are_not_listed(stage: Stage, users: dict[str, User]) -> None:
    """Can a learner list what others have handed in, or guess the name under which it lies?"""
    only(stage, TEACHER, f"ls {INBOUND}", f"find {INBOUND} -mindepth 1 >/dev/null")
    pattern = f"cat {INBOUND}/ben+{LESSON}+*/{LESSON}.ipynb"
    assert stage.run("anna", "sh", "-c", pattern).returncode
    assert stage.run(TEACHER, "sh", "-c", pattern).returncode == 0
    (name,) = stage.run(TEACHER, "sh", "-c", f"ls {INBOUND} | grep ^ben+").stdout.splitlines()
    assert len(name.rsplit("+", 1)[1]) == 12  # of 64 letters: 72 bits
    assert stage.run("anna", "ls", f"{INBOUND}/{name.rsplit('+', 1)[0]}").returncode

    # And who knows the name nevertheless?
    place = shlex.quote(f"{INBOUND}/{name}")
    moved = f"mv {place} {place}.old && mv {place}.old {place}"
    only(stage, "ben", moved, f"touch {place}/{LESSON}.ipynb", f"chmod 777 {place}")


# --- processes ---------------------------------------------------------------------------------


def test_processes(stage: Stage, users: dict[str, User], token: dict[str, str]) -> None:
    """Can a learner read another's tokens or memory where processes show them?"""
    seen = environments(stage, "anna")
    assert {e.get("USER") for e in seen.values()} == {"anna"}
    everything = environments(stage, "root")
    marks = {"JUPYTERHUB_USER", "CONFIGPROXY_AUTH_TOKEN"}
    found = {number: e for number, e in everything.items() if marks & {*e}}
    secrets = [v for e in found.values() for k, v in e.items() if "TOKEN" in k]
    assert len({*secrets}) == 4, "of three servers and of the proxy"
    lines = stage.run("anna", "sh", "-c", "cat /proc/[0-9]*/cmdline").stdout
    assert "singleuser" in lines and not [secret for secret in secrets if secret in lines]

    (process,) = (n for n, e in found.items() if e.get("JUPYTERHUB_USER") == "ben")
    only(stage, "ben", *(f"cat /proc/{process}/{part} >/dev/null" for part in ("environ", "maps")),
         f"ls /proc/{process}/fd", f"ls /proc/{process}/cwd/",
         f"kill -0 {process}")  # fmt: skip


# A program that listens to what a kernel publishes, and asks it to run something, unsigned or
# with the connection's key. It prints what it has heard, until the last answer or for 5 seconds.
LISTEN = """
import json, os, sys
from jupyter_client import BlockingKernelClient
connection = json.loads(sys.argv[1])
client = BlockingKernelClient()
client.load_connection_info(connection)
client.start_channels()
client.execute("open('intruder', 'w').close()")
heard = client.iopub_channel.socket
while heard.poll(5000):
    print(heard.recv_multipart(), flush=True)
os._exit(0)  # what the kernel has never taken would be waited for
"""


def test_kernels(stage: Stage, ben: User) -> None:
    """Can a learner listen at the ports of another's kernel, or have it run something?"""
    kernel = done(ben.post(ben.own("api/kernels"), json={})).json()["id"]
    file = f"/home/ben/.local/share/jupyter/runtime/kernel-{kernel}.json"
    connection = json.loads(stage.run("ben", "cat", file).stdout)
    known = {key: value for key, value in connection.items() if not key.startswith("curve")}

    def listen(who: str, connection: dict[str, object]) -> str:
        command = [sys.executable, "-c", LISTEN, json.dumps(connection)]
        listening = stage.run(who, *command)
        assert listening.returncode == 0, listening.stderr
        return listening.stdout

    assert listen("anna", known | {"key": ""}) == ""
    assert listen("anna", known) == "", "with the key that signs messages"
    assert stage.run("ben", "ls", "intruder").returncode
    assert "intruder" in listen("ben", connection)
    assert stage.run("ben", "ls", "intruder").returncode == 0
    ben.delete(ben.own(f"api/kernels/{kernel}"))


def test_validate_is_not_overheard(stage: Stage, ben: User) -> None:
    """Is the kernel in which nbgrader validates a notebook closed to others like any other?"""
    say = "import ipykernel; open('/home/ben/said', 'w').write(ipykernel.get_connection_info())"
    notebook = ben.get(ben.own(f"api/contents/{NOTEBOOK}")).json()["content"]
    notebook["cells"].insert(0, {"cell_type": "code", "source": say, "metadata": {}, "outputs": [],
                                 "execution_count": None, "id": "say"})  # fmt: skip
    other = f"{LESSON}/other.ipynb"
    body = {"type": "notebook", "content": notebook}
    assert ben.put(ben.own(f"api/contents/{other}"), json=body).ok
    done(ben.post(ben.own("assignments/validate"), data={"path": other}))
    ben.delete(ben.own(f"api/contents/{other}"))
    assert json.loads(stage.run("ben", "cat", "said").stdout)["curve_secretkey"]


# --- the hub -----------------------------------------------------------------------------------

ADMIN = [
    ("GET", "/users", None, "list:users"),
    ("POST", "/users", {"usernames": ["mallory"]}, "admin:users"),
    ("PATCH", "/users/anna", {"admin": True}, "admin:users"),
    ("DELETE", "/users/ben", None, "delete:users"),
    ("GET", "/groups", None, "list:groups"),
    ("GET", "/groups/formgrade-dropout", None, "read:groups"),
    ("POST", "/groups/formgrade-dropout/users", {"users": ["anna"]}, "groups"),
    ("DELETE", "/groups/nbgrader-dropout/users", {"users": ["ben"]}, "groups"),
    ("POST", "/groups/formgrade-mine", {}, "admin:groups"),
    ("GET", "/services", None, "list:services"),
    ("GET", "/proxy", None, "proxy"),
    ("POST", "/proxy", None, "proxy"),
    ("GET", "/info", None, "read:hub"),
    ("POST", "/shutdown", {}, "shutdown"),
    ("POST", "/shares/anna/", {"user": "ben"}, "shares"),
]
"""What takes a scope that no learner has; the hub's refusal names it."""


@pytest.mark.parametrize(("method", "path", "body", "scope"), ADMIN)
def test_hub_api(
    stage: Stage, anna: User, token: dict[str, str],
    method: str, path: str, body: object, scope: str,
) -> None:  # fmt: skip
    """Can a learner administer users, groups or the hub, signed in or with their server's token?"""
    inside = server(stage, "anna")["JUPYTERHUB_API_URL"]  # the hub's own port
    for answer in (
        anna.request(method, f"/hub/api{path}", json=body),
        ask(method, inside + path, body, token),
        ask(method, f"{stage.url}/hub/api{path}", body, token),
    ):
        assert answer.status_code == 403, (answer.status_code, answer.text)
        assert "requires any of" in answer.text and scope in answer.text, answer.text


OTHERS = [
    ("GET", "/users/{}", None),
    ("GET", "/users/{}/tokens", None),
    ("POST", "/users/{}/tokens", {}),
    ("GET", "/users/{}/server/progress", None),
    ("POST", "/users/{}/server", None),
    ("DELETE", "/users/{}/server", None),
    ("POST", "/users/{}/activity", {"last_activity": "2020-01-01T00:00:00Z"}),
]


@pytest.mark.parametrize("who", ["ben", TEACHER])
@pytest.mark.parametrize(("method", "path", "body"), OTHERS)
def test_other_users(
    stage: Stage, users: dict[str, User], token: dict[str, str],
    who: str, method: str, path: str, body: object,
) -> None:  # fmt: skip
    """Can a learner read another user's data, take a token of theirs, or start or stop a server?"""
    path = f"/hub/api{path.format(who)}"
    refused = [
        users["anna"].request(method, path, json=body),
        ask(method, stage.url + path, body, token),
        ask(method, stage.url + path, body),
    ]
    assert [answer.status_code for answer in refused if answer.status_code not in (403, 404)] == []
    own = {"Authorization": f"token {server(stage, who)['JUPYTERHUB_API_TOKEN']}"}
    if path.endswith("/activity"):
        assert ask("POST", stage.url + path, body, own).ok
    elif method != "DELETE":  # the server is needed
        may = users[who].request(method, path, json=body)
        assert may.ok or (may.status_code == 400 and "already running" in may.text), may.text
    assert users[who].get(f"/user/{who}/api/status").ok


def test_teacher_may(teacher: User) -> None:
    """Can the instructor do what learners may not, and no more: look after who takes the course?"""
    assert {g["name"] for g in teacher.get("/hub/api/groups").json()} == {
        "nbgrader-dropout", "formgrade-dropout",
    }  # fmt: skip
    joining = {"users": ["ben"]}
    assert teacher.post("/hub/api/groups/nbgrader-dropout/users", json=joining).ok
    assert teacher.post("/hub/api/groups/formgrade-dropout/users", json=joining).status_code == 404
    assert teacher.get("/hub/api/users").status_code == 403
    assert teacher.get("/hub/admin").status_code == 403


def test_own_rights(stage: Stage, anna: User, token: dict[str, str]) -> None:
    """Can a learner get a token that may more than they, or a second server?"""
    scopes = ask("GET", f"{stage.url}/hub/api/user", headers=token).json()["scopes"]
    assert scopes and all(scope.endswith(("!user=anna", "!server=anna/")) for scope in scopes)
    more = ("admin:users", "groups", f"access:servers!user={TEACHER}")
    for body in (*({"scopes": [scope]} for scope in more), {"roles": ["instructor"]}):
        answer = anna.post("/hub/api/users/anna/tokens", json=body)
        assert answer.status_code in (400, 403), answer.text
    given = anna.post("/hub/api/users/anna/tokens", json={"expires_in": 60})
    assert given.status_code == 201, given.text
    new = {"Authorization": f"token {given.json()['token']}"}
    assert ask("GET", f"{stage.url}/hub/api/users/ben", headers=new).status_code == 404
    assert anna.post("/hub/api/users/anna/servers/second").status_code == 400
    for page in ("admin", "spawn/ben", f"spawn/{TEACHER}", "token/ben", "services/"):
        assert anna.get(f"/hub/{page}").status_code in (403, 404), page
    assert anna.get("/hub/token").ok and anna.get("/hub/home").ok


def test_proxy(stage: Stage, anna: User, token: dict[str, str]) -> None:
    """Can a learner ask the proxy for its routes, or lay one of their own?"""
    api = f"http://127.0.0.1:{stage.port + 1}/api/routes"
    route = {"target": "http://127.0.0.1:1"}
    for headers in ({}, token, {"Authorization": "token "}, {"Authorization": "token undefined"}):
        assert ask("GET", api, headers=headers).status_code == 403
        for method in ("POST", "DELETE"):
            tried = ask(method, f"{api}/user/ben", route, headers)
            assert tried.status_code == 403, tried.text
    processes = environments(stage, "root").values()
    (secret,) = {e["CONFIGPROXY_AUTH_TOKEN"] for e in processes if "CONFIGPROXY_AUTH_TOKEN" in e}
    routes = ask("GET", api, headers={"Authorization": f"token {secret}"}).json()
    assert "/user/ben" in {path.rstrip("/") for path in routes}


# --- others' servers ---------------------------------------------------------------------------

ASKED = [
    ("GET", "lab", None),
    ("GET", "api/contents", None),
    ("PUT", "api/contents/{}/new.txt", {"type": "file", "format": "text", "content": ""}),
    ("GET", "api/kernels", None),
    ("POST", "api/kernels", {}),
    ("POST", "api/terminals", {}),
    ("GET", "api/status", None),
    ("GET", "metrics", None),
    ("GET", f"files/{{}}/{NOTEBOOK}", None),
    ("GET", "assignments?course_id=dropout", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ASKED)
def test_other_servers(
    stage: Stage, users: dict[str, User], token: dict[str, str],
    method: str, path: str, body: object,
) -> None:  # fmt: skip
    """Can a learner use another's server or the instructor's, by the proxy or at its own port?"""
    for who, folder in (("ben", "."), (TEACHER, "lessons")):
        asked = f"/user/{who}/{path.format(folder)}"
        port = server(stage, who)["JUPYTERHUB_SERVICE_URL"].split("/user/")[0]
        for answer in (
            users["anna"].request(method, asked, json=body),
            users["anna"].request(method, port + asked, json=body, allow_redirects=False),
            ask(method, stage.url + asked, body, token),
            ask(method, port + asked, body, token),
            ask(method, port + asked, body),
        ):
            told = (asked, answer.status_code, answer.text[:300])
            sent = answer.headers.get("Location", "")  # to the hub, to sign in
            assert answer.status_code == 403 or "oauth2/authorize" in sent, told
        own = {"Authorization": f"token {server(stage, who)['JUPYTERHUB_API_TOKEN']}"}
        for site in (stage.url, port):
            may = ask(method, site + asked, body, own)
            assert may.ok, (site + asked, may.status_code, may.text[:300])


@pytest.mark.parametrize(
    "path",
    ["formgrader", "formgrader/api/assignments", "formgrader/api/students", "formgraders"],
)
def test_formgrader(users: dict[str, User], path: str) -> None:
    """Is Formgrader or the Course List there for a learner, at the instructor's or their own?"""
    anna, teacher = users["anna"], users[TEACHER]
    assert anna.get(teacher.own(path)).status_code == 403
    assert anna.get(anna.own(path)).status_code == 404
    assert teacher.get(teacher.own(path)).ok


def test_nbgrader_by_hand(stage: Stage, users: dict[str, User]) -> None:
    """Does nbgrader release, collect or show grades for a learner who runs it by hand?"""
    run = f"cd {COURSE}/grader && {sys.executable} -m nbgrader"
    for command in ("db student list", f"release_assignment {LESSON} --force"):
        tried = terminal(stage, "anna", "sh", "-c", f"{run} {command}")
        assert tried.returncode, f"{command}\n{tried.stdout}{tried.stderr}"
        may = terminal(stage, TEACHER, "sh", "-c", f"{run} {command}")
        assert may.returncode == 0, f"{command}\n{may.stdout}{may.stderr}"
    for who, shown in (("anna", False), (TEACHER, True)):
        listed = terminal(stage, who, "sh", "-c", f"{run} list --inbound").stderr
        assert (f" ben {LESSON} " in listed) == shown, listed


def test_names(stage: Stage, anna: User) -> None:
    """Does a path in place of an assignment's or a course's name lead out of the exchange?"""
    names = (f"{COURSE}/solutions", "../../../.course/source", "..", ".", "/etc", "*", "/home/ben")
    told = [{"course_id": "dropout", "assignment_id": name} for name in names]
    told += [{"course_id": name, "assignment_id": LESSON} for name in (*names, "", "evil")]
    before = stage.run("anna", "find", ".", "-not", "-path", "./.*").stdout
    for naming in told:
        for action in ("fetch", "fetch_feedback", "submit"):
            answer = anna.post(anna.own(f"assignments/{action}"), json=naming)
            assert answer.status_code in (200, 500), answer.text
            assert action != "submit" or not answer.json().get("success"), (naming, answer.text)
    assert stage.run("anna", "find", ".", "-not", "-path", "./.*").stdout == before
    done(anna.post(anna.own("assignments/submit"), json=NAMING))


# --- from another site, and at the door --------------------------------------------------------


def test_other_sites(stage: Stage, anna: User) -> None:
    """Can a page of another site act as a learner whose browser is signed in?"""
    kernel = done(anna.post(anna.own("api/kernels"), json={})).json()["id"]
    for method, path in (("POST", anna.own("api/contents")), ("POST", anna.own("api/terminals")),
                         ("POST", anna.own("assignments/submit")),
                         ("DELETE", anna.own(f"api/kernels/{kernel}")),
                         ("POST", "/hub/api/users/anna/tokens"),
                         ("DELETE", "/hub/api/users/anna/server")):  # fmt: skip
        sent = {"cookies": anna.cookies, "timeout": 60, "data": json.dumps({"expires_in": 60})}
        tried = requests.request(method, stage.url + path, **sent)
        assert tried.status_code == 403 and "_xsrf" in tried.text, (path, tried.text)
    for page in (anna.own("lab"), "/hub/home", "/hub/login"):
        assert "frame-ancestors 'none'" in anna.get(page).headers["Content-Security-Policy"]

    own = [cookie for cookie in anna.cookies if anna.own("").startswith(cookie.path)]
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in own)
    address = f"{stage.url.replace('http', 'ws')}{anna.own(f'api/kernels/{kernel}/channels')}"
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(address, cookie=cookies, origin="http://elsewhere.example")
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(address, origin=stage.url)
    websocket.create_connection(address, cookie=cookies, origin=stage.url).close()
    assert anna.delete(anna.own(f"api/kernels/{kernel}")).ok


def test_other_kernels_by_websocket(stage: Stage, users: dict[str, User]) -> None:
    """Can a learner connect to another's kernel by the server's websocket?"""
    ben = users["ben"]
    kernel = done(ben.post(ben.own("api/kernels"), json={})).json()["id"]
    address = f"{stage.url.replace('http', 'ws')}{ben.own(f'api/kernels/{kernel}/channels')}"
    for who in ("anna", "ben"):
        secret = server(stage, who)["JUPYTERHUB_API_TOKEN"]
        options = {"header": [f"Authorization: token {secret}"], "origin": stage.url}
        if who == "ben":
            websocket.create_connection(address, **options).close()
        else:
            with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
                websocket.create_connection(address, **options)
    ben.delete(ben.own(f"api/kernels/{kernel}"))


def test_sign_in(stage: Stage) -> None:
    """Does the sign-in page tell who has an account, let in who is not in the class, or hurry?"""
    made = "useradd other && echo other:correct | chpasswd && echo root:correct | chpasswd"
    assert stage.run("root", "sh", "-c", made).returncode == 0  # on the stage only

    def tried(name: str, password: str) -> tuple[int, str, float]:
        user = User(stage, name)
        user.get("/hub/login")
        answer = user.post("/hub/login", {"username": name, "password": password})
        said = re.search(r'class="login_error">\s*(.*?)\s*<', answer.text, re.DOTALL)
        return answer.status_code, said[1] if said else "", answer.elapsed.total_seconds()

    wrong = [("anna", "wrong"), ("nobody-of-this-name", "wrong"), ("other", "wrong"),
             ("root", "wrong"), ("", ""), ("anna", ""), ("../anna", "x")]  # fmt: skip
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda given: tried(*given), wrong))
    assert {answer[:2] for answer in answers} == {(403, "Invalid username or password")}
    assert min(seconds for *_, seconds in answers) > 1
    for name in ("other", "root"):
        assert tried(name, "correct")[:2] == (403, "Invalid username or password")
    assert tried("ben", stage.password("ben"))[:2] == (200, "")
    form = {"username": "ben", "password": stage.password("ben")}
    assert requests.post(f"{stage.url}/hub/login", form, timeout=60).status_code == 403  # no XSRF


# --- what is handed in -------------------------------------------------------------------------

LINKS = f"""
source = "{COURSE}/.course/source/{LESSON}/{LESSON}.ipynb"
os.symlink(source, notebook)
os.symlink(source, "answers.ipynb")
os.symlink("{COURSE}/solutions", "solutions")
os.symlink("/home/{TEACHER}/.profile", "profile.txt")
open("own.txt", "w").write("own")
"""
STUCK = """
os.mkfifo(notebook)
os.mkfifo("data.txt")
os.remove("submission_secret.txt")
os.remove("timestamp.txt")
os.mkdir("timestamp.txt")
os.symlink("/dev/zero", "zero.txt")
with open("large.txt", "w") as file:
    file.truncate(20 << 30)
"""
JUNK = """
open(notebook, "wb").write(bytes(range(256)))
for name in ("eve", "eve+", "eve+{1}+soon+x", "+{1}+{2}+x", "..+{1}+{2}+x", "eve+{1}+9999-99-99+x",
             "ben+{1}+{2}+x+y", "*+{1}+{2}+x", "no-one+{1}+{2}+x"):
    os.mkdir(os.path.join(inbound, name.replace("{1}", lesson).replace("{2}", now)))
open(f"{inbound}/eve+{lesson}+{now}+file", "w").close()
os.symlink("/etc", f"{inbound}/eve+{lesson}+{now}+link")
"""
INTRUDE = f"""
import os
found = []
for path in ("{COURSE}/solutions", "{COURSE}/.course", "/home/{TEACHER}"):
    try:
        found += os.listdir(path)
        open(path + "/intruder", "w").close()
    except OSError:
        pass
print("reached", found, os.environ.get("JUPYTERHUB_API_TOKEN"))
"""


@pytest.fixture(scope="module")
def collected(stage: Stage, users: dict[str, User]) -> str:
    """What nbgrader says as the instructor collects, from Formgrader, what all have handed in."""
    anna, teacher = users["anna"], users[TEACHER]
    notebook = anna.get(anna.own(f"api/contents/{NOTEBOOK}")).json()["content"]
    answers = {c.name: c.source for c in read(stage.course / f"solutions/{LESSON}.py").cells
               if c.kind in ("exercise", "answer")}  # fmt: skip
    show = (
        f"from IPython.display import HTML, display\nprint({ACTIVE!r})\ndisplay(HTML({ACTIVE!r}))"
    )
    for cell in notebook["cells"]:
        cell["source"] = answers.get(cell["id"], cell["source"])
        if cell["id"] == "scale":
            cell["source"] = f"{cell['source']}\n{INTRUDE}\n{show}"
        elif cell["id"] in answers and cell["cell_type"] == "markdown":
            cell["source"] = ACTIVE
    data = {"text/html": ACTIVE, "application/javascript": MARK, "text/markdown": ACTIVE}
    shown = {"output_type": "display_data", "metadata": {}, "data": data}
    notebook["cells"][:0] = [
        {"cell_type": "code", "id": "one", "source": "1", "metadata": {}, "outputs": [shown],
         "execution_count": 1},
        {"cell_type": "markdown", "id": "two", "source": ACTIVE, "metadata": {}},
        {"cell_type": "raw", "id": "three", "source": ACTIVE,
         "metadata": {"raw_mimetype": "text/html"}},
    ]  # fmt: skip
    body = {"type": "notebook", "content": notebook}
    assert anna.put(anna.own(f"api/contents/{NOTEBOOK}"), json=body).ok
    done(anna.post(anna.own("assignments/submit"), json=NAMING))
    hand_in(stage, "anna", "open(notebook, 'w').write('{}')", learner="ben")
    for account, code in (("cleo", LINKS), ("dan", STUCK), ("eve", JUNK)):
        hand_in(stage, account, code)
    hand_in(stage, "dan", "os.chmod('.', 0)")
    return done(
        teacher.post(teacher.own(f"formgrader/api/assignment/{LESSON}/collect"), timeout=60)
    ).text


def submitted(stage: Stage, learner: str) -> dict[str, str]:
    """What the instructor has of a learner after collecting: kinds of files by name."""
    place = f"{COURSE}/.course/submitted/{learner}/{LESSON}"
    listed = stage.run(TEACHER, "find", place, "-mindepth", "1", "-printf", "%P\t%y\n")
    return dict(line.split("\t") for line in listed.stdout.splitlines())


def test_submission_in_another_name(stage: Stage, collected: str) -> None:
    """Is what one learner puts into the exchange in another's name taken for the other's?"""
    place = f"{COURSE}/.course/submitted"
    taken = stage.run(TEACHER, "cat", f"{place}/ben/{NOTEBOOK}").stdout
    assert json.loads(taken)["cells"], "what ben has handed in"
    taken = stage.run(TEACHER, "cat", f"{place}/anna/{NOTEBOOK}").stdout
    assert MARK in taken, "what anna has handed in"


def test_links_in_a_submission(stage: Stage, collected: str) -> None:
    """Does collecting follow links of a learner's to answers, or to the instructor's files?"""
    assert set(submitted(stage, "cleo")) == {"own.txt", "timestamp.txt", "submission_secret.txt"}
    assert set(submitted(stage, "cleo").values()) == {"f"}


def test_pipes_in_a_submission(stage: Stage, collected: str) -> None:
    """Does collecting stop at a pipe, a device or a closed folder, or copy what is too large?"""
    wanted = {"timestamp.txt": "f", "submission_secret.txt": "f"}
    assert submitted(stage, "dan") == wanted, "without which nobody gets feedback"


def test_junk_in_the_exchange(stage: Stage, collected: str) -> None:
    """Does a name that is no submission's, or a file that is no notebook, stop collecting?"""
    assert submitted(stage, "eve")[f"{LESSON}.ipynb"] == "f"
    listed = stage.run(TEACHER, "ls", f"{COURSE}/.course/submitted").stdout.split()
    assert listed == ["anna", "ben", "cleo", "dan", "eve"]


@pytest.fixture(scope="module", params=["formgrader", "command"])
def graded(
    request: pytest.FixtureRequest, stage: Stage, users: dict[str, User], collected: str
) -> dict[str, float]:
    """The scores after autograding, by Formgrader's button and then by the course's command."""
    teacher = users[TEACHER]
    if request.param == "formgrader":
        for learner in ("anna", "ben"):
            path = f"formgrader/api/submission/{LESSON}/{learner}/autograde"
            done(teacher.post(teacher.own(path)))
    else:
        options = ["--force", "--workers", "1"]
        command = [sys.executable, f"{COURSE}/grader", "autograde", "00", *options]
        finished = terminal(stage, TEACHER, *command)
        assert finished.returncode == 0, finished.stdout + finished.stderr
    found = teacher.get(teacher.own(f"formgrader/api/submissions/{LESSON}")).json()
    return {row["student"]: row["score"] for row in found}


def test_grading_runs_nothing_as_the_instructor(
    stage: Stage, users: dict[str, User], graded: dict[str, float]
) -> None:
    """Does a learner's code reach the answers or the instructor's files as it is graded?"""
    assert graded["anna"] == FULL_POINTS and graded["ben"] == 0
    place = f"{COURSE}/.course/autograded/anna/{NOTEBOOK}"
    cells = json.loads(stage.run(TEACHER, "cat", place).stdout)["cells"]
    (outputs,) = (cell["outputs"] for cell in cells if cell["id"] == "scale")
    (text,) = ("".join(o["text"]) for o in outputs if o["output_type"] == "stream")
    assert text.startswith("reached [] None"), text
    for folder in (f"{COURSE}/solutions", f"{COURSE}/.course", f"/home/{TEACHER}"):
        assert stage.run(TEACHER, "ls", f"{folder}/intruder").returncode
        assert stage.run(TEACHER, "ls", folder).returncode == 0


def test_pages_are_inert(users: dict[str, User], graded: dict[str, float]) -> None:
    """Can what a learner wrote or printed act in the instructor's browser, in Formgrader?"""
    teacher = users[TEACHER]
    rows = teacher.get(teacher.own(f"formgrader/api/submitted_notebooks/{LESSON}/{LESSON}")).json()
    (number,) = (row["id"] for row in rows if row["student"] == "anna")
    page = teacher.get(teacher.own(f"formgrader/submissions/{number}/")).text
    assert page.count(MARK) > 5, "it is shown"
    active = re.findall(rf"<[^<>]*{re.escape(MARK)}|<script>{re.escape(MARK)}", page)
    assert active == []


def test_feedback(stage: Stage, users: dict[str, User], graded: dict[str, float]) -> None:
    """Can a learner list feedback, guess where another's lies, or fetch it?"""
    teacher, anna, ben = users[TEACHER], users["anna"], users["ben"]
    for step in ("generate_feedback", "release_feedback"):
        done(teacher.post(teacher.own(f"formgrader/api/assignment/{LESSON}/{step}")))
    place = f"{EXCHANGE}/dropout/feedback"
    only(stage, TEACHER, f"ls {place}", f"touch {place}/new && rm {place}/new")
    pages = stage.run(TEACHER, "ls", place).stdout.split()
    assert len(pages) >= 2 and all(re.fullmatch(r"[0-9a-f]{32,}\.html", page) for page in pages)
    for learner in (anna, ben):
        done(learner.post(learner.own("assignments/fetch_feedback"), json=NAMING))
    find = ("find", LESSON, "-name", "*.html", "-exec", "cat", "{}", "+")
    given = {name: stage.run(name, *find).stdout for name in ("anna", "ben")}
    assert MARK in given["anna"] and MARK not in given["ben"] and "<html" in given["ben"]
