

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
    open_control()
    temporary = os.environ.get("TMPDIR", "/tmp")
    zygote = os.getpid()
    jobs = {}
    walled = has_rules()
    _prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # its memory is nobody's, also where there are no such rules

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
        message = json_object(message)
        job = message["job"]
        folder = os.path.join(temporary, native(message["folder"]))  # the worker has it removed
        try:
            pid = os.fork()
        except OSError as error:
            tell(job=job, error="fork: %s" % error.strerror)
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
            pid = ended_child(options)
            if not pid:
                return
            try:
                os.killpg(pid, signal.SIGKILL)  # what is left of its group, while the number is still its own
            except OSError:
                pass
            _, status, usage = os.wait4(pid, 0)
            tell(job=jobs.pop(pid), status=status, user_us=int(round(usage.ru_utime * 1e6)),
                 system_us=int(round(usage.ru_stime * 1e6)), peak_kb=usage.ru_maxrss)

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
                for pid in jobs:
                    os.kill(pid, signal.SIGKILL)
                return reap(0)


MAIN = sys.modules["__main__"]
SCRIPT_NAMES.update(munchify=munchify, unmunchify=unmunchify, bunchify=munchify, unbunchify=unmunchify)

if __name__ == "__main__":
    main()
