"""PyEnSight's own LocalLauncher starts an installation, uses what it started as its users do, and stops it.

    drive.py INSTALLATION [OPTION=VALUE ...]    options of LocalLauncher, with Python values

It says `running` when everything is up, and goes on after a line on its standard input. It says `done` after the session
is closed, and fails on the first surprise.
"""

import ast
import atexit
import base64
import itertools
import json
import os
import random
import re
import socket
import struct
import sys
import warnings
from pathlib import Path

import psutil
import requests
from ansys.pyensight.core import LocalLauncher, locallauncher


def equal(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def ports(count, avoid=None):
    """Ports for PyEnSight, below those that the system gives to everybody: its own choice lets go of what it has found, and
    a connection of another test may have it before it is used."""
    end = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    start = random.randrange(10_000, max(end, 11_000) - 200)
    found = (port for port in range(start, start + 200) if port not in (avoid or []) and is_free(port))
    return list(itertools.islice(found, count))


def is_free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def start(installation, options):
    """Old launchers look through all processes, and fall over one that ends meanwhile: then they have started nothing."""
    locallauncher.find_unused_ports = ports
    while True:
        try:
            return LocalLauncher(installation, enable_rest_api=True, timeout=60, **options).start()
        except psutil.NoSuchProcess as gone:
            print("another process ended:", gone)


class Rest:
    """The REST API of a session, as a script uses it."""

    def __init__(self, session):
        self._root = f"http://{session.hostname}:{session.html_port}/ensight/v1"
        self._key = session.secret_key

    def answer(self, method, path, body=None, session="session", **more):
        bearer = {"Authorization": f"Bearer {self._key}"} if session == "session" else {}
        return requests.request(method, f"{self._root}/{session}{path}", json=body, headers=bearer, timeout=30, **more)

    def __call__(self, method, path, body=None, **more):
        answer = self.answer(method, path, body, **more)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


def commands(session, rest):
    """exec and eval: both ways in reach the same Python."""
    equal(session.cmd("10+4"), 14)
    rest("PUT", "/exec", "shared = 6 * 7")
    equal(session.cmd("shared"), 42)
    rest("PUT", "/exec", ["shared += 1", "import math"])
    session.cmd("more = math.floor(2.5)", do_eval=False)
    equal(rest("PUT", "/eval", "[shared, more, None, True, 'tëxt', {'a': (1, 2.5)}]"), [43, 2, None, True, "tëxt", {"a": [1, 2.5]}])
    equal(session.exec(lambda ensight, name: ensight.version(name), "suffix"), "261")
    refused = rest.answer("PUT", "/eval", "1 / 0")
    equal(refused.status_code, 400)
    assert "ZeroDivisionError" in refused.text, refused.text
    equal(rest.answer("PUT", "/eval", "1", session="wrong").status_code, 401)
    equal(rest.answer("PUT", "/eval", "1", session=session.secret_key).json(), 1)
    # As the viewer does it: text/plain, and the token in the path.
    url = f"http://{session.hostname}:{session.html_port}/ensight/v1/{session.secret_key}/exec"
    plain = requests.put(url, data=json.dumps("plain = 1"), headers={"Content-Type": "text/plain"}, timeout=30)
    equal(plain.status_code, 200)
    equal(session.cmd("plain"), 1)


def functions(session, rest):
    """def_func and call_func."""
    source = "def count(app, items: list, part = None) -> list:\n    app.seen = getattr(app, 'seen', 0) + len(items)\n"
    source += "    return [app.seen, math.sqrt(4), part, part.DESCRIPTION]\n"
    rest("PUT", "/def_func/mine/count", source, params={"imports": "math,typing"})
    body = {"items": [1, 2], "part": "@ENSOBJ=1078@"}
    equal(rest("PUT", "/call_func/mine/count", body), [2, 2.0, "@ENSOBJ=1078@", "engine block"])
    again = rest("PUT", "/call_func/mine/count", body, params={"returns": "DESCRIPTION,VISIBLE"})
    equal(again, [4, 2.0, ["engine block", True], "engine block"])
    rest("PUT", "/def_func/mine/bare", "def bare(n: int = 1):\n    return n * 2\n")
    equal(rest("PUT", "/call_func/mine/bare", {"n": 3}), 6)
    for path in ["/call_func/mine/nothing", "/call_func/nobody/count"]:
        equal(rest.answer("PUT", path, {}).status_code, 401)


def objects(session, rest):
    """Objects and their attributes, by PyEnSight and by REST."""
    core = session.ensight.objs.core
    part = core.PARTS[0]
    equal(part.DESCRIPTION, "Sphere")
    equal(rest("GET", "/ensobjs/ensight.objs.core/PARTS"), ["@ENSOBJ=1022@", "@ENSOBJ=1078@"])
    equal(rest("GET", "/ensobjs/ensight.objs.core/PARTS", params={"returns": "DESCRIPTION"}), ["Sphere", "engine block"])
    equal(rest("GET", "/ensobjs/1022/VISIBLE"), True)
    rest("PUT", "/ensobjs/1022/VISIBLE", False)
    equal(part.VISIBLE, False)
    part.VISIBLE = True
    values = {"DESCRIPTION": "renamed", "OPAQUENESS": 0.5}
    rest("PUT", "/ensobjs/setattrs", {"objects": [1022, "1078"], "values": values})
    equal(part.getattrs(["DESCRIPTION", "OPAQUENESS"], text=1), values)
    asked = ["ensight.objs.core", 1022, "1078"]
    found = rest("PUT", "/ensobjs/getattrs", asked, params={"returns": "VISIBLE,DESCRIPTION"})
    equal(found, {"ensight.objs.core": [False, "global object"], "1022": [True, "renamed"], "1078": [True, "renamed"]})
    wrong = {"objects": [9, 1022], "values": {"DESCRIPTION": "again"}}
    equal(rest.answer("PUT", "/ensobjs/setattrs", wrong).status_code, 400)
    rest("PUT", "/ensobjs/setattrs", wrong, params={"suppress_errors": "true"})
    equal(part.DESCRIPTION, "again")
    found = rest("PUT", "/ensobjs/getattrs", [9, 1022], params={"returns": "DESCRIPTION", "suppress_errors": "true"})
    equal(found, {"1022": ["again"]})
    arguments = {"args": ["speed", 2.5], "kwargs": {"sources": ["@ENSOBJ=1022@"]}}
    made = rest("PUT", "/ensobjs/ensight.objs.core/methods/createvariable", arguments)
    number = int(re.fullmatch(r"@ENSOBJ=(\d+)@", made).group(1))
    equal([variable.DESCRIPTION for variable in core.VARIABLES], ["pressure", "speed"])
    equal(rest("GET", f"/ensobjs/{number}/SELECTION"), [2.5, "@ENSOBJ=1022@"])
    equal(rest("GET", "/ensobjs/ensight.objs.core/__OBJID__"), 220)


def native(session, rest):
    """Native commands."""
    equal(session.ensight.view_transf.rotate(5.2, 10.4, 0), 0)
    equal(rest("PUT", "/cmd/ensight.view_transf.rotate", [1, -0.5, 0.0]), 0)
    equal(session.cmd("ensight.calls[-2:]"), [["view_transf.rotate", [5.2, 10.4, 0], {}], ["view_transf.rotate", [1, -0.5, 0.0], {}]])
    equal(rest.answer("PUT", "/cmd/ensight.view_transf.rotate", ["error"]).status_code, 400)


def pages(session):
    """What `show` makes in EnSight is fetched over HTTP."""
    root = f"http://{session.html_hostname}:{session.html_port}"
    for what, start in [("image", b"\x89PNG"), ("webgl", b"glTF")]:
        shown = session.show(what, width=64, height=48)
        page = requests.get(shown.url, timeout=30)
        equal(page.status_code, 200)
        [name] = shown.download(session.launcher.session_directory)
        assert name in page.text, page.text
        assert requests.get(f"{root}/{name}", timeout=30).content.startswith(start), what
    # The listing of the session's folder would show names that hold the secret.
    equal(requests.get(f"{root}/", timeout=30).status_code, 401)


def remote(session):
    """The page of the remote viewer: its script, its servers and its secret."""
    page = requests.get(session.show("remote").url, timeout=30).text
    [script] = re.findall(r"<script src='([^']+)'", page)
    options = json.loads(re.search(r"renderer_options='([^']+)'", page).group(1))
    loader = requests.get(options["http"] + script, timeout=30)
    equal((loader.status_code, loader.text), (200, "// the viewer\n"))
    query = {"security_token": options["security_token"]}
    status = requests.get(f"{options['http']}/v1/status", params=query, timeout=30).json()
    equal([(service["name"], len(service["instances"])) for service in status], [("local_envision", 5)])
    equal(first_frame(options["ws"]), b"RFB 003.008\n")


def first_frame(url):
    """What the server sends first on a websocket."""
    host, port = re.fullmatch(r"\w+://([^:]+):(\d+)", url).groups()
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n\r\n"
        connection.sendall(head.encode())
        stream = connection.makefile("rb")
        equal(stream.readline().split()[1], b"101")
        while stream.readline().strip():
            pass
        _, length = struct.unpack("BB", stream.read(2))
        return stream.read(length)


def main():
    warnings.simplefilter("ignore")
    installation, *options = sys.argv[1:]
    pairs = (option.split("=", 1) for option in options)
    session = start(installation, {name: ast.literal_eval(value) for name, value in pairs})
    rest = Rest(session)
    print("running", flush=True)
    sys.stdin.readline()
    commands(session, rest)
    functions(session, rest)
    objects(session, rest)
    native(session, rest)
    pages(session)
    remote(session)
    session.close()
    atexit.unregister(session.close)  # 0.8 would close it once more, and wait a minute for EnSight
    print("done", flush=True)


main()
