"""Shows a display that is there already, of this machine or of a node, with x11vnc.

For nodes whose X server owns the graphics card. Options of the service:
    host      the node, reached by ssh without a password; this machine when it is absent
    display   the display, ":0" by default
"""

import re
import shlex
import socket
import subprocess

from remote_service_script import RemoteServiceScript

NODE_PORT = 5990  # instance N uses the port NODE_PORT + N of the node


class X11VncSession(RemoteServiceScript):
    def __init__(self, common_options):
        super().__init__(common_options)
        self.process = None

    def start(self, index, options):
        host = self._common_options.get("host")
        port = free_port()
        there = NODE_PORT + index if host else port
        command = ["x11vnc", "-display", self._common_options.get("display", ":0"), "-rfbport", str(there)]
        command += ["-localhost", "-shared", "-forever", "-nopw", "-quiet"]
        if host:
            # On the node: ended when ssh ends, which a program without a terminal does not notice by itself.
            remote = f"{shlex.join(command)} & trap 'kill $!' EXIT; cat >/dev/null"
            command = ["ssh", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes"]
            command += ["-L", f"127.0.0.1:{port}:127.0.0.1:{there}", "--", host, remote]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # x11vnc says so when it listens.
        for line in self.process.stdout:
            if re.match(rb"PORT=\d+", line):
                return "127.0.0.1", port
        raise RuntimeError(f"{command[0]} ended with code {self.process.wait()}; see the log")

    def stop(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.terminate()
            self.process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
