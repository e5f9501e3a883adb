

# --- The zygote -------------------------------------------------------------------------------------------------------

import gc


def warm_up():
    """Sends scripts through all that a job goes through, so that no child is the first to do anything."""
    source = u"def f(x):\n    return {'a': x.a}\nif platform.api.get('x').status == 200:\n    return f(event)\n"
    job = {"name": "warm", "event": {"a": [1, None], "response": {}}, "platform": {"session": {}}}
    for text in (source, u"raise ValueError('x')", u"x = ("):
        try:
            here, there = socket.socketpair()
        except (OSError, socket.error):
            return  # a cell without them: slower children, nothing worse
        try:
            write_frame(there.fileno(), JOB, json_bytes(dict(job, source=text)))
            write_frame(there.fileno(), API_RESPONSE, b'{"status":200,"headers":{},"body":"{}"}')
            serve(here.fileno())
        finally:
            here.close()
            there.close()
    sys.modules["__main__"] = MAIN
    linecache.cache.pop("warm", None)


def main():
    if IS_ONCE:
        once()
    open_control()
    sandbox = Sandbox()
    os.environ.pop("LD_LIBRARY_PATH", None)  # it was for the interpreter's own start
    children = set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to handle
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, waking = os.pipe()
    for fd in (woken, waking):
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)
    wake_by(waking)
    poll = select.poll()
    poll.register(CONTROL, select.POLLIN)
    poll.register(woken, select.POLLIN)

    def start():
        """Takes one message from the control socket; False at its end."""
        message, fds = receive()
        if not message:
            return False
        try:
            children.add(sandbox.fork(fds))
        except OSError as error:
            tell(fork=json_object(message)["fork"], error="fork: %s" % error.strerror)
        for fd in fds:
            os.close(fd)
        return True

    def reap(options=os.WNOHANG):
        while True:
            try:
                pid, _ = os.waitpid(-1, options)
            except OSError:
                return  # there is none
            if not pid:
                return
            children.discard(pid)

    socket.socket, socket.getaddrinfo = Unconnected, refuse
    warm_up()
    prepare_output()
    gc.collect()
    getattr(gc, "freeze", lambda: None)()  # the collector of a child leaves the zygote's pages shared
    tell(ready=True)
    while True:
        for fd, _ in polled(poll):
            if fd == woken:
                try:
                    os.read(woken, 4096)
                except OSError:
                    pass  # nothing is there
                reap()
            elif not start():
                for pid in children:
                    os.kill(pid, signal.SIGKILL)
                return reap(0)


MAIN = sys.modules["__main__"]
SCRIPT_NAMES.update(munchify=munchify, unmunchify=unmunchify, bunchify=munchify, unbunchify=unmunchify)

if __name__ == "__main__":
    main()
