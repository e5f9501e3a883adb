"""Runs tenants' Python 2 scripts.

This piece is what Python 2.7 has of its own; `python3.py` has the same names for Python 3 and tells the rest.
"""
import sys

del sys.path[0]  # the run directory; Python 3 is told so by -I

import ast
import collections
import ctypes
import errno
import fcntl
import httplib
import importlib
import io
import json
import os
import random
import re
import select
import signal
import socket
import struct
from thread import error as NO_THREAD, stack_size

IS_ONCE = sys.argv[4:] == ["once"]  # for one job, without a zygote

# Loaded for the scripts: a module that was imported before the fork costs a job nothing.
for name in () if IS_ONCE else (
        "copy", "datetime", "decimal", "functools", "hashlib", "hmac", "itertools", "math",
        "StringIO", "string", "time", "urllib", "urlparse", "uuid"):
    importlib.import_module(name)

CONTROL = 3     # in the zygote: the control socket (SOCK_SEQPACKET)

TEXT = unicode
TOO_DEEP = RuntimeError
# What begins a process.
BEGINNINGS = [(os, "fork"), (os, "forkpty")]
# What a script finds beside `event` and `platform`, as the reference has it.
SCRIPT_NAMES = {"json": json, "httplib": httplib}
STDERR = sys.stderr

_exit = os._exit
# Any name of UTF-8 but the usual one makes it decode byte strings before it writes them.
_write_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), encoding="utf8").encode
_find_lone, _replace_lone = (getattr(re.compile(
    u"[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]"), verb) for verb in ("search", "sub"))
_find_cookie = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+").match
_libc = ctypes.CDLL(None, use_errno=True)


def uninterrupted(call):
    """Python 2 does not go on by itself where a signal interrupts."""
    def calling(*arguments):
        while True:
            try:
                return call(*arguments)
            except OSError as error:
                if error.errno != errno.EINTR:
                    raise
    return calling


# A script may replace attributes of modules; what the harness needs afterwards is held here.
_read, _write = uninterrupted(os.read), uninterrupted(os.write)


class DICT(collections.OrderedDict):
    """Keeps the order of keys, as dicts of Python 3 do, and otherwise is like a dict."""

    def __new__(cls, *_, **__):
        # What OrderedDict would set as attributes, which a Munch takes for keys.
        made, root = collections.OrderedDict.__new__(cls), []
        root[:] = [root, root, None]
        made.__dict__.update(_OrderedDict__root=root, _OrderedDict__map={})
        return made

    __eq__, __ne__, __repr__ = dict.__eq__, dict.__ne__, dict.__repr__


# --- Text and JSON ----------------------------------------------------------------------------------------------------

def json_bytes(value, errors="strict"):
    text = _write_json(value)
    # The encoder of Python 2 lets them pass.
    if isinstance(text, unicode) and _find_lone(text):
        if errors == "strict":
            raise ValueError("text with a lone surrogate")
        text = _replace_lone(u"?", text)
    return text.encode("utf-8")


def json_reader(factory):
    """A function that reads JSON and makes its objects with `factory`."""
    parse = json.JSONDecoder(object_pairs_hook=factory).decode
    return lambda data: parse(data.decode("utf-8"))


def native(text):
    """Text as the interpreter's own functions want it."""
    return text.encode("utf-8") if isinstance(text, unicode) else text


def said(error):
    try:
        return unicode(error)
    except UnicodeError:
        return str(error).decode("utf-8", "replace")


def traceback_of(error):
    _, current, traceback = sys.exc_info()
    return traceback if current is error else None


def parsed(source, name):
    lines = source.split(u"\n", 2)
    # The source is text already: a declaration of its encoding says nothing, and would be refused.
    lines[:2] = [line.replace(u"coding", u"c0ding") if _find_cookie(line) else line for line in lines[:2]]
    return ast.parse(u"\n".join(lines), name)


def header_message(headers):
    lines = "".join("%s: %s\r\n" % header for header in headers.items())
    return httplib.HTTPMessage(io.BytesIO(lines + "\r\n"), 0)


# --- Processes --------------------------------------------------------------------------------------------------------

class Unconnected(socket._socketobject):
    """A socket for what exists already, such as a pair; a script can not open one to the world."""

    def __init__(self, family=socket.AF_INET, type=socket.SOCK_STREAM, proto=0, _sock=None):
        if _sock is None:
            refuse()
        socket._socketobject.__init__(self, family, type, proto, _sock)


class Vector(ctypes.Structure):
    """struct iovec"""
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Message(ctypes.Structure):
    """struct msghdr"""
    _fields_ = [
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint), ("vectors", ctypes.POINTER(Vector)),
        ("vector_count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


def open_control():
    _libc.recvmsg.restype = ctypes.c_ssize_t


def tell(**message):
    try:
        _write(CONTROL, json_bytes(message))
    except OSError:
        pass  # the worker has gone, which the next poll shows


def receive():
    """One message of the worker and its descriptors; an empty one at the end of the control socket."""
    text, rights = ctypes.create_string_buffer(4096), ctypes.create_string_buffer(64)
    vector = Vector(ctypes.cast(text, ctypes.c_void_p), len(text))
    message = Message(None, 0, ctypes.pointer(vector), 1, ctypes.cast(rights, ctypes.c_void_p), len(rights), 0)
    while True:
        length = _libc.recvmsg(CONTROL, ctypes.byref(message), 0x40000000)  # MSG_CMSG_CLOEXEC
        if length >= 0 or ctypes.get_errno() != errno.EINTR:
            break
    if length <= 0:
        return b"", []
    fds = []
    if message.control_length >= 16:
        # struct cmsghdr: a size_t of its length, level, type, then the descriptors.
        size = struct.unpack("=Q", rights.raw[:8])[0]
        fds = list(struct.unpack("=%di" % ((size - 16) // 4), rights.raw[16:size]))
    return text.raw[:length], fds


def wake_by(fd):
    signal.set_wakeup_fd(fd)


def polled(poll):
    try:
        return poll.poll()
    except select.error as error:
        if error.args[0] == errno.EINTR:
            return []
        raise


def prepare_output():
    # By lines, and whatever text is printed: a pipe's own encoding would be ASCII.
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", 1)
    for stream in (sys.stdout, sys.stderr):
        ctypes.pythonapi.PyFile_SetEncodingAndErrors(
            ctypes.py_object(stream), ctypes.c_char_p(b"utf-8"), ctypes.c_char_p(b"backslashreplace"))
