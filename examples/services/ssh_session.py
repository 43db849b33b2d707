"""Runs a program on another node by ssh, and reaches the port it listens on through the same connection.

ssh must work without a password. Options of the service:
    host       the node
    command    what to run there, for its shell; {port}, {display} and {index} are filled in
    port_base  instance N is told the port port_base + N of the node, and the display 100 + N
"""

import os
import socket
import subprocess
import threading

from remote_service_script import RemoteServiceScript

LISTEN_PATIENCE = 30


class SshSession(RemoteServiceScript):
    def __init__(self, common_options):
        super().__init__(common_options)
        self.process = None

    def start(self, index, options):
        host, there, here = self._common_options["host"], int(self._common_options["port_base"]) + index, free_port()
        values = {"{port}": there, "{display}": 100 + index, "{index}": index}
        command = self._common_options["command"]
        for name, value in values.items():
            command = command.replace(name, str(value))
        # The shell on the node ends the program when its input ends, which is when this ssh ends, however that happens.
        remote = (
            f"({command}) </dev/null >&2 & child=$!; trap 'kill $child' EXIT; "
            # Says when the port is open there, without connecting: servers of desktops count who comes and goes.
            f"port=$(printf '%04X' {there}); tries=0; "
            f"until grep -qs \":$port 0*:0000 0A\" /proc/net/tcp /proc/net/tcp6; do "
            f"kill -0 $child && [ $tries -lt {LISTEN_PATIENCE * 5} ] || exit 1; tries=$((tries+1)); sleep 0.2; done; "
            "echo listening; cat >/dev/null"
        )
        self.process = subprocess.Popen(
            ["ssh", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=15"]
            + ["-L", f"127.0.0.1:{here}:127.0.0.1:{there}", "--", host, remote],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        if self.process.stdout.readline() != b"listening\n":
            raise RuntimeError(f"ssh to {host} ended with code {self.process.wait()}; see the log")
        # When the connection to the node is lost the instance is of no use: end with it.
        threading.Thread(target=self.end_with_ssh, args=[self.process], daemon=True).start()
        return "127.0.0.1", here

    def end_with_ssh(self, process):
        code = process.wait()
        if self.process is process:  # not by our own stop
            print(f"ssh has ended with code {code}")
            os._exit(1)

    def stop(self):
        process, self.process = self.process, None
        if process is not None:
            process.stdin.close()
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.terminate()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
