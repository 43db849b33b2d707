"""EnSight's side of the REST API: sent once to each EnSight, and again when its name is gone.

Everything a client gives arrives here as data. Only ``exec`` and ``eval`` run what a client wrote, as they are asked to.
What an application has defined lives in the class, so sending this twice must not replace it.
"""

try:
    _wss_rest_v1
except NameError:

    class _wss_rest_v1:
        apps = {}

        @staticmethod
        def ensight():
            return globals().get("ensight") or __import__("ensight")

        @classmethod
        def js(cls, text):
            """The values of a JSON text; "@ENSOBJ=7@" is the object 7, however deep it lies."""
            import json

            return cls.wrapped(json.loads(text))

        @classmethod
        def wrapped(cls, value):
            if isinstance(value, str):
                number = cls.number(value)
                return value if number is None else cls.obj(number)
            if isinstance(value, list):
                return [cls.wrapped(item) for item in value]
            if isinstance(value, dict):
                return {key: cls.wrapped(item) for key, item in value.items()}
            return value

        @staticmethod
        def number(text):
            """The number in "@ENSOBJ=7@"."""
            import re

            found = re.fullmatch(r"@ENSOBJ=([0-9]+)@", text, re.ASCII)
            return int(found.group(1)) if found else None

        @classmethod
        def obj(cls, ref):
            """The object that a client means by a number, by digits, or by a name such as ensight.objs.core."""
            import re

            if hasattr(ref, "__OBJID__"):  # it was one already
                return ref
            if isinstance(ref, str) and re.fullmatch("[0-9]+", ref, re.ASCII):
                ref = int(ref)
            if isinstance(ref, int) and not isinstance(ref, bool):
                found = cls.ensight().objs.wrap_id(ref)
            else:
                found = cls.walk(ref)
            if isinstance(found, type) or not hasattr(found, "__OBJID__"):
                raise ValueError("%.200s is no object of EnSight's" % (ref,))
            return found

        @classmethod
        def walk(cls, name):
            """What a dotted name below ensight means, found step by step: it is never run."""
            import re

            if not isinstance(name, str) or not re.fullmatch(r"ensight(\.[A-Za-z]\w*)+", name, re.ASCII):
                raise ValueError("%.200r is no name of an EnSight object" % (name,))
            found = cls.ensight()
            for step in name.split(".")[1:]:
                found = getattr(found, step)
            return found

        @classmethod
        def out(cls, value, names=None):
            """A value as JSON text, in ASCII."""
            import json

            return json.dumps(cls.plain(value, names))

        @classmethod
        def plain(cls, value, names=None):
            """A value as JSON knows it; an object is a reference to it, or its attributes ``names``."""
            if value is None or isinstance(value, (bool, int, str)):
                return value
            if isinstance(value, float):
                # As JavaScript does: JSON has neither.
                return None if value != value or value in (float("inf"), float("-inf")) else value
            if isinstance(value, dict):
                return {cls.key(key): cls.plain(item, names) for key, item in value.items()}
            if isinstance(value, (list, tuple, set, frozenset)):
                return [cls.plain(item, names) for item in value]
            if isinstance(value, (type, bytes, bytearray)):
                return value
            if hasattr(value, "__OBJID__"):
                if not names:
                    return cls.ref(value)
                seen = [cls.attribute(value, name) for name in names]
                return seen[0] if len(seen) == 1 else seen
            if hasattr(value, "tolist"):
                return cls.plain(value.tolist(), names)
            if hasattr(value, "__len__") and hasattr(value, "__getitem__"):
                return [cls.plain(item, names) for item in value]
            # What is left is for json.dumps to refuse by name.
            return value

        @classmethod
        def key(cls, key):
            if key is None or isinstance(key, (bool, int, float, str)):
                return key
            return cls.ref(key) if hasattr(key, "__OBJID__") else str(key)

        @staticmethod
        def ref(value):
            return "@ENSOBJ=%d@" % value.__OBJID__

        @classmethod
        def attribute(cls, value, name):
            return cls.ref(value) if name == "ENSOBJ" else cls.plain(getattr(value, name))

        @classmethod
        def get(cls, ref, name, names):
            return cls.out(getattr(cls.obj(ref), name), names)

        @classmethod
        def set(cls, ref, name, value):
            cls.obj(ref).setattr(name, value)

        @classmethod
        def getattrs(cls, refs, names, suppress):
            found = {}
            for ref in refs:
                try:
                    value = cls.obj(ref)
                    found[cls.named(ref)] = [cls.attribute(value, name) for name in names or ["ENSOBJ"]]
                except Exception:
                    if not suppress:
                        raise
            return cls.out(found)

        @classmethod
        def named(cls, ref):
            """A reference as the client wrote it."""
            return cls.ref(ref) if hasattr(ref, "__OBJID__") else str(ref)

        @classmethod
        def setattrs(cls, refs, values, suppress):
            for ref in refs:
                for name, value in values.items():
                    try:
                        cls.set(ref, name, value)
                    except Exception:
                        if not suppress:
                            raise

        @classmethod
        def cmd(cls, name, args):
            return cls.out(cls.walk(name)(*args))

        @classmethod
        def method(cls, ref, name, args, kwargs, names):
            return cls.out(getattr(cls.obj(ref), name)(*args, **kwargs), names)

        @classmethod
        def def_func(cls, app, name, source, imports):
            import sys
            from types import SimpleNamespace

            scope = {"__name__": app, "SimpleNamespace": SimpleNamespace, "ensight": cls.ensight()}
            for module in imports:
                __import__(module)
                top = module.split(".")[0]
                scope[top] = sys.modules[top]
            exec(compile(source, "<%s.%s>" % (app, name), "exec"), scope)
            function = scope.get(name)
            if not callable(function):
                raise ValueError("the source defines no function %r" % name)
            setattr(cls.apps.setdefault(app, SimpleNamespace()), name, function)

        @classmethod
        def call_func(cls, app, name, kwargs, names):
            """The result as JSON text; an empty text, which no JSON is, when there is no such function."""
            import inspect

            space = cls.apps.get(app)
            function = None if space is None else vars(space).get(name)
            if not callable(function):
                return ""
            try:
                first = next(iter(inspect.signature(function).parameters.values()), None)
            except (TypeError, ValueError):
                first = None
            # The namespace comes first where the function wants it: a parameter that nothing else fills.
            wants = (
                first is not None
                and first.kind in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD)
                and first.default is first.empty
                and first.name not in kwargs
            )
            return cls.out(function(*([space] if wants else []), **kwargs), names)

        @classmethod
        def register(cls, target, url, attributes, compress):
            """Asks for events. A class name stands for all its objects."""
            import re

            objs = cls.ensight().objs
            is_class = isinstance(target, str) and re.fullmatch(r"ENS_\w+", target, re.ASCII)
            more = {"flags": objs.EVENTMAP_FLAG_COMP_GLOBAL} if compress else {}
            target = target if is_class else cls.obj(target)
            return cls.out(objs.addcallback(target, None, url, attrs=attributes, **more))

        @classmethod
        def unregister(cls, number):
            cls.ensight().objs.removecallback(number)
