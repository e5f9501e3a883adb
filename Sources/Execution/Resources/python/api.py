

# --- platform.api -----------------------------------------------------------------------------------------------------

import io
import re


CURL_OPTION = re.compile(r"(CURLOPT_\w+|\d+)\Z", re.IGNORECASE).match  # by name, or by PHP's number


class Response(io.BytesIO):
    """The reply to a `platform.api` call, as far as scripts use the HTTPResponse of the standard library."""

    version = 11

    def __init__(self, status, reason, headers, body):
        io.BytesIO.__init__(self, body)
        self.status = self.code = status
        self.reason = native(reason)
        self._headers = dict((native(name.lower()), native(value)) for name, value in headers.items())
        self.length = len(body)

    @property
    def headers(self):
        return header_message(self._headers)

    msg = headers

    def getheader(self, name, default=None):
        return self._headers.get(name.lower(), default)

    def getheaders(self):
        return list(self._headers.items())

    def getcode(self):
        return self.status

    def info(self):
        return self.headers

    def isclosed(self):
        return self.closed


class Door(dict):
    """A part of `platform` that scripts call. An empty dict underneath, so that `platform` can be written as JSON."""

    verbs = ()

    def __init__(self, fd):
        dict.__init__(self)
        # The instance's dict, not an attribute of the key kind: nothing shows in the JSON.
        self.__dict__["_fd"] = fd

    def __bool__(self):
        return True

    __nonzero__ = __bool__

    def __missing__(self, name):
        if name in self.verbs:
            return getattr(self, name)
        raise KeyError(name)


class API(Door):
    """`platform.api`"""

    verbs = ("call", "get", "post", "put", "patch", "delete")

    def __init__(self, fd):
        Door.__init__(self, fd)
        self.__dict__["_count"] = 0

    def get(self, path, options=""):
        return self.call("GET", path, "", options)

    def post(self, path, payload="", options=""):
        return self.call("POST", path, payload, options)

    def put(self, path, payload="", options=""):
        return self.call("PUT", path, payload, options)

    def patch(self, path, payload="", options=""):
        return self.call("PATCH", path, payload, options)

    def delete(self, path, payload="", options=""):
        return self.call("DELETE", path, payload, options)

    def call(self, verb, path, payload="", options=None):
        self.__dict__["_count"] += 1
        options = options or {}
        if not isinstance(options, dict):
            raise TypeError("the options of platform.api must be a dict, not %s" % type(options).__name__)
        curl = {text_of(key): value for key, value in options.items() if CURL_OPTION(text_of(key))}
        options = {key: value for key, value in options.items() if not CURL_OPTION(text_of(key))}
        if "headers" not in options and "parameters" not in options:
            options = {"headers": options}  # without either key it is the header map itself
        request = {
            "id": self._count, "verb": text_of(verb).upper(), "path": text_of(path), "options": curl,
            "headers": flatten(options.get("headers") or {}), "parameters": flatten(options.get("parameters") or {}),
        }
        request.update(body_fields(payload))
        reply = exchange(self._fd, request)
        text = reply.get("body", u"")
        body = _b64decode(reply["body_base64"]) if "body_base64" in reply else text.encode("utf-8")
        return Response(reply["status"], reply.get("reason", u""), reply.get("headers", {}), body)


def flatten(values, prefix=None):
    """Nested values under PHP's bracket names: {"a": {"b": 1}} is {"a[b]": "1"}."""
    flat = {}
    items = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in items:
        name = text_of(key) if prefix is None else u"%s[%s]" % (prefix, text_of(key))
        if isinstance(value, (dict, list, tuple)):
            flat.update(flatten(value, name))
        else:
            flat[name] = text_of(value)
    return flat


def body_fields(payload):
    if payload is None or payload == "" or payload == b"":
        return {}
    if isinstance(payload, TEXT):
        return {"body": payload}
    if isinstance(payload, (bytes, bytearray, memoryview)):
        data = bytearray(payload)
        try:
            return {"body": data.decode("utf-8")}
        except UnicodeDecodeError:
            return {"body_base64": _b64encode(bytes(data)).decode("ascii")}
    return {"body": json_bytes(payload).decode("utf-8"), "content_type": "application/json"}


# --- platform.store, platform.lookup ----------------------------------------------------------------------------------

def ask(fd, question, key, **more):
    """A question to the platform itself."""
    reply = exchange(fd, dict(id=0, ask=question, key=text_of(key), **more))
    if "refused" in reply:
        raise RuntimeError(native(reply["refused"]))
    return reply.get("value")


class Lookup(Door):
    """`platform.lookup(name)`"""

    def __call__(self, name):
        return ask(self._fd, "lookup", name)


class Store(Door):
    """`platform.store`"""

    verbs = ("get", "set", "delete")

    def get(self, key, default=None):
        value = ask(self._fd, "store.get", key)
        return default if value is None else value

    def set(self, key, value, ttl=None):
        return ask(self._fd, "store.set", key, value=value, ttl=ttl)

    def delete(self, key):
        return ask(self._fd, "store.delete", key)
