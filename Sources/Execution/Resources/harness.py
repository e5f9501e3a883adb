"""Runs tenants' Python scripts.

Started once as a zygote with a control socket as descriptor 3. For every job it forks a child, which reads one frame
from the job's own socket, runs or checks the script, answers with a RESULT frame and exits. The zygote itself never
looks at tenant text, so it serves every tenant; whatever a script spoils dies with its child.

Everything that a child needs is imported and has run once before the first fork.
"""
import ast
import base64
import ctypes
import errno
import gc
import http.client
import importlib
import io
import json
import linecache
import os
import re
import select
import signal
import socket
import struct
import sys
import types

# Loaded for the scripts: a module that was imported before the fork costs a job nothing.
for name in ("collections", "copy", "datetime", "decimal", "functools", "hashlib", "hmac", "itertools", "math",
             "random", "re", "string", "time", "urllib.parse", "uuid"):
    importlib.import_module(name)

CONTROL = 3     # in the zygote: the control socket (SOCK_SEQPACKET)
FRAMES = 3      # in a child: the job's frame socket (SOCK_STREAM), moved onto the same number
RULES = 4       # in the zygote: the rules of a Landlock domain, where the kernel has them
JOB, API_REQUEST, API_RESPONSE, RESULT, CHECK = 1, 2, 3, 4, 5
TRACE_FRAMES = 32
CURL_OPTION = re.compile(r"(CURLOPT_\w+|\d+)\Z", re.IGNORECASE).match  # by name, or by PHP's number
NO_NETWORK = "A script has no network of its own: use platform.api"

# A script may replace attributes of modules; what the harness needs afterwards is held here.
_read, _write, _exit = os.read, os.write, os._exit
_write_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_pack, _unpack = struct.Struct("<IB").pack, struct.Struct("<IB").unpack
_b64encode, _b64decode = base64.b64encode, base64.b64decode


# --- Frames -----------------------------------------------------------------------------------------------------------

def read_exactly(fd, count):
    pieces = []
    while count:
        piece = _read(fd, min(count, 1 << 20))
        if not piece:
            raise EOFError("the worker closed the connection")
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def read_frame(fd):
    length, kind = _unpack(read_exactly(fd, 5))
    return kind, read_exactly(fd, length)


def write_frame(fd, kind, payload):
    data = memoryview(_pack(len(payload), kind) + payload)
    while data:
        data = data[_write(fd, data):]


# --- What a script sees -----------------------------------------------------------------------------------------------

class Munch(dict):
    """A dict whose keys are attributes too. A missing attribute's error says just its name, as scripts expect."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name, value):
        self[name] = value

    def __delattr__(self, name):
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __repr__(self):
        return f"{type(self).__name__}({dict.__repr__(self)})"

    def copy(self):
        return munchify(self)

    def toDict(self):
        return unmunchify(self)


def munchify(value, factory=Munch):
    if isinstance(value, dict):
        return factory((key, munchify(item, factory)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)([munchify(item, factory) for item in value])
    return value


def unmunchify(value):
    if isinstance(value, dict):
        return {key: unmunchify(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([unmunchify(item) for item in value])
    return value


class Event(Munch):
    """The event; `event._event` is the event itself, without being one of its keys."""

    @property
    def _event(self):
        return self


# Objects become attribute dicts while they are parsed, which costs less than to convert them later.
_parse = json.JSONDecoder(object_pairs_hook=Munch).decode
# Since Python 3.11; some older ones have it as well.
_digits, _set_digits = (getattr(sys, f"{verb}_int_max_str_digits", lambda *_: 0) for verb in ("get", "set"))


def of_any_length(convert, value):
    """Converts numbers whatever their length: Python's limit protects servers, and this process is the job's own."""
    limit = _digits()
    _set_digits(0)
    try:
        return convert(value)
    finally:
        _set_digits(limit)


def _encode(value):
    return of_any_length(_write_json, value)


def _decode(text):
    return of_any_length(_parse, text)


class Response(io.BytesIO):
    """The reply to a `platform.api` call, as far as scripts use http.client.HTTPResponse."""

    version = 11

    def __init__(self, status, reason, headers, body):
        super().__init__(body)
        self.status = self.code = status
        self.reason = reason
        self._headers = headers
        self.length = len(body)

    @property
    def headers(self):
        message = http.client.HTTPMessage()
        for name, value in self._headers.items():
            message[name] = value
        return message

    msg = headers

    def getheader(self, name, default=None):
        return self._headers.get(name.lower(), default)

    def getheaders(self):
        return list(self._headers.items())

    def getcode(self):
        return self.status

    def info(self):
        return self.headers

    def isclosed(self):
        return self.closed


class API(dict):
    """`platform.api`. An empty dict underneath, so that `platform` can be written as JSON."""

    def __init__(self, fd):
        super().__init__()
        # The instance's dict, not an attribute of the key kind: nothing shows in the JSON.
        self.__dict__["_fd"] = fd
        self.__dict__["_count"] = 0

    def __bool__(self):
        return True

    def __missing__(self, name):
        if name in ("call", "get", "post", "put", "patch", "delete"):
            return getattr(self, name)
        raise KeyError(name)

    def get(self, path, options=""):
        return self.call("GET", path, "", options)

    def post(self, path, payload="", options=""):
        return self.call("POST", path, payload, options)

    def put(self, path, payload="", options=""):
        return self.call("PUT", path, payload, options)

    def patch(self, path, payload="", options=""):
        return self.call("PATCH", path, payload, options)

    def delete(self, path, payload="", options=""):
        return self.call("DELETE", path, payload, options)

    def call(self, verb, path, payload="", options=None):
        self.__dict__["_count"] += 1
        options = options or {}
        curl = {str(key): value for key, value in options.items() if CURL_OPTION(str(key))}
        options = {key: value for key, value in options.items() if not CURL_OPTION(str(key))}
        if "headers" not in options and "parameters" not in options:
            options = {"headers": options}  # without either key it is the header map itself
        request = {
            "id": self._count, "verb": str(verb).upper(), "path": str(path), "options": curl,
            "headers": flatten(options.get("headers") or {}), "parameters": flatten(options.get("parameters") or {}),
        }
        request.update(body_fields(payload))
        reply = exchange(self._fd, request)
        body = _b64decode(reply["body_base64"]) if "body_base64" in reply else reply.get("body", "").encode()
        return Response(reply["status"], reply.get("reason", ""), reply.get("headers", {}), body)


def exchange(fd, request):
    """Sends a request and waits for its answer."""
    write_frame(fd, API_REQUEST, _encode(request).encode())
    kind, frame = read_frame(fd)
    if kind != API_RESPONSE:
        raise ConnectionError("unexpected frame from the worker")
    return json_object(frame)


def ask(fd, question, key, **more):
    """A question to the platform itself."""
    reply = exchange(fd, dict(id=0, ask=question, key=str(key), **more))
    if "refused" in reply:
        raise RuntimeError(reply["refused"])
    return reply.get("value")


class Lookup(dict):
    """`platform.lookup(name)`. An empty dict underneath, so that `platform` can be written as JSON."""

    def __init__(self, fd):
        super().__init__()
        self.__dict__["_fd"] = fd

    def __call__(self, name):
        return ask(self._fd, "lookup", name)


class Store(dict):
    """`platform.store`. An empty dict underneath, so that `platform` can be written as JSON."""

    def __init__(self, fd):
        super().__init__()
        self.__dict__["_fd"] = fd

    def __bool__(self):
        return True

    def __missing__(self, name):
        if name in ("get", "set", "delete"):
            return getattr(self, name)
        raise KeyError(name)

    def get(self, key, default=None):
        value = ask(self._fd, "store.get", key)
        return default if value is None else value

    def set(self, key, value, ttl=None):
        return ask(self._fd, "store.set", key, value=value, ttl=ttl)

    def delete(self, key):
        return ask(self._fd, "store.delete", key)


def json_object(frame):
    return _decode(frame.decode())


def text_of(value):
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode()
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def flatten(values, prefix=None):
    """Nested values under PHP's bracket names: {"a": {"b": 1}} is {"a[b]": "1"}."""
    flat = {}
    items = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in items:
        name = text_of(key) if prefix is None else f"{prefix}[{text_of(key)}]"
        if isinstance(value, (dict, list, tuple)):
            flat.update(flatten(value, name))
        else:
            flat[name] = text_of(value)
    return flat


def body_fields(payload):
    if payload is None or payload == "" or payload == b"":
        return {}
    if isinstance(payload, str):
        return {"body": payload}
    if isinstance(payload, (bytes, bytearray, memoryview)):
        try:
            return {"body": bytes(payload).decode()}
        except UnicodeDecodeError:
            return {"body_base64": _b64encode(payload).decode()}
    return {"body": _encode(payload), "content_type": "application/json"}


# --- Running a script -------------------------------------------------------------------------------------------------

class Unparsable(Exception):
    """Carries the error of a source that does not parse."""


def compiled(source, name):
    """The script as the body of a function (event, platform): `return` is legal and every line keeps its number."""
    try:
        tree = ast.parse(source, name)
        wrapper = ast.parse("def script(event, platform): pass", name)
        function = wrapper.body[0]
        body = tree.body
        while body and isinstance(body[0], ast.ImportFrom) and body[0].module == "__future__":
            wrapper.body.insert(-1, body.pop(0))  # legal at the top of a file only
        if body:
            function.body = body
        return compile(wrapper, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        report = {"kind": "syntax", "message": error.msg or "invalid syntax"}
        if error.lineno:
            report["line"] = error.lineno
        if error.offset and error.offset > 0:
            report["column"] = error.offset
        raise Unparsable(report) from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        # A NUL byte, a lone surrogate, or nesting deeper than the parser goes.
        raise Unparsable({"kind": "syntax", "message": message_of(error)}) from None


def check(job):
    """Parses a source and returns the fields of its RESULT."""
    try:
        compiled(job["source"], job["name"])
        return {}
    except Unparsable as error:
        return {"error": error.args[0]}


def run(job, fd):
    """Runs one job and returns the fields of its RESULT. SystemExit passes through."""
    name, source = job["name"], job["source"]
    event, platform = Event(job["event"]), job["platform"]
    platform["api"] = API(fd)
    platform["store"] = Store(fd)
    platform["lookup"] = Lookup(fd)
    before_service = event.get("stage") == "pre_process"
    try:
        code = compiled(source, name)
        module = types.ModuleType("__main__")  # stands in for the harness, for `import __main__` and pickle
        sys.modules["__main__"] = module
        # The traceback module can show the script's lines.
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        module.__dict__.update(
            json=json, http=http, munchify=munchify, unmunchify=unmunchify, _event=event, _platform=platform)
        exec(code, module.__dict__)
        returned = module.__dict__.pop("script")(event, platform)
    except Unparsable as error:
        return {"error": error.args[0]}
    except SystemExit:
        raise
    except BaseException as error:
        return {"error": described(error, name)}

    exception = event.get("exception")
    if isinstance(exception, BaseException):
        return {"error": described(exception, name)}
    result = {}
    if exception is not None:
        result["exception"] = exception
    if returned is not None and returned is not event:
        result["returned"] = returned
    if event.get("stop_propagation"):
        result["stop_propagation"] = True
    if "response" in event:
        result["response"] = event["response"]
    if before_service or "response" not in event:
        result["event"] = event
    return result


def message_of(error):
    try:
        return str(error) or ("out of memory" if isinstance(error, MemoryError) else "")
    except Exception:
        return type(error).__name__


def described(error, name):
    """An exception with the script's own frames only, the innermost first."""
    frames = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if code.co_filename == name:
            where = f"{name}:{step.tb_lineno}"
            frames.append((step.tb_lineno, where if code.co_name == "script" else f"{code.co_name} ({where})"))
        step = step.tb_next
    frames.reverse()
    report = {"kind": "thrown", "message": message_of(error), "trace": [text for _, text in frames[:TRACE_FRAMES]]}
    if frames:
        report["line"] = frames[0][0]
    return report


def encoded(result):
    """RESULT's bytes; an error instead where the script left something that JSON can not hold."""
    try:
        return _encode(result).encode()
    except UnicodeEncodeError:
        # A message or trace may hold lone surrogates as well: there they are replaced.
        if "error" in result:
            return _encode(result).encode("utf-8", "replace")
        why = "text with a lone surrogate"
    except RecursionError:
        why = "it is nested too deeply"
    except (TypeError, ValueError, OverflowError) as error:
        why = message_of(error)
    except Exception as error:  # a class of the script's own, with an `items` or `__iter__` that throws
        why = message_of(error)
    message = f"The result can not be written as JSON: {why}"
    return encoded({"error": {"kind": "result", "message": message, "trace": []}})


def serve(fd):
    """Reads one frame and answers it."""
    kind, frame = read_frame(fd)
    try:
        job = json_object(frame)
    except (ValueError, RecursionError, MemoryError) as error:
        result = {"error": {"kind": "thrown", "message": f"The event can not be read: {message_of(error)}"}}
    else:
        result = check(job) if kind == CHECK else run(job, fd)
    payload = encoded(result)
    flush()
    write_frame(fd, RESULT, payload)


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # closed or replaced by the script


# --- The child --------------------------------------------------------------------------------------------------------

_prctl, _syscall = ctypes.CDLL(None).prctl, ctypes.CDLL(None).syscall
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
LANDLOCK_RESTRICT_SELF = 446
STDOUT, STDERR = sys.stdout, sys.stderr


def has_rules():
    try:
        return "landlock" in os.readlink(f"/proc/self/fd/{RULES}")
    except OSError:
        return False


def child(zygote, fds, folder, walled):
    """The life of a forked child, which ends in `_exit`. `random` reseeds itself after a fork."""
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != zygote:
            _exit(status)  # the zygote died before the line above
        # From here on it can not reach the zygote or a neighbour, whatever the script does.
        if walled and _syscall(LANDLOCK_RESTRICT_SELF, RULES, 0) != 0:
            _exit(status)
        frames, out, err = fds
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.dup2(frames, FRAMES, inheritable=False)
        os.closerange(FRAMES + 1, 1024)
        enter(folder)
        status = answer(FRAMES)
    except BaseException as error:
        print(error, file=STDERR)  # the harness's own failure, such as a worker that has gone
    finally:
        flush()
        _exit(status)


def enter(folder):
    """A working directory of the job's own, where one can be made."""
    try:
        os.mkdir(folder, 0o700)
        os.chdir(folder)
        os.environ["TMPDIR"] = os.environ["HOME"] = folder
    except OSError:
        os.chdir("/")


def answer(fd):
    """Serves the socket's one frame; the exit status. `sys.exit` leaves without a result."""
    try:
        serve(fd)
        return 0
    except SystemExit as leaving:
        if leaving.code is None:
            return 0
        if isinstance(leaving.code, int):
            return leaving.code & 0xFF
        print(leaving.code, file=sys.stderr)
        return 1


class Unconnected(socket.socket):
    """A socket for what exists already, such as a pair of asyncio; a script can not open one to the world."""

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        if fileno is None:
            refuse()
        super().__init__(family, type, proto, fileno)


def refuse(*_, **__):
    raise PermissionError(errno.EPERM, NO_NETWORK)


# --- The zygote -------------------------------------------------------------------------------------------------------

def warm_up():
    """Sends scripts through all that a job goes through, so that no child is the first to do anything."""
    source = "def f(x):\n    return {'a': x.a}\nif platform.api.get('x').status == 200:\n    return f(event)\n"
    job = {"name": "warm", "source": source, "event": {"a": [1, None], "response": {}}, "platform": {"session": {}}}
    for text in (source, "raise ValueError('x')", "x = ("):
        try:
            here, there = socket.socketpair()
        except OSError:
            return  # a cell without them: slower children, nothing worse
        with here, there:
            write_frame(there.fileno(), JOB, _encode({**job, "source": text}).encode())
            write_frame(there.fileno(), API_RESPONSE, b'{"status":200,"headers":{},"body":"{}"}')
            serve(here.fileno())
    sys.modules["__main__"] = MAIN
    linecache.cache.pop("warm", None)


def main():
    control = socket.socket(fileno=CONTROL)
    temporary = os.environ.get("TMPDIR", "/tmp")
    zygote = os.getpid()
    jobs = {}
    walled = has_rules()
    _prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # its memory is nobody's, also where there are no such rules

    def tell(**message):
        try:
            control.send(_encode(message).encode())
        except OSError:
            pass  # the worker has gone, which the next poll shows

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to handle
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, waking = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(woken, select.POLLIN)

    def start():
        """Takes one message from the control socket; False at its end."""
        try:
            message, fds, _, _ = socket.recv_fds(control, 4096, 3)
        except ConnectionError:
            return False
        if not message:
            return False
        message = json.loads(message)
        job = message["job"]
        folder = os.path.join(temporary, message["folder"])  # the worker has it removed
        try:
            pid = os.fork()
        except OSError as error:
            tell(job=job, error=f"fork: {error.strerror}")
        else:
            if pid == 0:
                child(zygote, fds, folder, walled)
            jobs[pid] = job
            tell(job=job, pid=pid)
        for fd in fds:
            os.close(fd)
        return True

    def reap(options=os.WNOHANG):
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | options)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            try:
                os.killpg(pid, signal.SIGKILL)  # what is left of its group, while the number is still its own
            except OSError:
                pass
            _, status, usage = os.wait4(pid, 0)
            cpu = round((usage.ru_utime + usage.ru_stime) * 1e6)
            tell(job=jobs.pop(pid), status=status, cpu_us=cpu, peak_kb=usage.ru_maxrss)

    socket.socket, socket.getaddrinfo = Unconnected, refuse
    warm_up()
    STDOUT.reconfigure(line_buffering=True, errors="backslashreplace")
    gc.collect()
    gc.freeze()  # the collector of a child leaves the zygote's pages shared
    tell(ready=True)
    while True:
        for fd, _ in poll.poll():
            if fd == woken:
                try:
                    os.read(woken, 4096)
                except BlockingIOError:
                    pass
                reap()
            elif not start():
                for pid in jobs:
                    os.kill(pid, signal.SIGKILL)
                return reap(0)


MAIN = sys.modules["__main__"]
# Scripts import `munch`, and pickle finds the class there: it is this one, whatever is installed.
sys.modules["munch"] = types.ModuleType("munch")
sys.modules["munch"].__dict__.update(Munch=Munch, Event=Event, munchify=munchify, unmunchify=unmunchify)
Munch.__module__ = Event.__module__ = "munch"

if __name__ == "__main__":
    main()
