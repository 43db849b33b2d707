"""A desktop of its own for each instance: Xvnc on a free display, with an xterm on it.

Options of the service:
    sizes         sizes that a page may offer; the first is the default
    display_base  instance N tries display display_base + N first
    command       what to show, a list of words; an xterm by default
Options of a reservation:
    size          one of the sizes
"""

import os
import re
import secrets
import socket
import struct
import subprocess
import tempfile

from remote_service_script import RemoteServiceScript

ATTEMPTS = 20
STEP = 100  # displays further on are tried when one is taken, far enough not to meet another instance's
TERMINAL = ["xterm", "-geometry", "100x30+40+40"]


class DesktopSession(RemoteServiceScript):
    def __init__(self, common_options):
        super().__init__(common_options)
        self.server = self.client = None
        self.folder = tempfile.TemporaryDirectory(prefix="desktop-session-")

    def start(self, index, options):
        sizes = self._common_options.get("sizes") or ["1280x1024"]
        size = options.get("size", sizes[0])
        # A size comes from a web page: it must be one that was offered.
        if size not in sizes or not re.fullmatch(r"\d{2,5}x\d{2,5}", size):
            raise ValueError(f"the size {size!r} is none of {', '.join(sizes)}")
        first = int(self._common_options.get("display_base", 100)) + index
        for display in range(first, first + ATTEMPTS * STEP, STEP):
            port = free_port()
            if self.start_server(display, port, size):
                break
        else:
            raise RuntimeError(f"no display from :{first} on is free")
        environment = dict(os.environ, DISPLAY=f":{display}", XAUTHORITY=self.authority)
        command = self._common_options.get("command", TERMINAL)
        self.client = subprocess.Popen(command, env=environment)
        return "127.0.0.1", port

    def start_server(self, display, port, size):
        """Whether an X server runs on `display` now."""
        self.authority = os.path.join(self.folder.name, "authority")
        write_authority(self.authority, display)
        ours, theirs = os.pipe()
        self.server = subprocess.Popen(
            ["Xvnc", f":{display}", "-displayfd", str(theirs), "-auth", self.authority, "-noreset"]
            + ["-nolisten", "tcp", "-geometry", size, "-rfbport", str(port), "-localhost"]
            + ["-SecurityTypes", "None", "-AlwaysShared"],
            pass_fds=[theirs],
        )
        os.close(theirs)
        # Xvnc writes its display here once it takes clients; the end comes when it has given up.
        with open(ours) as ready:
            return bool(ready.readline())

    def stop(self):
        for process in (self.client, self.server):
            if process is not None and process.poll() is None:
                process.terminate()
        for process in (self.client, self.server):
            if process is not None:
                process.wait()
        self.folder.cleanup()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def write_authority(path, display):
    """A cookie for the display, so that other users of this machine cannot look in (Xsecurity(7), Xau.h)."""
    anywhere = 65535
    fields = (b"", str(display).encode(), b"MIT-MAGIC-COOKIE-1", secrets.token_bytes(16))
    entry = struct.pack(">H", anywhere) + b"".join(struct.pack(">H", len(field)) + field for field in fields)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(entry)
