

# --- Running a script -------------------------------------------------------------------------------------------------

import linecache

TRACE_FRAMES = 32
# A NUL byte, a lone surrogate, or nesting deeper than the parser goes.
UNPARSABLE = (ValueError, TypeError, TOO_DEEP, MemoryError, OverflowError)


class Unparsable(Exception):
    """Carries the error of a source that does not parse."""


def compiled(source, name):
    """The script as the body of a function (event, platform): `return` is legal and every line keeps its number."""
    try:
        tree = parsed(source, name)
        wrapper = parsed(u"def script(event, platform): pass", name)
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
    except UNPARSABLE as error:
        report = {"kind": "syntax", "message": message_of(error)}
    raise Unparsable(report)


def check(job):
    """Parses a source and returns the fields of its RESULT."""
    try:
        compiled(job["source"], native(job["name"]))
        return {}
    except Unparsable as error:
        return {"error": error.args[0]}


def run(job, fd):
    """Runs one job and returns the fields of its RESULT. SystemExit passes through."""
    name, source = native(job["name"]), job["source"]
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
        linecache.cache[name] = (len(source), None, native(source).splitlines(True), name)
        module.__dict__.update(SCRIPT_NAMES, _event=event, _platform=platform)
        exec(code, module.__dict__)
        returned = module.__dict__.pop("script")(event, platform)
    except Unparsable as error:
        return {"error": error.args[0]}
    except SystemExit:
        raise
    except:  # also what Python 2 can throw that is no exception
        return {"error": described(sys.exc_info()[1], name)}

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
        return said(error) or ("out of memory" if isinstance(error, MemoryError) else "")
    except:  # also what Python 2 can throw that is no exception
        return type(error).__name__


def described(error, name):
    """An exception with the script's own frames only, the innermost first."""
    frames = []
    step = traceback_of(error)
    while step is not None:
        code = step.tb_frame.f_code
        if code.co_filename == name:
            where = "%s:%d" % (name, step.tb_lineno)
            frames.append((step.tb_lineno, where if code.co_name == "script" else "%s (%s)" % (code.co_name, where)))
        step = step.tb_next
    frames.reverse()
    report = {"kind": kind_of(error), "message": message_of(error), "trace": [text for _, text in frames[:TRACE_FRAMES]]}
    if frames:
        report["line"] = frames[0][0]
    return report


def encoded(result):
    """RESULT's bytes; an error instead where the script left something that JSON can not hold."""
    try:
        return json_bytes(result)
    except TOO_DEEP:
        kind, why = "result", "it is nested too deeply"
    except Exception as error:  # also of a class of the script's own, with an `items` or `__iter__` that throws
        # A message or trace may hold lone surrogates: there they are replaced.
        if "error" in result:
            return json_bytes(result, "replace")
        kind, why = kind_of(error, "result"), message_of(error)
    message = u"The result can not be written as JSON: %s" % why
    return encoded({"error": {"kind": kind, "message": message, "trace": []}})


def serve(fd):
    """Reads one frame and answers it."""
    kind, frame = read_frame(fd)
    try:
        job = json_object(frame)
    except (ValueError, TOO_DEEP, MemoryError) as error:
        result = {"error": {"kind": kind_of(error), "message": u"The event can not be read: %s" % message_of(error)}}
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
