"""The filter of system calls: is each call answered as the table says, by the filter itself?"""

from __future__ import annotations

import ctypes
import json
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import classroom
from grader.isolation import linux, seccomp

WHICH = linux.ARCHITECTURES.index(platform.machine())
REFUSED = {name: n[WHICH] for name, n in seccomp.REFUSED.items() if n[WHICH] is not None}
UNLISTED = {  # real calls, and a number that no kernel has
    "clone3": (435, 435),
    "inotify_init1": (294, 26),
    "io_setup": (206, 0),
    "landlock_create_ruleset": (444, 444),
    "mbind": (237, 235),
    "splice": (275, 76),
    "none": (4000, 4000),
}
UNKNOWN = {name: numbers[WHICH] for name, numbers in UNLISTED.items()}
X32 = seccomp.X32 + 39
MARKS = 3001, 3002
"""In place of EPERM and ENOSYS: numbers that no kernel gives, so the answer is the filter's."""

FILTERED = f"""
import ctypes, json, mmap, sys
from grader.isolation import confinement, seccomp
confinement.own_namespace(confinement.NEWUSER)  # without rights, should a call go through
seccomp.REFUSAL, seccomp.UNKNOWN = {MARKS}
libc = ctypes.CDLL(None, use_errno=True)
seccomp.install()
"""


def filtered(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that has the filter, whose answers are MARKS."""
    return subprocess.run(
        [sys.executable, "-c", FILTERED + code, *arguments],
        env=classroom.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


CLONE, GETPID = seccomp.CLONE[WHICH], seccomp.ALLOWED["getpid"][WHICH]
PROCESSES = {
    "fork": 17,
    "vfork": 0x4111,
    "a thread with its own network": 0x10F00 | 0x40000000,
    "a thread with its own users": 0x10F00 | 0x10000000,
    "a thread with its own mounts": 0x10F00 | 0x20000,
}
"""Flags of clone(2)."""


@pytest.fixture(scope="module")
def answers() -> dict[tuple[int, int], tuple[int, int]]:
    """Result and errno of each call, by its number and its first argument; the others are 0."""
    calls = [(number, 0) for number in (*REFUSED.values(), *UNKNOWN.values(), GETPID, X32)]
    calls += [(CLONE, flags) for flags in PROCESSES.values()]
    run = filtered(
        "for number, first in json.loads(sys.argv[1]):\n"
        "    result = libc.syscall(number, first, 0, 0, 0, 0, 0)\n"
        "    print(result, ctypes.get_errno(), flush=True)",
        json.dumps(calls),
    )
    lines = [tuple(map(int, line.split())) for line in run.stdout.splitlines()]
    assert run.returncode == 0, run.stderr
    return dict(zip(calls, lines, strict=False))  # a fork that succeeds prints all that follows


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_call_gets_the_filters_answer(answers: dict, name: str):
    """Is it the filter that refuses this call, and not the kernel, which might allow it?"""
    assert answers[REFUSED[name], 0] == (-1, MARKS[0])


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_call_that_is_not_listed_is_one_the_kernel_lacks(answers: dict, name: str):
    """Is a call that nobody thought of answered so that libraries fall back?"""
    assert answers[UNKNOWN[name], 0] == (-1, MARKS[1])


@pytest.mark.parametrize("kind", PROCESSES)
def test_clone_makes_threads_alone(answers: dict, kind: str):
    """Is clone refused for processes, and for threads in namespaces of their own?"""
    assert answers[CLONE, PROCESSES[kind]] == (-1, MARKS[0])


def test_what_is_allowed_is_done(answers: dict):
    """Does an allowed call reach the kernel, and not its twin with pointers of 32 bits?"""
    assert answers[GETPID, 0][0] > 1
    assert answers[X32, 0] == (-1, MARKS[0])


def test_memory_is_private():
    """Is shared anonymous memory refused, by the filter, and private memory given?"""
    run = filtered(
        "for flags in (0x22, 0x02 | 0x20 | 0x4000, 0x21, 0x23, 0x21 | 0x4000):\n"
        "    libc.mmap.restype = ctypes.c_void_p\n"
        "    at = libc.mmap(None, ctypes.c_size_t(4096), 3, flags, -1, ctypes.c_size_t(0))\n"
        "    print(at == 2**64 - 1 and ctypes.get_errno())"
    )
    assert run.stdout.split() == ["False", "False", *3 * [str(MARKS[0])]], run.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86_64 has calls of 32 bits")
def test_calls_of_32_bits_end_the_process():
    """Is a process killed that calls by `int 0x80`, whose numbers mean other calls?"""
    getpid = b"\xb8\x14\0\0\0\xcd\x80\xc3"  # mov eax, 20; int 0x80; ret
    run = filtered(
        "room = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)\n"
        f"room.write({getpid!r})\n"
        "print(ctypes.CFUNCTYPE(int)(ctypes.addressof(ctypes.c_char.from_buffer(room)))())"
    )
    assert run.returncode in (-signal.SIGSYS, -signal.SIGSEGV) and run.stdout == "", run


HEADERS = {  # where Linux's headers tell the numbers
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("architecture", HEADERS)
def test_the_numbers_are_those_of_linux(architecture: str):
    """Does every name have the number of Linux's header, and none where it has none?"""
    header = HEADERS[architecture]
    if not header.exists():
        pytest.skip(f"no {header} here (Debian's package linux-libc-dev)")
    define = r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$"
    numbers = {
        name: int(number) for name, number in re.findall(define, header.read_text(), re.MULTILINE)
    }
    if architecture == "aarch64":
        numbers["newfstatat"] = numbers.pop("fstatat")  # as its own header calls it
    which = linux.ARCHITECTURES.index(architecture)
    table = seccomp.ALLOWED | seccomp.REFUSED | {"clone": seccomp.CLONE}
    wrong = {
        name: (ns[which], numbers.get(name))
        for name, ns in table.items()
        if ns[which] != numbers.get(name)
    }
    assert not wrong


@pytest.mark.parametrize("name", ["getpid", "getppid", "getuid", "getegid", "gettid"])
def test_a_number_is_the_call_of_its_name(name: str):
    """Does this machine's C library, asked by name, answer as the kernel does by number?"""
    libc = ctypes.CDLL(None)
    assert getattr(libc, name)() == libc.syscall(seccomp.ALLOWED[name][WHICH])


def test_no_call_is_both_allowed_and_refused():
    """Does every number stand in the table once?"""
    for which in range(len(linux.ARCHITECTURES)):
        tables = [*seccomp.ALLOWED.values(), *seccomp.REFUSED.values(), seccomp.CLONE]
        numbers = [ns[which] for ns in tables if ns[which] is not None]
        assert len(numbers) == len(set(numbers))
