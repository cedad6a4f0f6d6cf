"""Where a learner's code runs: a process that sees little, reaches nothing and ends in time.

Two steps, both by Linux's own system calls. `prepare` is taken once, by the process from
which players are forked: a mount namespace whose root holds Python, its packages, dropoutlab,
datasets/ and the system's own programs, libraries and fonts, all read-only, and nothing else of
this machine; the superuser's rights are given up. `confine` is taken by each player: PID,
network, IPC, UTS, mount and user namespaces of its own, an empty home folder in memory,
Landlock, resource limits, no capabilities, and a seccomp filter that leaves no sockets, no
processes, no exec, no ptrace.

Where the machine cannot give one of these, `Unavailable` says which and what to do; nothing
runs with less. Sources: namespaces(7), pivot_root(2), landlock(7), seccomp(2).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from grader.errors import Unavailable
from grader.isolation import linux, seccomp

HOME = "/learner"
"""A player's home folder: the one place where it may write."""
ANSWERS = ("bugs", "own")
"""Modules of dropoutlab that hold what a lesson asks a learner to write."""
NOBODY = 65534

# mount(2), unshare(2), prctl(2)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 32, 4096, 16384
MS_PRIVATE, MNT_DETACH = 1 << 18, 2
NEWNS, NEWUSER, NEWPID = 0x00020000, 0x10000000, 0x20000000
NEWUTS, NEWIPC, NEWNET, NEWCGROUP = 0x04000000, 0x08000000, 0x40000000, 0x02000000
PDEATHSIG, DUMPABLE, NO_NEW_PRIVS = 1, 4, 38
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
CAPSET = {"x86_64": 126, "aarch64": 91}
RECURSIVE = 0x8000
MOUNT_SETATTR, LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 442, 444, 445, 446


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    check: float = 60
    """Seconds for one cell or one check, by the clock."""
    submission: float = 300
    """Seconds for all of them."""
    memory: int = 3 << 30
    """Bytes of memory beyond what Python and the packages take."""
    disk: int = 64 << 20
    """Bytes of files in the home folder."""
    threads: int = 64
    output: int = 200_000
    """Characters that one cell may print."""


# --- once: the root that players see ----------------------------------------------------


def visible(root: Path) -> list[str]:
    """The folders and files of this machine that a player may read."""
    packages = [sys.base_prefix, sys.prefix, *(p for p in sys.path if "-packages" in p)]
    system = ["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime"]
    course = [str(root / "datasets")]
    devices = [f"/dev/{name}" for name in ("null", "random", "urandom")]
    own = [*packages, *course]
    wanted = [*own, *map(os.path.realpath, own), *system, *devices]
    wanted = sorted({p for p in wanted if os.path.exists(p)}, key=lambda p: p.count("/"))
    kept: list[str] = []
    for path in wanted:
        if not any(_within(path, other) for other in kept):
            kept.append(path)
    return kept


def _copy(package: Path, new: str) -> None:
    """Put dropoutlab into the new root, without the answers, whatever becomes of its own files."""
    hidden = [file for name in ANSWERS for file in (f"{name}.py", f"{name}.*.pyc")]
    for folder in {package, package.resolve()}:
        shutil.copytree(folder, new + str(folder), ignore=shutil.ignore_patterns(*hidden))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def prepare(root: Path, hidden: list[Path]) -> int:
    """Enter the root that players see; give up the superuser's rights.

    `hidden` are folders that no player may see; raises Unavailable where one of them lies
    inside what it must see. Returns a file descriptor of the machine's /proc, which players
    need to be born and close before a learner's code runs.
    """
    linux.machine()
    seen = visible(root)
    for folder in hidden:
        for path in seen:
            if _within(os.path.realpath(folder), path):
                raise Unavailable(f"{folder} lies in {path}, which players read: move it elsewhere")
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    superuser = os.geteuid() == 0
    if not superuser:
        _userspace(proc, 0)
    linux.call("a mount namespace", "unshare", NEWNS)
    _mount("private mounts", None, "/", None, MS_REC | MS_PRIVATE)
    new = "/proc"  # a folder that is always there, and that no player needs
    _mount("a root in memory", "tmpfs", new, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m")
    for path in seen:
        os.makedirs(os.path.dirname(new + path), exist_ok=True)
        if os.path.islink(path):
            os.symlink(os.readlink(path), new + path)
            continue
        if os.path.isdir(path):
            os.makedirs(new + path, exist_ok=True)
        else:
            Path(new + path).touch()
        _mount(f"{path} in the new root", path, new + path, None, MS_BIND | MS_REC)
        flags = MS_RDONLY | MS_NOSUID | (0 if path.startswith("/dev/") else MS_NODEV)
        attributes = struct.pack("QQQQ", flags, 0, 0, 0)
        where = (new + path).encode()
        linux.system(f"{path} read-only", MOUNT_SETATTR, -100, where, RECURSIVE, attributes, 32)
    _copy(root / "lessons" / "dropoutlab", new)
    os.makedirs(new + HOME)
    if not os.path.exists(new + "/tmp"):  # the course itself may lie there
        os.symlink(HOME, new + "/tmp")
    os.chdir(new)
    linux.system("a new root", PIVOT_ROOT[linux.machine()], b".", b".")
    linux.call("the old root's end", "umount2", b".", MNT_DETACH)
    os.chdir("/")
    _mount("the root read-only", None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID)
    if superuser:
        _drop()
        _userspace(proc, 0)
        linux.call("a mount namespace", "unshare", NEWNS)
    # Process 1 of a namespace of ours: it may make more of them, and with it all players end.
    linux.call("a PID namespace", "unshare", NEWPID)
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
    linux.call("the end with the parent", "prctl", PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return proc


def _drop() -> None:
    """Give up the superuser's rights, for good."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    linux.call("a process of one's own", "prctl", DUMPABLE, 1, 0, 0, 0)  # so that uid_map is ours


def _mount(
    what: str, source: str | None, target: str, kind: str | None, flags: int, data: str = ""
) -> None:
    texts = [t.encode() if t is not None else None for t in (source, target, kind)]
    linux.call(what, "mount", *texts, ctypes.c_ulong(flags), data.encode() if data else None)


def _userspace(proc: int, inside: int) -> None:
    """A user namespace in which this user has the number `inside`, and no other user exists."""
    user, group = os.geteuid(), os.getegid()
    linux.call("a user namespace", "unshare", NEWUSER)
    texts = {"setgroups": "deny", "uid_map": f"{inside} {user} 1", "gid_map": f"{inside} {group} 1"}
    for name, text in texts.items():
        try:
            fd = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
            os.write(fd, text.encode())
            os.close(fd)
        except OSError as error:
            raise Unavailable(f"a user namespace ({name}): {error.strerror}") from None


# --- for each player --------------------------------------------------------------------


def fork(proc: int) -> int:
    """Fork into a PID namespace of its own: 0 in the child, which is its process 1."""
    own = os.open("self/ns/pid", os.O_RDONLY, dir_fd=proc)
    linux.call("a PID namespace", "unshare", NEWPID)
    child = os.fork()
    if child:
        linux.call("the own PID namespace", "setns", own, NEWPID)
    os.close(own)
    return child


def confine(proc: int, limits: Limits) -> None:
    """Give up everything but computing. Taken by a player before any learner's code."""
    linux.call("the end with the parent", "prctl", PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    linux.call("namespaces", "unshare", NEWNS | NEWNET | NEWIPC | NEWUTS | NEWCGROUP)
    data = f"mode=1777,size={limits.disk},nr_inodes=4096"
    _mount("a home folder in memory", "tmpfs", HOME, "tmpfs", MS_NOSUID | MS_NODEV, data)
    _userspace(proc, 1000)
    with open(os.open("self/statm", os.O_RDONLY, dir_fd=proc)) as statm:
        used = int(statm.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    os.close(proc)
    os.chdir(HOME)
    resources(limits, used)
    linux.call("no new privileges", "prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    landlock(["/"], HOME)
    _no_capabilities()
    seccomp.install()


def resources(limits: Limits, used: int) -> None:
    """Resource limits; memory is counted from what is `used` already."""
    import resource  # Windows has none

    bounds = {
        resource.RLIMIT_AS: used + limits.memory,
        resource.RLIMIT_FSIZE: limits.disk,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_NPROC: limits.threads,
        resource.RLIMIT_CPU: int(limits.submission * 2) + 10,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for name, bound in bounds.items():
        resource.setrlimit(name, (bound, bound))


def own_namespace(flags: int) -> None:
    """Enter namespaces as a player does; raises Unavailable. For a process made to try it."""
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    if os.geteuid() == 0:
        _drop()
    _userspace(proc, 0)
    if flags & ~NEWUSER:
        linux.call("namespaces", "unshare", flags & ~NEWUSER)


def landlock_version() -> int:
    """The version of Landlock that the kernel has; raises Unavailable where it has none."""
    return linux.system("Landlock (a Linux of 5.13 or later)", LANDLOCK_CREATE, None, 0, 1)


def landlock(readable: list[str], home: str) -> None:
    """Only some files are read; in the home folder they are written too. No TCP, no signals out."""
    version = landlock_version()
    files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    file, folder, write_file, devices = 1 << 2, 0b1100, 1 << 1, 1 << 15 | 1 << 6 | 1 << 11
    attributes = struct.pack("QQQ", files, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = linux.system("a Landlock ruleset", LANDLOCK_CREATE, attributes, size, 0)
    everything = files & ~devices & ~(1 << 9) & ~(1 << 10) & ~1
    rights = {path: folder if os.path.isdir(path) else file for path in readable}
    for path, allowed in (rights | {home: everything, "/dev/null": write_file | file}).items():
        fd = os.open(path, os.O_PATH)
        rule = struct.pack("=Qi", allowed, fd)
        linux.system(f"Landlock for {path}", LANDLOCK_ADD, rules, 1, rule, 0)
        os.close(fd)
    linux.system("Landlock", LANDLOCK_RESTRICT, rules, 0)
    os.close(rules)


def _no_capabilities() -> None:
    header = struct.pack("Ii", 0x20080522, 0)
    linux.system("no capabilities", CAPSET[linux.machine()], header, bytes(24))
