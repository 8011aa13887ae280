"""Name every system call the wall speaks of, and give its number on x86_64 and aarch64.

`ALLOWED` is the one list of what a confined worker may ask the kernel for without conditions. It
was found by measurement (strace of jax 0.10.2 and flax 0.12.8: import, backend start, 60 eager
calls of new shapes, nnx.jit, grad, scan, large products on all cores, 16 Python threads,
callbacks), then completed with the spellings that other C libraries and aarch64 use for the same
requests. All of them read something or touch the caller's own memory and threads. Calls that are
safe only with certain arguments are in `seccomp.py`; every call in neither place fails with EPERM.
"""

import ctypes
import errno
import functools
import os
import platform
from collections.abc import Mapping
from types import MappingProxyType

AUDIT_ARCH: Mapping[str, int] = MappingProxyType({"x86_64": 0xC000003E, "aarch64": 0xC00000B7})
"""AUDIT_ARCH_* of linux/audit.h, by `platform.machine()`."""

FILES = (
    "openat open close read pread64 readv lseek fstat newfstatat stat lstat statx readlink"
    " readlinkat access faccessat faccessat2 getdents64 getcwd"
)
"""Reading files. Landlock decides which may be opened; what they are called is not secret."""

DESCRIPTORS = (
    "write writev dup dup2 dup3 poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait"
    " epoll_pwait eventfd2"
)
"""Answering on the pipe, printing to the log, waiting. JAX opens one epoll and one eventfd."""

MEMORY = "brk munmap mprotect"
"""Private memory, which RLIMIT_DATA counts. `mremap` is missing on purpose: grown by mremap, the
main thread's stack counts neither as data nor against RLIMIT_STACK (1 GiB under a 300 MiB limit,
measured on 6.18). realloc copies instead."""

THREADS = (
    "exit exit_group gettid set_robust_list rseq sched_yield sched_getaffinity sched_getparam"
    " sched_getscheduler sched_get_priority_max sched_get_priority_min getcpu arch_prctl"
    " rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall"
)
"""Running threads and handling one's own signals. arch_prctl asks for the AMX registers."""

CLOCKS = "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times"
"""Reading clocks where the vDSO cannot, and sleeping."""

FACTS = (
    "getpid getppid getpgrp getuid geteuid getgid getegid getresuid getresgid uname sysinfo"
    " getrusage getrlimit getrandom"
)
"""Facts about oneself and the machine."""

ALLOWED: tuple[str, ...] = tuple(
    f"{FILES} {DESCRIPTORS} {MEMORY} {THREADS} {CLOCKS} {FACTS}".split()
)
"""Allowed whatever the arguments are."""

_FOR_FORKING = (
    "wait4 pidfd_open recvmsg sendmsg capget capset close_range landlock_create_ruleset"
    " landlock_restrict_self prctl prlimit64 seccomp tgkill"
)
FOR_FORKING: tuple[str, ...] = tuple(_FOR_FORKING.split())
"""What a template may ask for as well: it forks, passes descriptors over its one socket, and each
fork locks itself down. The filter that a fork adds refuses all of these again."""

# Triples: name, x86_64 (asm/unistd_64.h), aarch64 (asm-generic/unistd.h); "-" where there is none.
_NUMBERS = """
access 21 -                      add_key 248 217                  arch_prctl 158 -
bpf 321 280                      brk 12 214                       capget 125 90
capset 126 91                    chroot 161 51                    clock_getres 229 114
clock_gettime 228 113            clock_nanosleep 230 115          clone 56 220
clone3 435 435                   close 3 57                       close_range 436 436
dup 32 23                        dup2 33 -                        dup3 292 24
epoll_create1 291 20             epoll_ctl 233 21                 epoll_pwait 281 22
epoll_wait 232 -                 eventfd2 290 19                  execve 59 221
exit 60 93                       exit_group 231 94                faccessat 269 48
faccessat2 439 439               fallocate 285 47                 fcntl 72 25
flock 73 32                      fork 57 -                        fsopen 430 430
fstat 5 80                       ftruncate 77 46                  futex 202 98
getcpu 309 168                   getcwd 79 17                     getdents64 217 61
getegid 108 177                  geteuid 107 175                  getgid 104 176
getpgrp 111 -                    getpid 39 172                    getppid 110 173
getrandom 318 278                getresgid 120 150                getresuid 118 148
getrlimit 97 163                 getrusage 98 165                 gettid 186 178
gettimeofday 96 169              getuid 102 174                   inotify_init1 294 26
io_uring_setup 425 425           ioctl 16 29                      keyctl 250 219
kill 62 129                      landlock_add_rule 445 445        landlock_create_ruleset 444 444
landlock_restrict_self 446 446   lseek 8 62                       lstat 6 -
madvise 28 233                   memfd_create 319 279             memfd_secret 447 447
mincore 27 232                   mlock 149 228                    mmap 9 222
mount 165 40                     mprotect 10 226                  mq_open 240 180
mremap 25 216                    msgget 68 186                    munmap 11 215
name_to_handle_at 303 264        nanosleep 35 101                 newfstatat 262 79
open 2 -                         open_by_handle_at 304 265        openat 257 56
perf_event_open 298 241          pidfd_getfd 438 438              pidfd_open 434 434
pipe2 293 59                     poll 7 -                         ppoll 271 73
prctl 157 167                    pread64 17 67                    prlimit64 302 261
process_vm_readv 310 270         process_vm_writev 311 271        pselect6 270 72
ptrace 101 117                   read 0 63                        readlink 89 -
readlinkat 267 78                readv 19 65                      restart_syscall 219 128
rseq 334 293                     rt_sigaction 13 134              rt_sigprocmask 14 135
rt_sigqueueinfo 129 138          rt_sigreturn 15 139              sched_get_priority_max 146 125
sched_get_priority_min 147 126   sched_getaffinity 204 123        sched_getparam 143 121
sched_getscheduler 145 120       sched_setaffinity 203 122        sched_yield 24 124
seccomp 317 277                  select 23 -                      semget 64 190
recvmsg 47 212                   sendmsg 46 211                   wait4 61 260
set_robust_list 273 99           setns 308 268                    setpriority 141 140
setsid 112 157                   setuid 105 146                   shmget 29 194
sigaltstack 131 132              socket 41 198                    socketpair 53 199
splice 275 76                    stat 4 -                         statx 332 291
sysinfo 99 179                   tgkill 234 131                   time 201 -
times 100 153                    tkill 200 130                    uname 63 160
unshare 272 97                   userfaultfd 323 282              vmsplice 278 75
write 1 64                       writev 20 66
"""

Argument = int | bytes | ctypes.Array[ctypes.c_char] | None
"""What `call` passes on: integers as 64 bits, bytes and buffers by address, None as NULL."""


@functools.cache
def table(machine: str | None = None) -> Mapping[str, int]:
    """Return the number of every named call on `machine`, by default this one.

    A name that the architecture lacks (`open` on aarch64) is absent from its table.

    Raises:
        OSError: ENOSYS when the architecture has no table; the wall cannot be built there.
    """
    machine = machine or platform.machine()
    if machine not in AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no system call table for {machine}; known: x86_64, aarch64")
    words = _NUMBERS.split()
    numbers = words[1::3] if machine == "x86_64" else words[2::3]
    pairs = zip(words[0::3], numbers, strict=True)
    return MappingProxyType({name: int(number) for name, number in pairs if number != "-"})


def call(name: str, *arguments: Argument) -> int:
    """Make one raw system call, past every wrapper of the C library.

    Raises:
        OSError: what the kernel answered; ENOSYS when this architecture has no such call.
    """
    if name not in table():
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), name)
    # ctypes would pass a plain int as 32 bits and leave the register's high half to chance.
    passed = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(_libc().syscall(ctypes.c_long(table()[name]), *passed))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return result


def prctl(option: int, *arguments: int) -> int:
    """Call prctl(2) with its unused arguments zero, as the kernel demands.

    Raises:
        OSError: what the kernel answered.
    """
    return call("prctl", option, *arguments, *[0] * (4 - len(arguments)))


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc
