

# --- Dicts with attributes --------------------------------------------------------------------------------------------

import types


class Munch(DICT):
    """A dict whose keys are attributes too. A missing attribute's error says just its name, as scripts expect."""

    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(name)

    def __setattr__(self, name, value):
        self[name] = value

    def __delattr__(self, name):
        if name not in self:
            raise AttributeError(name)
        del self[name]

    def __repr__(self):
        return "%s(%s)" % (type(self).__name__, DICT.__repr__(self))

    def __dir__(self):
        return sorted(set(dir(type(self))) | set(key for key in self if isinstance(key, (str, TEXT))))

    @classmethod
    def fromDict(cls, values):
        return munchify(values, cls)

    def toDict(self):
        return unmunchify(self)

    def toJSON(self, **options):
        return json.dumps(self, **options)

    def copy(self):
        return munchify(self)


class DefaultMunch(Munch):
    """A Munch that gives its first argument for what is missing."""

    def __init__(self, *args, **kwargs):
        self.__dict__["__default__"] = args[0] if args else None
        DICT.__init__(self, *args[1:], **kwargs)

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self[name]

    def __missing__(self, name):
        return self.__dict__["__default__"]

    @classmethod
    def fromDict(cls, values, default=None):
        return munchify(values, lambda *items: cls(default, *items))

    def copy(self):
        return type(self).fromDict(self, self.__dict__["__default__"])


def munchify(value, factory=Munch):
    if isinstance(value, dict):
        return factory((key, munchify(item, factory)) for key, item in value.items())
    return of_its_kind(value, lambda item: munchify(item, factory))


def unmunchify(value):
    if isinstance(value, dict):
        return dict((key, unmunchify(item)) for key, item in value.items())
    return of_its_kind(value, unmunchify)


def of_its_kind(value, convert):
    """A list or tuple of converted items, also of a class of its own; everything else as it is."""
    if not isinstance(value, (list, tuple)):
        return value
    items = [convert(item) for item in value]
    return type(value)._make(items) if hasattr(value, "_make") else type(value)(items)


class Event(Munch):
    """The event; `event._event` is the event itself, without being one of its keys."""

    @property
    def _event(self):
        return self


# Python 2 scripts know the same under the names of the library `bunch`. Scripts import either, and pickle finds the
# class there: it is this one, whatever is installed.
MUNCH_NAMES = dict(Munch=Munch, DefaultMunch=DefaultMunch, munchify=munchify, unmunchify=unmunchify, Bunch=Munch,
                   bunchify=munchify, unbunchify=unmunchify)
for name in ("munch", "bunch"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(MUNCH_NAMES, Event=Event)
for kind in (Munch, DefaultMunch, Event):
    kind.__module__ = "munch"

# Objects become attribute dicts while they are parsed, which costs less than to convert them later.
json_object = json_reader(Munch)
