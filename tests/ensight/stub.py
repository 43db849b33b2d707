"""The `ensight` module that the stand-in's Python sees: a small scene with the manners of EnSight's object API.

The scene is one ENS_GLOBALS (`ensight.objs.core`, id 220), two parts (1022 "Sphere", 1078 "engine block") and a variable.
Attributes are known by name and by number. What was executed can be read back: `ensight.calls` lists the native
commands, each as [name, args, kwargs].
"""

import re
import struct
import zlib

ATTRIBUTES = [
    "DESCRIPTION", "VISIBLE", "PARTTYPE", "ANNOTTYPE", "TOOLTYPE", "OPAQUENESS", "PARTS", "VARIABLES", "TIMESTEP",
    "TIMESTEP_LIMITS", "COLORBYRGB", "ACTIVE", "SELECTION",
]  # fmt: skip

# Native commands are modules of EnSight's command language; what is not in these groups does not exist.
GROUPS = "view_transf view part variables savegeom file data case annotation tools solution_time viewport query".split()


def png(width, height, colour=(30, 100, 150)):
    """A picture of one colour."""
    rows = (b"\0" + bytes(colour) * width) * height

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def glb():
    """The smallest binary glTF: a head and a JSON chunk."""
    text = b'{"asset":{"version":"2.0"}} '
    return struct.pack("<4sII", b"glTF", 2, 20 + len(text)) + struct.pack("<I4s", len(text), b"JSON") + text


class Enums:
    """`ensight.objs.enums`: the numbers of the attributes."""

    def __init__(self):
        for number, name in enumerate(ATTRIBUTES):
            setattr(self, name, 0x60000000 + number)

    def __dir__(self):
        return ATTRIBUTES


ENUMS = Enums()


def attribute(key):
    """The name of an attribute that is given by name or by number."""
    name = key if isinstance(key, str) else ATTRIBUTES[key - 0x60000000] if isinstance(key, int) else None
    if name not in ATTRIBUTES:
        raise RuntimeError(f"Invalid attribute: {key!r}")
    return name


class ObjectList(list):
    """`ensobjlist`: what EnSight gives for a list of objects; it is not quite a list."""

    def find(self, value, attr="DESCRIPTION"):
        return ObjectList(found for found in self if found.getattr(attr) == value)


class Object:
    """An ENSOBJ. `__OBJID__` is a property of it and no attribute."""

    _scene = None

    def __init__(self, scene, kind, number, values, owned=False):
        fields = {"_scene": scene, "_kind": kind, "_number": number, "_values": values, "_owned": owned}
        self.__dict__.update(fields)
        scene.objects[number] = self

    @property
    def __OBJID__(self):
        return self._number

    @property
    def __ids__(self):
        return [getattr(ENUMS, name) for name in self._values]

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"{self._kind} has no attribute {name!r}")
        return self._values[name]

    def __setattr__(self, name, value):
        self.setattr(name, value)

    def __repr__(self):
        desc = f", desc: {self._values['DESCRIPTION']!r}" if self._kind != "ENS_GLOBALS" else ""
        subtype = f", PartType: {self._values['PARTTYPE']}" if "PARTTYPE" in self._values else ""
        owned = ", Owned" if self._owned else ""
        return f"Class: {self._kind}{desc}{subtype}{owned}, CvfObjID: {self._number}, cached:no"

    def getattr(self, key):
        name = attribute(key)
        if name not in self._values:
            raise RuntimeError(f"Invalid attribute for {self._kind}: {name}")
        return self._values[name]

    def setattr(self, key, value):
        name = attribute(key)
        before = self.getattr(name)
        if isinstance(before, bool) and not isinstance(value, (bool, int)):
            raise RuntimeError(f"Invalid value for {name}: {value!r}")
        self._values[name] = value
        self._scene.changed(self, name)

    def getattrs(self, keys=None, text=0):
        names = list(self._values) if keys is None else [attribute(key) for key in keys]
        return {name if text else getattr(ENUMS, name): self.getattr(name) for name in names}

    def setattrs(self, values, all_errors=0):
        for key, value in values.items():
            try:
                self.setattr(key, value)
            except RuntimeError:
                if all_errors:
                    raise

    def attrinfo(self, key=None):
        names = list(self._values) if key is None else [attribute(key)]
        infos = {getattr(ENUMS, name): {"name": name, "type": type(self._values[name]).__name__} for name in names}
        return infos if key is None else infos[getattr(ENUMS, names[0])]

    def createvariable(self, name, value=0.0, sources=None, **_):
        """A method with positional and named arguments; `sources` are objects."""
        if not all(isinstance(source, Object) for source in sources or ()):
            raise TypeError("sources must be objects")
        values = {"DESCRIPTION": name, "ACTIVE": True, "SELECTION": [value, *(sources or ())]}
        created = Object(self._scene, "ENS_VAR", max(self._scene.objects) + 1, values)
        self._values["VARIABLES"].append(created)
        return created

    create_variable = createvariable  # as clients spell it

    def unit_system(self):
        return ["SI", "Metric SI", True, {"M": "kg", "L": "m"}]


class Scene:
    """`ensight.objs`."""

    EVENTMAP_FLAG_COMP_GLOBAL = 2

    def __init__(self, publish):
        self.objects, self.released, self._callbacks, self._publish = {}, [], {}, publish
        self.enums = ENUMS
        parts = [(1022, "Sphere"), (1078, "engine block")]
        self._parts = ObjectList(Object(self, "ENS_PART", number, self._part(name)) for number, name in parts)
        pressure = Object(self, "ENS_VAR", 1100, {"DESCRIPTION": "pressure", "ACTIVE": True})
        values = {"DESCRIPTION": "global object", "VISIBLE": False, "PARTS": self._parts, "TIMESTEP": 0}
        values |= {"VARIABLES": ObjectList([pressure]), "TIMESTEP_LIMITS": [0, 0]}
        self.core = Object(self, "ENS_GLOBALS", 220, values)

    @staticmethod
    def _part(name):
        values = {"DESCRIPTION": name, "VISIBLE": True, "PARTTYPE": 0, "OPAQUENESS": 1.0}
        return values | {"COLORBYRGB": [1.0, 0.5, 0.25]}

    def wrap_id(self, number):
        if number not in self.objects:
            raise RuntimeError(f"Invalid object id: {number!r}")
        return self.objects[number]

    def release_id(self, session, id=None):
        self.released.append([session, id])

    def addcallback(self, target, _unused, url, attrs=(), flags=0):
        """`target` is an object, or the name of a class."""
        if not isinstance(target, Object) and not re.fullmatch(r"ENS_\w+", str(target)):
            raise RuntimeError(f"Invalid target: {target!r}")
        number = len(self._callbacks) + 1
        self._callbacks[number] = (target, url, {attribute(key) for key in attrs})
        return number

    def removecallback(self, number):
        if self._callbacks.pop(number, None) is None:
            raise RuntimeError(f"Invalid callback id: {number!r}")

    def changed(self, changed, name):
        for target, url, names in list(self._callbacks.values()):
            if name in names and (target is changed or target == changed._kind):
                url = re.sub(r"\{\{(\w+)\}\}", lambda macro: str(changed.getattr(macro.group(1))), url)
                self._publish(f"{url}?enum={name}&uid={changed.__OBJID__}")


class Group:
    """The native commands of one group: each takes anything, returns 0 as EnSight does, and is recorded."""

    def __init__(self, name, calls):
        self._name, self._calls = name, calls

    def __getattr__(self, command):
        if not re.fullmatch("[a-z][a-z0-9_]*", command):
            raise AttributeError(f"ensight.{self._name} has no {command!r}")

        def run(*args, **kwargs):
            if any(arg == "error" for arg in args):
                raise RuntimeError(f"ensight.{self._name}.{command}: illegal value")
            if command == "save_geometric_entities":
                with open(args[0], "wb") as file:
                    file.write(glb())
            self._calls.append([f"{self._name}.{command}", list(args), kwargs])
            return 0

        return run


class Picture:
    """What `ensight.render` returns."""

    def __init__(self, width, height):
        self._bytes = png(width, height)

    def save(self, path):
        with open(path, "wb") as file:
            file.write(self._bytes)


class EnSight:
    """The module itself. `leave(code)` ends the stand-in, `publish(tag)` sends an event."""

    def __init__(self, leave, publish):
        self.calls, self.exit, self.objs = [], leave, Scene(publish)
        for name in GROUPS:
            setattr(self, name, Group(name, self.calls))

    def version(self, element):
        versions = {"suffix": "261", "version-full": "2026 R1", "product": "EnSight", "cei_home": "/nowhere/CEI"}
        return versions[element.lower()]

    def render(self, width, height, num_samples=1, enhanced=0):
        return Picture(width, height)
