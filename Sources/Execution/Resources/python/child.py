

# --- The child --------------------------------------------------------------------------------------------------------

import ctypes

NO_NETWORK = "A script has no network of its own: use platform.api"


class Sandbox(object):
    """The library that the worker names on the command line; what it does is in its header, sandbox.h."""

    def __init__(self):
        path, tier, folders = sys.argv[1:4]
        del sys.argv[1:]
        # Before those of the system, behind what is Python's own.
        place = next((index for index, name in enumerate(sys.path) if "-packages" in name), len(sys.path))
        sys.path[place:place] = [folder for folder in folders.split(":") if folder]
        self.library = ctypes.PyDLL(path)  # one that keeps the interpreter's lock while it forks
        self.tier = int(tier)

    def fork(self, fds):
        """What `os.fork` does, but with an init between the two, in which no line of Python runs."""
        before_fork()
        pid = self.library.sandbox_fork_script(self.tier, fds[3])
        if pid == 0:
            after_fork_in_child()
            child(self, fds)
        after_fork_in_parent()
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return pid


def hook(*names):
    """A function of the interpreter's own; Python 2 has one of them only, and by another name."""
    found = next((getattr(ctypes.pythonapi, name) for name in names if hasattr(ctypes.pythonapi, name)), None)
    if found:
        found.restype = None
    return found or (lambda: None)


before_fork = hook("PyOS_BeforeFork")
after_fork_in_parent = hook("PyOS_AfterFork_Parent")
after_fork_in_child = hook("PyOS_AfterFork_Child", "PyOS_AfterFork")


def child(sandbox, fds):
    """The life of a script's process, which ends in `_exit`."""
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # From here on it reaches nothing but its own, whatever the script does.
        sandbox.library.sandbox_confine(*fds[:3])
        fcntl.fcntl(FRAMES, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        random.seed()  # Python 3 does so by itself after a fork
        write_frame(FRAMES, READY, b"{}")
        status = answer(FRAMES)
    except MemoryError:
        _write(2, b"out of memory\n")  # a text of its own might want some
    except BaseException as error:
        STDERR.write("%s\n" % message_of(error))  # the harness's own failure, such as a worker that has gone
    finally:
        flush()
        _exit(status)


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
        sys.stderr.write("%s\n" % native(text_of(leaving.code)))
        return 1


def refuse(*_, **__):
    raise socket.error(errno.EPERM, NO_NETWORK)
