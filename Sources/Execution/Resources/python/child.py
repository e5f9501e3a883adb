

# --- The child --------------------------------------------------------------------------------------------------------

import ctypes

RULES = 4       # in the zygote: the rules of a Landlock domain, where the kernel has them
NO_NETWORK = "A script has no network of its own: use platform.api"

_prctl, _syscall = ctypes.CDLL(None).prctl, ctypes.CDLL(None).syscall
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
LANDLOCK_RESTRICT_SELF = 446


def has_rules():
    try:
        return "landlock" in os.readlink("/proc/self/fd/%d" % RULES)
    except OSError:
        return False


def child(zygote, fds, folder, walled):
    """The life of a forked child, which ends in `_exit`."""
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
        os.dup2(frames, FRAMES)
        fcntl.fcntl(FRAMES, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        os.closerange(FRAMES + 1, 1024)
        enter(folder)
        random.seed()  # Python 3 does so by itself after a fork
        status = answer(FRAMES)
    except BaseException as error:
        STDERR.write("%s\n" % message_of(error))  # the harness's own failure, such as a worker that has gone
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
        sys.stderr.write("%s\n" % native(text_of(leaving.code)))
        return 1


def refuse(*_, **__):
    raise socket.error(errno.EPERM, NO_NETWORK)
