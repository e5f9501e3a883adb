"""Runs tenants' Python scripts.

Started once as a zygote with a control socket as descriptor 3. For every job it forks a child, which reads one frame
from the job's own socket, runs or checks the script, answers with a RESULT frame and exits. The zygote itself never
looks at tenant text, so it serves every tenant; whatever a script spoils dies with its child.

Everything that a child needs is imported and has run once before the first fork.

This piece is what Python 3 has of its own; `python2.py` has the same names for Python 2.7. The other pieces follow in
one text and are written for both.
"""
import _posixsubprocess
import ast
import errno
import fcntl
import http.client
import importlib
import json
import os
import random
import select
import signal
import socket
import sys
from _thread import stack_size

IS_ONCE = sys.argv[4:] == ["once"]  # for one job, without a zygote

# Loaded for the scripts: a module that was imported before the fork costs a job nothing.
for name in () if IS_ONCE else (
        "collections", "copy", "datetime", "decimal", "functools", "hashlib", "hmac", "itertools", "math",
        "re", "string", "time", "urllib.parse", "uuid"):
    importlib.import_module(name)

CONTROL = 3     # in the zygote: the control socket (SOCK_SEQPACKET)

TEXT, DICT = str, dict
TOO_DEEP, NO_THREAD = RecursionError, RuntimeError
# What begins a process; `subprocess` may have taken its own already.
BEGINNINGS = [
    (os, "fork"), (os, "forkpty"), (os, "posix_spawn"), (os, "posix_spawnp"), (_posixsubprocess, "fork_exec"),
    (sys.modules.get("subprocess"), "_fork_exec"),
]
# What a script finds beside `event` and `platform`, as the reference has it.
SCRIPT_NAMES = {"json": json, "http": http}
STDOUT, STDERR = sys.stdout, sys.stderr

# A script may replace attributes of modules; what the harness needs afterwards is held here.
_read, _write, _exit = os.read, os.write, os._exit
_write_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
# Since Python 3.11; some older ones have it as well.
_digits, _set_digits = (getattr(sys, f"{verb}_int_max_str_digits", lambda *_: 0) for verb in ("get", "set"))
_control = None


# --- Text and JSON ----------------------------------------------------------------------------------------------------

def of_any_length(convert, value):
    """Converts numbers whatever their length: Python's limit protects servers, and this process is the job's own."""
    limit = _digits()
    _set_digits(0)
    try:
        return convert(value)
    finally:
        _set_digits(limit)


def json_bytes(value, errors="strict"):
    try:
        return of_any_length(_write_json, value).encode("utf-8", errors)
    except UnicodeEncodeError:
        raise ValueError("text with a lone surrogate") from None


def json_reader(factory):
    """A function that reads JSON and makes its objects with `factory`."""
    parse = json.JSONDecoder(object_pairs_hook=factory).decode
    return lambda data: of_any_length(parse, data.decode())


def native(text):
    """Text as the interpreter's own functions want it."""
    return text


def said(error):
    return str(error)


def traceback_of(error):
    return error.__traceback__


def parsed(source, name):
    return ast.parse(source, name)


def header_message(headers):
    message = http.client.HTTPMessage()
    for name, value in headers.items():
        message[name] = value
    return message


# --- Processes --------------------------------------------------------------------------------------------------------

class Unconnected(socket.socket):
    """A socket for what exists already, such as a pair of asyncio; a script can not open one to the world."""

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        if fileno is None:
            refuse()
        super().__init__(family, type, proto, fileno)


def open_control():
    global _control
    _control = socket.socket(fileno=CONTROL)


def tell(**message):
    try:
        _control.send(json_bytes(message))
    except OSError:
        pass  # the worker has gone, which the next poll shows


def receive():
    """One message of the worker and its descriptors; an empty one at the end of the control socket."""
    try:
        message, fds, _, _ = socket.recv_fds(_control, 4096, 4)
        return message, fds
    except ConnectionError:
        return b"", []


def wake_by(fd):
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)


def polled(poll):
    return poll.poll()


def prepare_output():
    STDOUT.reconfigure(line_buffering=True, errors="backslashreplace")
