"""The system calls that a player may make: a seccomp filter, by an allow-list.

It began as Docker's default profile (moby, profiles/seccomp/default.json), without what a
player doesn't need. There are three answers:

- `ALLOWED` calls are made.
- `REFUSED` calls fail with EPERM, "Operation not permitted". They are what a learner's code
  might try and should read about: a socket, a process, another's memory, a mount. `clone` makes
  threads of this process and is refused for everything else, `mmap` gives no shared memory.
- Any other call fails with ENOSYS, "Function not implemented", as on a kernel that is too old
  for it. Libraries try a newer call first, and fall back. `clone3` is such a one: a filter can't
  read its flags, and the C library then makes a thread by `clone`.

Calls of another architecture (32 bits) end the process. Sources: seccomp(2), syscalls(2).
"""

from __future__ import annotations

import ctypes
import errno
import struct

from grader.isolation import linux

REFUSAL, UNKNOWN = errno.EPERM, errno.ENOSYS

Numbers = tuple[int | None, ...]
"""A call's number on each of `linux.ARCHITECTURES`; None where there is no such call."""


def _calls(groups: dict[str, str]) -> dict[str, Numbers]:
    """System calls with their numbers, from texts like "read 0 63, open 2 -"."""
    entries = [entry.split() for text in groups.values() for entry in text.split(",")]
    return {name: tuple(int(n) if n != "-" else None for n in ns) for name, *ns in entries}


ALLOWED = _calls(
    {
        "reading and writing": """
            read 0 63, readv 19 65, pread64 17 67, preadv 295 69, preadv2 327 286, write 1 64,
            writev 20 66, pwrite64 18 68, pwritev 296 70, pwritev2 328 287, lseek 8 62,
            sendfile 40 71, copy_file_range 326 285, fallocate 285 47, fadvise64 221 223,
            readahead 187 213, fsync 74 82, fdatasync 75 83, sync_file_range 277 84
        """,
        "files": """
            open 2 -, openat 257 56, openat2 437 437, creat 85 -, close 3 57, close_range 436 436,
            stat 4 -, fstat 5 80, lstat 6 -, newfstatat 262 79, statx 332 291, statfs 137 43,
            fstatfs 138 44, access 21 -, faccessat 269 48, faccessat2 439 439, getdents 78 -,
            getdents64 217 61, getcwd 79 17, chdir 80 49, fchdir 81 50, mkdir 83 -, mkdirat 258 34,
            rmdir 84 -, unlink 87 -, unlinkat 263 35, rename 82 -, renameat 264 38,
            renameat2 316 276, link 86 -, linkat 265 37, symlink 88 -, symlinkat 266 36,
            readlink 89 -, readlinkat 267 78, chmod 90 -, fchmod 91 52, fchmodat 268 53,
            umask 95 166, truncate 76 45, ftruncate 77 46, utime 132 -, utimes 235 -,
            futimesat 261 -, utimensat 280 88, getxattr 191 8, lgetxattr 192 9, fgetxattr 193 10,
            listxattr 194 11, llistxattr 195 12, flistxattr 196 13, setxattr 188 5,
            lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15,
            fremovexattr 199 16, fcntl 72 25, ioctl 16 29, dup 32 23, dup2 33 -,
            dup3 292 24
        """,
        "waiting": """
            pipe 22 -, pipe2 293 59, poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72,
            epoll_create 213 -, epoll_create1 291 20, epoll_ctl 233 21, epoll_wait 232 -,
            epoll_pwait 281 22, epoll_pwait2 441 441, eventfd 284 -, eventfd2 290 19,
            signalfd 282 -, signalfd4 289 74, timerfd_create 283 85, timerfd_settime 286 86,
            timerfd_gettime 287 87
        """,
        "the wire, whose socket is there already": """
            sendto 44 206, recvfrom 45 207, shutdown 48 210, getsockname 51 204,
            getpeername 52 205, getsockopt 55 209
        """,
        "memory": """
            brk 12 214, mmap 9 222, mprotect 10 226, munmap 11 215, mremap 25 216, madvise 28 233,
            mincore 27 232, msync 26 227, mlock 149 228, mlock2 325 284, mlockall 151 230,
            munlock 150 229, munlockall 152 231, pkey_alloc 330 289, pkey_free 331 290,
            pkey_mprotect 329 288, membarrier 324 283
        """,
        "threads": """
            exit 60 93, exit_group 231 94, set_tid_address 218 96, set_robust_list 273 99,
            get_robust_list 274 100, futex 202 98, futex_waitv 449 449, rseq 334 293,
            arch_prctl 158 -, prctl 157 167, gettid 186 178, sched_yield 24 124,
            sched_getaffinity 204 123, sched_setaffinity 203 122, sched_getparam 143 121,
            sched_getscheduler 145 120, sched_getattr 315 275, sched_get_priority_max 146 125,
            sched_get_priority_min 147 126, sched_rr_get_interval 148 127, getcpu 309 168,
            getpriority 140 141, setpriority 141 140, wait4 61 260, waitid 247 95
        """,
        "signals": """
            rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigpending 127 136,
            rt_sigsuspend 130 133, rt_sigtimedwait 128 137, rt_sigqueueinfo 129 138,
            rt_tgsigqueueinfo 297 240, rt_sigreturn 15 139, sigaltstack 131 132,
            restart_syscall 219 128, kill 62 129, tkill 200 130, tgkill 234 131, pause 34 -
        """,
        "time": """
            clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115, nanosleep 35 101,
            gettimeofday 96 169, time 201 -, times 100 153, alarm 37 -, getitimer 36 102,
            setitimer 38 103, timer_create 222 107, timer_settime 223 110, timer_gettime 224 108,
            timer_getoverrun 225 109, timer_delete 226 111
        """,
        "who, and how much": """
            getpid 39 172, getppid 110 173, getpgid 121 155, getpgrp 111 -, getsid 124 156,
            getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177, getresuid 118 148,
            getresgid 120 150, getgroups 115 158, capget 125 90, getrlimit 97 163,
            setrlimit 160 164, prlimit64 302 261, getrusage 98 165, sysinfo 99 179, uname 63 160,
            getrandom 318 278
        """,
    }
)
"""Calls that are made."""
REFUSED = _calls(
    {
        "sockets, and what comes with a message": """
            socket 41 198, socketpair 53 199, connect 42 203, bind 49 200, listen 50 201,
            accept 43 202, accept4 288 242, setsockopt 54 208, sendmsg 46 211, sendmmsg 307 269,
            recvmsg 47 212, recvmmsg 299 243
        """,
        "processes": """
            fork 57 -, vfork 58 -, execve 59 221, execveat 322 281
        """,
        "other processes": """
            ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271,
            process_madvise 440 440, process_mrelease 448 448, kcmp 312 272, pidfd_open 434 434,
            pidfd_getfd 438 438, pidfd_send_signal 424 424
        """,
        "namespaces and mounts": """
            unshare 272 97, setns 308 268, mount 165 40, umount2 166 39, pivot_root 155 41,
            chroot 161 51, open_tree 428 428, move_mount 429 429, fsopen 430 430, fsconfig 431 431,
            fsmount 432 432, fspick 433 433, mount_setattr 442 442
        """,
        "files by another way": """
            name_to_handle_at 303 264, open_by_handle_at 304 265, fanotify_init 300 262,
            fanotify_mark 301 263, flock 73 32, mknod 133 -, mknodat 259 33, memfd_create 319 279,
            memfd_secret 447 447
        """,
        "other rights": """
            setuid 105 146, setgid 106 144, setreuid 113 145, setregid 114 143, setresuid 117 147,
            setresgid 119 149, setfsuid 122 151, setfsgid 123 152, setgroups 116 159,
            capset 126 91, chown 92 -, lchown 94 -, fchown 93 55, fchownat 260 54
        """,
        "memory and messages that processes share": """
            shmget 29 194, shmat 30 196, shmctl 31 195, shmdt 67 197, semget 64 190, semctl 66 191,
            semop 65 193, semtimedop 220 192, msgget 68 186, msgctl 71 187, msgsnd 69 189,
            msgrcv 70 188, mq_open 240 180, mq_unlink 241 181, mq_timedsend 242 182,
            mq_timedreceive 243 183, mq_notify 244 184, mq_getsetattr 245 185
        """,
        "keys": """
            add_key 248 217, request_key 249 218, keyctl 250 219
        """,
        "the kernel": """
            bpf 321 280, seccomp 317 277, perf_event_open 298 241, userfaultfd 323 282,
            io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427,
            init_module 175 105, finit_module 313 273, delete_module 176 106, kexec_load 246 104,
            kexec_file_load 320 294
        """,
        "the machine": """
            reboot 169 142, swapon 167 224, swapoff 168 225, syslog 103 116, acct 163 89,
            quotactl 179 60, quotactl_fd 443 443, sethostname 170 161, setdomainname 171 162,
            vhangup 153 58, settimeofday 164 170, clock_settime 227 112, adjtimex 159 171,
            clock_adjtime 305 266, personality 135 92, iopl 172 -, ioperm 173 -, modify_ldt 154 -
        """,
    }
)
"""Calls that fail with REFUSAL."""
MMAP = ALLOWED["mmap"]
SHARED, ANONYMOUS = 0x01, 0x20
"""Flags of mmap(2). Memory that is both is counted by no resource limit: it stays when all but a
page of it is unmapped."""
CLONE: Numbers = (56, 220)
THREAD, NAMESPACES = 0x00010000, 0x7E020000
"""Flags of clone(2): a thread of this process; namespaces of its own."""

AUDIT = dict(zip(linux.ARCHITECTURES, (0xC000003E, 0xC00000B7), strict=True))
X32 = 0x40000000
"""From this number on lie the calls of x86_64 with pointers of 32 bits."""

SECCOMP, FILTER, NO_NEW_PRIVS = 22, 2, 38  # prctl(2)
# Linux's classic BPF: instructions, answers, and where seccomp's data holds what.
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, FOURTH_ARGUMENT = 0, 4, 16, 40


def program(architecture: str) -> list[tuple[int, int, int, int]]:
    """The filter: instructions with the jumps where they hold and don't, and their operand."""
    which = linux.ARCHITECTURES.index(architecture)
    refuse = (RETURN, 0, 0, ERRNO | REFUSAL)
    allow = (RETURN, 0, 0, ALLOW)
    clone, mmap = CLONE[which], MMAP[which]
    assert clone is not None and mmap is not None, "every Linux has both"
    steps: list[tuple[int, int, int, int]] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, AUDIT[architecture]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, X32),
        refuse,
        (EQUAL, 0, 5, clone),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (ANY_BIT, 2, 0, NAMESPACES),
        (ANY_BIT, 0, 1, THREAD),
        allow,
        refuse,
        (EQUAL, 0, 5, mmap),
        (LOAD, 0, 0, FOURTH_ARGUMENT),
        (ANY_BIT, 0, 2, ANONYMOUS),
        (ANY_BIT, 0, 1, SHARED),
        refuse,
        allow,
    ]
    for calls, answer in ((ALLOWED, allow), (REFUSED, refuse)):
        for numbers in calls.values():
            if (number := numbers[which]) is not None:
                steps += [(EQUAL, 0, 1, number), answer]
    steps.append((RETURN, 0, 0, ERRNO | UNKNOWN))
    return steps


def install() -> None:
    """Filter this process's system calls from now on; raises Unavailable."""
    steps = program(linux.machine())
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    filter_ = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    linux.call("no new privileges", "prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    linux.call("seccomp", "prctl", SECCOMP, FILTER, filter_, 0, 0)
