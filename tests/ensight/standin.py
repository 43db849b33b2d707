"""A stand-in for EnSight: its real gRPC service, in front of a Python that really evaluates what it is sent.

It is started as EnSight is, by the same words:

    standin.py -grpc_server PORT [-grpc_use_tcp_sockets] [-grpc_disable_tls] [-grpc_uds_pathname P] [-vnc URL] ...

Other words of EnSight's are taken and ignored. Where it listens:

    -grpc_uds_pathname P            the unix socket P.sock
    -grpc_use_tcp_sockets           mutual TLS; ca.crt, server.crt and server.key are in $ANSYS_GRPC_CERTIFICATES or
                                    ./certs (certificates.sh makes them)
    ... with -grpc_disable_tls      plain TCP
    none of them                    plain TCP

PORT 0 is any free one. When it listens it prints one line: `listening PORT`, or `listening P.sock`. With -vnc (a URL that
holds rfb_port=N) something that says an RFB banner and echoes listens on port N too.

The secret is $ENSIGHT_SECURITY_TOKEN; a call without it in its metadata (`shared_secret`) is UNAUTHENTICATED; when it is
empty nothing is checked. As in EnSight, one call runs at a time, and the others wait for it. Two words are ours:

    -parallel                       calls run side by side
    -guarded                        ends when its standard input does, so that it cannot outlive a test

All commands share one namespace, in which `ensight` and `enscl` are (stub.py). `ensight.exit(code)` ends the process.
"""

import argparse
import contextlib
import json
import os
import queue
import re
import signal
import socket
import sys
import threading
import traceback
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from ansys.api.pyensight.v0 import ensight_pb2 as messages
from ansys.api.pyensight.v0 import ensight_pb2_grpc as rpc
from google.protobuf import empty_pb2

sys.dont_write_bytecode = True  # not into the sources
import stub  # noqa: E402


class Events:
    """Every open event stream, by the prefix that it asked for."""

    def __init__(self):
        self._lock, self._streams = threading.Lock(), []

    def publish(self, tag):
        with self._lock:
            for prefix, stream in self._streams:
                if tag.startswith(prefix):
                    stream.put(tag)

    @contextlib.contextmanager
    def open(self, prefix):
        entry = (prefix, queue.Queue())
        with self._lock:
            self._streams.append(entry)
        try:
            yield entry[1]
        finally:
            with self._lock:
                self._streams.remove(entry)


class Service(rpc.EnSightServiceServicer):
    """The calls that clients make. `leave(code)` ends the process after the answer."""

    def __init__(self, secret, parallel, leave):
        self._secret, self._leave, self._events = secret, leave, Events()
        self._turn = contextlib.nullcontext() if parallel else threading.Lock()
        ensight = stub.EnSight(leave, self._events.publish)
        self._names = {"__name__": "__main__", "ensight": ensight, "enscl": types.SimpleNamespace()}

    def _admit(self, context):
        said = dict(context.invocation_metadata()).get("shared_secret", "")
        if self._secret and said != self._secret:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the shared secret is wrong")

    def RunPython(self, request, context):
        self._admit(context)
        with self._turn:
            try:
                return messages.PythonReply(value=self._run(request.type, request.command), error=0)
            except BaseException as error:  # EnSight itself survives a SystemExit too
                text = "".join(traceback.format_exception_only(error)).strip()
                return messages.PythonReply(value=text, error=-1)

    def _run(self, kind, command):
        if kind == messages.PythonRequest.EXEC_NO_RESULT:
            exec(compile(command, "<command>", "exec"), self._names)
            return ""
        value = eval(compile(command.strip(), "<command>", "eval"), self._names)
        return repr(value) if kind == messages.PythonRequest.EXEC_RETURN_PYTHON else json.dumps(value)

    def RenderImage(self, request, context):
        self._admit(context)
        width, height = request.image_width, request.image_height
        if request.type == messages.RenderRequest.IMAGE_RAW:
            return messages.RenderReply(value=bytes(3 * width * height))
        return messages.RenderReply(value=stub.png(width, height))

    def GetGeometry(self, request, context):
        self._admit(context)
        return messages.GeometryReply(value=stub.glb())

    def GetEventStream(self, request, context):
        self._admit(context)
        with self._events.open(request.prefix) as events:
            context.add_callback(lambda: events.put(None))
            # The head goes out at once: who has seen it misses no event.
            context.send_initial_metadata(())
            while (tag := events.get()) is not None:
                yield messages.EventReply(tag=tag)

    def Exit(self, request, context):
        self._admit(context)
        self._leave(0)
        return messages.ExitReply()

    def ExitCleanly(self, request, context):
        self._admit(context)
        self._leave(0)
        return empty_pb2.Empty()


def arguments():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-grpc_server", type=int, default=0)
    parser.add_argument("-grpc_uds_pathname")
    parser.add_argument("-vnc", default="")
    for flag in ["-grpc_use_tcp_sockets", "-grpc_disable_tls", "-parallel", "-guarded"]:
        parser.add_argument(flag, action="store_true")
    return parser.parse_known_args()[0]


def credentials():
    folder = Path(os.environ.get("ANSYS_GRPC_CERTIFICATES") or "certs")
    pair = ((folder / "server.key").read_bytes(), (folder / "server.crt").read_bytes())
    return grpc.ssl_server_credentials([pair], (folder / "ca.crt").read_bytes(), require_client_auth=True)


def listen(server, words):
    """Opens the door that the words ask for, and returns its name."""
    if words.grpc_uds_pathname:
        path = f"{words.grpc_uds_pathname}.sock"
        Path(path).unlink(missing_ok=True)
        server.add_insecure_port(f"unix:{path}")
        return path
    address = f"127.0.0.1:{words.grpc_server}"
    if words.grpc_use_tcp_sockets and not words.grpc_disable_tls:
        return server.add_secure_port(address, credentials())
    return server.add_insecure_port(address)


def echo(client):
    client.sendall(b"RFB 003.008\n")
    while data := client.recv(4096):
        client.sendall(data)


def show(port):
    """Something to look at: a banner and an echo where a VNC server would be."""
    listener = socket.create_server(("127.0.0.1", port))

    def serve():
        while True:
            threading.Thread(target=echo, args=[listener.accept()[0]], daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


def main():
    words, code, done = arguments(), [], threading.Event()

    def leave(status=0):
        code.append(status)
        done.set()

    def guard():
        while os.read(0, 4096):
            pass
        os._exit(1)

    for number in [signal.SIGTERM, signal.SIGINT]:
        signal.signal(number, lambda *_: leave(0))
    if words.guarded:
        threading.Thread(target=guard, daemon=True).start()
    if port := re.search(r"rfb_port=(\d+)", words.vnc):
        show(int(port.group(1)))
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(max_workers=64), options=unlimited)
    service = Service(os.environ.get("ENSIGHT_SECURITY_TOKEN", ""), words.parallel, leave)
    rpc.add_EnSightServiceServicer_to_server(service, server)
    door = listen(server, words)
    server.start()
    print("listening", door, flush=True)
    done.wait()
    server.stop(grace=1).wait()
    os._exit(code[0])


if __name__ == "__main__":
    main()
