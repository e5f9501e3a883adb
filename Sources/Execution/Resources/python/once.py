

# --- One job without a zygote -----------------------------------------------------------------------------------------

def once():
    """The life of a process that was started for one job and has done nothing ahead: what a benchmark compares with."""
    status = 70
    try:
        prepare_output()
        socket.socket, socket.getaddrinfo = Unconnected, refuse
        write_frame(FRAMES, READY, b"{}")
        status = answer(FRAMES)
    except BaseException as error:
        STDERR.write("%s\n" % message_of(error))
    finally:
        flush()
        _exit(status)
