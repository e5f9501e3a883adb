"""The Internet of the tests, in a network namespace of its own: servers of HTTP and TLS at every address of it, and a
resolver. What a test asks for is in the URL. Each request is written to the file that is the only argument.
"""
import json
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SEEN = open(sys.argv[1], "a", buffering=1)
TURNS = {}


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self):
        here = self.connection.getsockname()[:2]
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        seen = {
            "at": here[0].removeprefix("::ffff:"), "port": here[1], "method": self.command, "target": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode("utf-8", "replace"),
        }
        SEEN.write(json.dumps(seen) + "\n")
        handler = getattr(self, "at_" + url.path.strip("/"), None)
        if handler:
            handler(query)
        else:
            # Whoever reads this has been there.
            self.reply(200, json.dumps({"reached": seen}).encode(), {"Content-Type": "application/json"})

    def reply(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def at_redirect(self, query):
        self.reply(int(query.get("status", 302)), b"elsewhere", {"Location": query["to"]})

    def at_status(self, query):
        headers = {"Content-Type": query.get("type", "text/plain"), "X-Own": "1"}
        self.reply(int(query["is"]), query.get("body", "").encode(), headers)

    def at_round(self, query):
        left = int(query["left"])
        if left:
            self.reply(302, b"", {"Location": f"/round?left={left - 1}"})
        else:
            self.reply(200, b"round", {})

    def at_large(self, query):
        self.reply(200, b"x" * int(query["bytes"]), {})

    def at_packed(self, query):
        packer = zlib.compressobj(9, wbits=31)
        packed = b"".join(packer.compress(b"x" * (1 << 20)) for _ in range(int(query["megabytes"]))) + packer.flush()
        self.reply(200, packed, {"Content-Encoding": "gzip"})

    def at_headers(self, query):
        self.reply(200, b"", {f"X-{number}": "x" * 1000 for number in range(int(query["count"]))})

    def at_never(self, query):
        time.sleep(3600)

    def at_turn(self, query):
        """Answers the first request, and leaves the others."""
        TURNS[query["id"]] = TURNS.get(query["id"], 0) + 1
        self.reply(200, str(TURNS[query["id"]]).encode(), {"Keep-Alive": "timeout=60"})

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, *_):
        pass  # who hangs up in the middle is part of a test


class Secure(Server):
    """Its handshakes are done in the connection's own thread."""

    def __init__(self, address, handler, certificate):
        super().__init__(address, handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)

    def finish_request(self, request, address):
        with self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, address)


def addresses(name):
    """What a name stands for, all of it in its labels: `a-10-0-0-5.test` is 10.0.0.5; the later of `turn-X.a-….a-….test`
    counts from the second look-up on; of `both.a-….a-….test` both do. Nothing else exists."""
    labels = name.lower().rstrip(".").split(".")
    if labels[-1] != "test":
        return []
    found = [".".join(label.split("-")[1:]) for label in labels if label.startswith("a-")]
    if labels[0].startswith("turn-"):
        TURNS[name] = TURNS.get(name, -1) + 1
        return found[min(TURNS[name], len(found) - 1):][:1]
    return found


def resolve():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        question, client = server.recvfrom(512)
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode("ascii", "replace"))
            at += 1 + question[at]
        kind = struct.unpack(">H", question[at + 1:at + 3])[0]
        found = addresses(".".join(labels)) if kind == 1 else []
        exists = found or kind != 1 and labels and labels[-1] == "test"
        head = question[:2] + struct.pack(">HHHHH", 0x8580 if exists else 0x8583, 1, len(found), 0, 0)
        answers = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(ip) for ip in found)
        server.sendto(head + question[12:at + 5] + answers, client)


servers = [Server(("::", 80), Answer), Server(("::", 8080), Answer)]
servers += [Secure(("::", 443), Answer, sys.argv[2])] if len(sys.argv) > 2 else []
for work in [resolve] + [server.serve_forever for server in servers]:
    threading.Thread(target=work, daemon=True).start()
SEEN.write(json.dumps({"at": "ready"}) + "\n")
threading.Event().wait()
