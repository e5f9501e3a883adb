

# --- Frames -----------------------------------------------------------------------------------------------------------

import base64
import struct

FRAMES = 3      # in a child: the job's frame socket (SOCK_STREAM), moved onto the control socket's number
READY, JOB, API_REQUEST, API_RESPONSE, RESULT, CHECK = 0, 1, 2, 3, 4, 5

_pack, _unpack = struct.Struct("<IB").pack, struct.Struct("<IB").unpack
_b64encode, _b64decode = base64.b64encode, base64.b64decode


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


def exchange(fd, request):
    """Sends a request and waits for its answer."""
    write_frame(fd, API_REQUEST, json_bytes(request))
    kind, frame = read_frame(fd)
    if kind != API_RESPONSE:
        raise IOError("unexpected frame from the worker")
    return json_object(frame)


def text_of(value):
    if isinstance(value, TEXT):
        return value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8")
    if value is None:
        return u""
    if isinstance(value, bool):
        return u"true" if value else u"false"
    return TEXT(value)
