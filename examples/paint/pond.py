"""A service as a script: what websocketserver calls to start and to stop an instance."""

import os
import socket
import subprocess

from remote_service_script import RemoteServiceScript

PAINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../target/release/examples/paint")
COLOURS = ("blue", "green", "red")


class Pond(RemoteServiceScript):
    """One pond per instance."""

    def __init__(self, common_options):
        super().__init__(common_options)
        self._paint = None

    def start(self, index, options):
        colour = options.get("colour", self._common_options["colour"])
        if colour not in COLOURS:
            raise ValueError(f"there is no {colour} water; choose one of {', '.join(COLOURS)}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._paint = subprocess.Popen([PAINT, str(port), colour])
        print(f"pond {index} is at port {port}")
        return ("127.0.0.1", port)

    def stop(self):
        if self._paint:
            self._paint.terminate()
            self._paint.wait()
