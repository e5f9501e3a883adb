

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
        self.library = ctypes.CDLL(path, use_errno=True)
        self.tier = int(tier)

    def before_fork(self):
        self.checked(self.library.sandbox_before_fork(self.tier))

    def after_fork(self):
        self.checked(self.library.sandbox_after_fork(self.tier))

    def checked(self, error):
        if error:
            raise OSError(error, os.strerror(error))


def initial(sandbox, fds):
    """The life of an init: it never returns, and nothing of a tenant comes near it."""
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        sandbox.library.sandbox_enter(sandbox.tier, fds[3], True)
        pid = os.fork()
        if pid == 0:
            child(sandbox, fds)
        sandbox.library.sandbox_watch(pid)
    finally:
        _exit(status)


def child(sandbox, fds):
    """The life of a script's process, which ends in `_exit`."""
    status = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # From here on it reaches nothing but its own, whatever the script does.
        sandbox.library.sandbox_confine(*fds[:3])
        fcntl.fcntl(FRAMES, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        random.seed()  # Python 3 does so by itself after a fork
        write_frame(FRAMES, READY, b"{}")
        status = answer(FRAMES)
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
