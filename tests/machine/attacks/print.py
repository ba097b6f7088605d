#!/usr/bin/python3
"""Tries to take back what it has printed, and to look like what it is not."""
import ctypes
import fcntl
import os
import struct
import termios
import time

libc = ctypes.CDLL(None, use_errno=True)


def say(text):
    os.write(1, text.encode() + b"\n")


def attempt(name, act):
    try:
        say(f"got {name}: {act()!r}")
    except Exception as error:
        say(f"refused {name}: {error!r}")


def read_back():
    with open("/proc/self/fd/1", "rb", buffering=0) as end:
        os.set_blocking(end.fileno(), False)
        return end.read(1000)


def read_back_by_tee():
    into = os.pipe()[1]
    moved = libc.tee(1, into, 1000, 2)
    if moved < 0:
        raise OSError(ctypes.get_errno(), "tee")
    return moved


def empty():
    # It opens for writing only, and a pipe has nothing to cut off.
    os.close(os.open("/proc/self/fd/1", os.O_WRONLY | os.O_TRUNC))
    os.ftruncate(1, 0)


def change_a_page():
    """Gives the pipe a page of its own memory, and changes it afterwards."""
    page = ctypes.create_string_buffer(b"as it was given\n".ljust(64, b"."), 64)
    iov = struct.pack("PP", ctypes.addressof(page), 64)
    if libc.vmsplice(1, iov, 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "vmsplice")
    os.write(1, b"\n")
    # Once the pipe is empty it is recorded.
    while struct.unpack("i", fcntl.ioctl(1, termios.FIONREAD, struct.pack("i", 0)))[0]:
        time.sleep(0.01)
    page.value = b"as it was changed\n"
    raise OSError("what is recorded stays")


say("the first line")
attempt("to cut it off", empty)
attempt("to go back", lambda: os.lseek(1, 0, os.SEEK_SET))
attempt("to read it back", read_back)
attempt("to read it back by tee", read_back_by_tee)
attempt("to change a page", change_a_page)
attempt("to map it", lambda: __import__("mmap").mmap(1, 100))
attempt("the log itself", lambda: os.listdir("/var/lib/ci/builds"))
attempt("to tell systemd", lambda: open("/run/systemd/notify", "wb"))
# What others print must not be mistaken for the CI's own words; here it is, to be shown as any text.
say("MESSAGE_ID=903f27b590f245ddbd2f116f0dcaad54")
say("build hostile:1: success")
say("the last line")
os.system("echo by its name >/dev/stdout; echo by its other name >>/dev/stderr")
os._exit(3)
