

# --- Limits -----------------------------------------------------------------------------------------------------------

import mmap


def telling(begin):
    """A function that begins a process, and marks its refusal: other calls fail with the same number."""
    def beginning(*arguments, **named):
        try:
            return begin(*arguments, **named)
        except OSError as error:
            error.is_refused_process = error.errno == errno.EAGAIN
            raise
    beginning.__name__, beginning.__doc__ = begin.__name__, begin.__doc__
    return beginning


for owner, name in BEGINNINGS:
    if hasattr(owner, name):
        setattr(owner, name, telling(getattr(owner, name)))


def kind_of(error, usual="thrown"):
    """The kind of an error: those that a limit has caused are told from others."""
    number = getattr(error, "errno", None)
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return "memory"
    if number in (errno.ENOSPC, errno.EFBIG):
        return "files"
    if isinstance(error, NO_THREAD) and error.args == ("can't start new thread",):
        return "processes" if has_room_for_stack() else "memory"
    return "processes" if getattr(error, "is_refused_process", False) else usual


def has_room_for_stack():
    """Whether there is memory for a thread: the interpreter does not say what there was not."""
    try:
        mmap.mmap(-1, stack_size() or 8 << 20, mmap.MAP_PRIVATE).close()
        return True
    except (EnvironmentError, MemoryError):
        return False
