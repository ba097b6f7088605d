#!/usr/bin/python3
"""Tries to change what SECURITY.md says that a step does not change.

First a line `writable PATH` for each folder and file of the machine that takes a write (not with the argument `calls`),
then a line for each call to the kernel: `got NAME: …` or `refused NAME: …`.
"""
import ctypes
import os
import platform
import socket
import struct
import sys

assert platform.machine() == "x86_64", "the numbers of the calls are those of x86-64"
libc = ctypes.CDLL(None, use_errno=True)
OWN = os.path.dirname(os.environ.get("CI_WORKSPACE", "/root/x"))
# In here all is its own; /proc/PID is a process's own, too.
SKIPPED = {OWN, "/proc", "/tmp", "/var/tmp", "/dev/shm"}


def try_file(path):
    # Only opened: a write could end the machine.
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))


def try_folder(path):
    name = os.path.join(path, ".unitci-was-here")
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(name)


def walk(top):
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in SKIPPED]
        for path, act in [(folder, try_folder)] + [(os.path.join(folder, name), try_file) for name in files]:
            if os.path.islink(path):
                continue
            try:
                act(path)
                print(f"writable {path}")
            except OSError:
                pass


if "calls" not in sys.argv:
    walk("/")
    walk("/proc/sys")
    for path in ("/proc/sysrq-trigger", "/proc/1/oom_score_adj", "/proc/1/mem", "/proc/kcore"):
        try:
            try_file(path)
            print(f"writable {path}")
        except OSError:
            pass


def call(number, *arguments):
    back = libc.syscall(ctypes.c_long(number), *arguments)
    if back < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return back


def address_family(family, kind=socket.SOCK_RAW):
    return lambda: socket.socket(family, kind, 0).close()


def set_id_file(mode):
    def act():
        path = os.path.join(os.environ.get("HOME", "/root"), "set-id")
        with open(path, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
        os.unlink(path)

    return act


def set_id_program():
    """What a set-uid program gives; without one on the machine this would say nothing."""
    assert os.stat("/usr/local/bin/id-of-root").st_mode & 0o4000
    euid = os.popen("/usr/local/bin/id-of-root -u").read().strip()
    if euid != "0":
        raise PermissionError(f"it runs as {euid}")
    return euid


def device():
    path = os.path.join(os.environ.get("HOME", "/root"), "device")
    os.mknod(path, 0o666 | 0o020000, os.makedev(1, 3))
    os.unlink(path)


def mount():
    if libc.mount(b"none", OWN.encode(), b"tmpfs", 0, None) < 0:
        raise OSError(ctypes.get_errno(), "mount")


def namespaces(flag):
    return lambda: call(272, ctypes.c_ulong(flag))


def limit_of_others():
    # prlimit64 of process 1.
    return call(302, 1, 7, None, ctypes.create_string_buffer(16))


ATTEMPTS = {
    "mount": mount,
    "unmount": lambda: call(166, ctypes.c_char_p(b"/proc"), 2),
    "open-tree": lambda: os.close(call(428, -100, ctypes.c_char_p(b"/"), 1)),
    "user namespace": namespaces(0x10000000),
    "mount namespace": namespaces(0x00020000),
    "net namespace": namespaces(0x40000000),
    "pid namespace": namespaces(0x20000000),
    "ipc namespace": namespaces(0x08000000),
    "uts namespace": namespaces(0x04000000),
    "cgroup namespace": namespaces(0x02000000),
    "chroot": lambda: os.chroot("/"),
    "set-uid file": set_id_file(0o4755),
    "set-gid file": set_id_file(0o2755),
    "set-uid program": set_id_program,
    "become root": lambda: os.setuid(0),
    "device node": device,
    "packet socket": address_family(socket.AF_PACKET),
    "vsock": address_family(40, socket.SOCK_STREAM),
    "crypto socket": address_family(38, socket.SOCK_SEQPACKET),
    "bluetooth socket": address_family(31),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
    "host name": lambda: socket.sethostname(socket.gethostname()),
    "clock": lambda: call(227, 0, ctypes.create_string_buffer(struct.pack("qq", 0, -1), 16)),
    "kernel module": lambda: call(313, -1, ctypes.c_char_p(b""), 0),
    "kernel log": lambda: call(103, 3, ctypes.create_string_buffer(64), 64),
    "kexec": lambda: call(246, 0, 0, None, 0),
    "swap": lambda: call(168, ctypes.c_char_p(b"/nothing")),
    "bpf": lambda: call(321, 0, None, 0),
    "performance counters": lambda: call(298, None, 0, -1, -1, 0),
    "io_uring": lambda: os.close(call(425, 1, ctypes.create_string_buffer(120))),
    "kernel key": lambda: call(248, ctypes.c_char_p(b"user"), ctypes.c_char_p(b"unitci"), b"x", 1, -4),
    "real-time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "more priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
    "limits of others": limit_of_others,
    "trace a child": lambda: call(101, 0, 0, 0, 0),
    "other personality": lambda: call(135, 0x0004000 | 0x8),
}
for name, act in ATTEMPTS.items():
    # In a child: what it gets is not to hinder the next.
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            print(f"got {name}: {act()!r}", flush=True)
        except Exception as error:
            print(f"refused {name}: {error!r}", flush=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status:
        print(f"refused {name}: killed, status {status}")
