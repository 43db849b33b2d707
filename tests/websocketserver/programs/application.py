#!/usr/bin/python3
"""Stands in for EnVision and EnSight, and does what the variable APPLICATION says.

Its command line is read as strictly as the real ones do: -vnc "vnc://?rfb_port=P&use_auth=0", and a port for gRPC. To each connection it says an RFB banner and its command line, on a line each; then it echoes.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

BEHAVIOUR = os.environ.get("APPLICATION", "")


def vnc_port(arguments):
    url = arguments[arguments.index("-vnc") + 1]
    return int(re.fullmatch(r"vnc://\?rfb_port=(\d+)&use_auth=0", url).group(1))


def become_xvnc(port):
    """A real desktop: the X server itself."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.set_inheritable(nowhere, True)
    words = ["Xvnc", "-displayfd", str(nowhere), "-rfbport", str(port), "-localhost", "-SecurityTypes", "None"]
    os.execvp("Xvnc", words + ["-geometry", "800x600", "-noreset", "-nolisten", "tcp"])


def serve(client):
    line = json.dumps(sys.argv)
    client.sendall(b"RFB 003.008\n" + line.encode() + b"\n")
    while data := client.recv(4096):
        if BEHAVIOUR == "dies":
            print("lost its mind over", data, file=sys.stderr, flush=True)
            os._exit(7)
        client.sendall(data)


def leave_grandchildren():
    """One in its own session, one that ignores SIGTERM, and one whose parent has ended."""
    subprocess.Popen(["sleep", "infinity"], start_new_session=True)
    subprocess.Popen(["sh", "-c", "trap '' TERM; sleep infinity & wait; sleep infinity"])
    subprocess.Popen(["sh", "-c", "setsid sleep infinity & exit 0"]).wait()


def main():
    port = vnc_port(sys.argv)
    if BEHAVIOUR == "exits":
        print("there is no licence for it", file=sys.stderr)
        sys.exit(3)
    if BEHAVIOUR == "xvnc":
        become_xvnc(port)
    if BEHAVIOUR == "deaf":
        time.sleep(3600)
    if BEHAVIOUR == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if BEHAVIOUR == "family":
        leave_grandchildren()
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=[client], daemon=True).start()


main()
