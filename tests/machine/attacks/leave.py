#!/usr/bin/python3
"""Leaves behind whatever might change the next build, its content or its verdict."""
import ctypes
import os
import socket
import subprocess
import sys

WORKSPACE = os.environ["CI_WORKSPACE"]
OWN = os.path.dirname(WORKSPACE)
HOME = os.environ["HOME"]
CACHE = os.environ["CI_CACHE"]
TRAP = "echo BAD; touch $CI_CACHE/trapped /var/cache/ci/*/cache/trapped 2>/dev/null"


def write(path, text, mode=0o755):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def git():
    """A git dir, hooks, filters and a file system monitor wherever git might look for them."""
    write(f"{CACHE}/trap", f"#!/bin/sh\n{TRAP}\ncat\n")
    config = f"""[core]
        hooksPath = {CACHE}/hooks
        fsmonitor = {CACHE}/trap
        attributesFile = {CACHE}/attributes
        sshCommand = {CACHE}/trap
        pager = {CACHE}/trap
        editor = {CACHE}/trap
        worktree = {CACHE}
[filter "bad"]
        smudge = {CACHE}/trap
        clean = {CACHE}/trap
        required = true
[init]
        templateDir = {CACHE}/template
[alias]
        read-tree = !{CACHE}/trap
[include]
        path = {CACHE}/more
"""
    for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
        write(f"{CACHE}/hooks/{name}", f"#!/bin/sh\n{TRAP}\n")
        write(f"{CACHE}/template/hooks/{name}", f"#!/bin/sh\n{TRAP}\n")
    write(f"{CACHE}/attributes", "* filter=bad eol=crlf working-tree-encoding=UTF-16\n", 0o644)
    for folder in (WORKSPACE, OWN, HOME, CACHE):
        subprocess.run(["git", "init", "--quiet", folder], check=True, env={"PATH": os.environ["PATH"]})
        write(f"{folder}/.git/config", config, 0o644)
        write(f"{folder}/.git/info/attributes", "* filter=bad\n", 0o644)
        write(f"{folder}/.gitattributes", "* filter=bad\n", 0o644)
        write(f"{folder}/.git/info/grafts", "bad\n", 0o644)
    write(f"{HOME}/.gitconfig", config, 0o644)
    write(f"{HOME}/.config/git/config", config, 0o644)
    write(f"{HOME}/.config/git/attributes", "* filter=bad\n", 0o644)


def shells():
    """All that a shell, a session or systemd might read by itself."""
    for name in (".profile", ".bashrc", ".bash_profile", ".bash_login", ".shrc", ".shinit", ".zshenv", ".env", ".inputrc"):
        write(f"{HOME}/{name}", f"{TRAP}\nexport TRAPPED=1\nexit 1\n")
    write(f"{HOME}/.config/environment.d/bad.conf", "TRAPPED=1\n", 0o644)
    write(f"{HOME}/.pam_environment", "TRAPPED=1\n", 0o644)
    write(f"{HOME}/.config/systemd/user/default.target.wants/bad.service", f"[Service]\nExecStart=/bin/sh -c '{TRAP}'\n")
    for variable in ("ENV", "BASH_ENV"):
        os.environ[variable] = f"{HOME}/.bashrc"


def tree():
    """Names, depths, sizes and modes that are hard to remove."""
    here = os.open(WORKSPACE, os.O_RDONLY)
    for _ in range(10_000):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("at the bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    top = os.fsencode(WORKSPACE)
    for name in (b"new\nline", b"\xff\xfe invalid", b"-rf", b"*", b" ", b"\\", b"$(touch x)", b"a" * 255):
        os.makedirs(os.path.join(top, name, name), exist_ok=True)
        open(os.path.join(top, name, b"file"), "w").close()
    with open(f"{WORKSPACE}/sparse", "w") as file:
        file.truncate(1 << 40)
    for number in range(20_000):
        os.mknod(f"{WORKSPACE}/empty-{number}")
    os.makedirs(f"{WORKSPACE}/locked/inside")
    os.mkfifo(f"{WORKSPACE}/locked/inside/fifo")
    os.symlink("/etc/passwd", f"{WORKSPACE}/locked/inside/link")
    os.chmod(f"{WORKSPACE}/locked/inside", 0)
    os.chmod(f"{WORKSPACE}/locked", 0)
    # Under the name of a file of the commit.
    os.unlink(f"{WORKSPACE}/README")
    os.makedirs(f"{WORKSPACE}/README/is/a/folder")


def inodes():
    """All files that the file system has room for."""
    number = 0
    while True:
        try:
            os.mknod(f"{WORKSPACE}/file-{number}")
        except OSError as error:
            print(f"{number} files: {error}")
            return
        number += 1


def memory():
    """What lives in the kernel."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmget(0x7E57, 4096, 0o1666)
    libc.msgget(0x7E57, 0o1666)
    libc.semget(0x7E57, 1, 0o1666)
    os.close(os.open("/dev/shm/left", os.O_CREAT | os.O_WRONLY))
    if os.path.isdir("/dev/mqueue"):
        os.close(os.open("/dev/mqueue/left", os.O_CREAT | os.O_RDWR))
    libc.syscall(248, b"user", b"left", b"x", 1, -4)
    libc.syscall(248, b"user", b"left", b"x", 1, -3)


def processes():
    """Children that leave the session, ignore signals, and go on writing."""
    loop = "trap '' TERM HUP INT; while :; do echo BAD >README; echo BAD >>left; done 2>/dev/null"
    for _ in range(5):
        subprocess.Popen(["setsid", "-f", "sh", "-c", loop], cwd=WORKSPACE, start_new_session=True)
    for number in range(5):
        end = socket.socket(socket.AF_UNIX)
        end.bind(f"/tmp/socket-{number}")
    os.mkfifo("/tmp/fifo")


def modes():
    """Lists that new files inherit, for everybody; and no way into its own folder."""
    def entry(tag, permissions, who=0xFFFFFFFF):
        return tag.to_bytes(2, "little") + permissions.to_bytes(2, "little") + who.to_bytes(4, "little")

    everybody = (2).to_bytes(4, "little") + b"".join(
        [entry(1, 7), entry(2, 7, 65534), entry(4, 7), entry(16, 7), entry(32, 7)]
    )
    for folder in (WORKSPACE, HOME, CACHE, f"{OWN}/tmp", OWN):
        for kind in ("default", "access"):
            try:
                os.setxattr(folder, f"system.posix_acl_{kind}", everybody)
            except OSError as error:
                print(f"{folder}: {kind}: {error}")
    os.chmod(OWN, 0)
    print("modes")


def swap(name, target):
    """Puts something else into the place of one of its folders."""

    def act():
        place = f"{OWN}/{name}"
        try:
            os.rename(place, f"{place}-away-{os.environ['CI_BUILD']}")
            target(place)
            print(f"swapped {name}")
        except OSError as error:
            print(f"kept {name}: {error}")

    return act


WAYS = {
    "git": git,
    "shells": shells,
    "tree": tree,
    "inodes": inodes,
    "memory": memory,
    "processes": processes,
    "modes": modes,
    "workspace-to-home": swap("workspace", lambda place: os.symlink(f"{OWN}/home", place)),
    "workspace-to-etc": swap("workspace", lambda place: os.symlink("/etc", place)),
    "workspace-is-a-fifo": swap("workspace", os.mkfifo),
    "home-to-workspace": swap("home", lambda place: os.symlink("workspace", place)),
    "cache-is-a-file": swap("cache", os.mknod),
    "tmp-to-run": swap("tmp", lambda place: os.symlink("/run", place)),
    "tmp-to-var": swap("tmp", lambda place: os.symlink("/var", place)),
}
for way in sys.argv[1:]:
    WAYS[way]()
