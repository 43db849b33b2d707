"""Echoes messages through a tunnel with the `websockets` package: interop.py URL [CERTIFICATE].

A tunnel carries bytes, not messages: what comes back is compared as a stream.
"""

import random
import ssl
import sys

from websockets.sync.client import connect

SIZES = [0, 1, 2, 125, 126, 127, 4095, 65535, 65536, 65537, 1 << 20, 8 << 20]
DEADLINE = 60


def fragments(message, size):
    """The message in pieces; each becomes a frame."""
    for start in range(0, len(message), size):
        yield message[start : start + size]


def receive(websocket, count):
    """Exactly `count` bytes."""
    data = bytearray()
    while len(data) < count:
        message = websocket.recv(timeout=DEADLINE)
        assert isinstance(message, bytes), "the tunnel sends binary messages"
        data += message
    assert len(data) == count, f"{len(data)} bytes instead of {count}"
    return bytes(data)


def echo(websocket, message, frames):
    """Sends one message, whole or as the given frames, and checks what comes back."""
    websocket.send(message if frames is None else frames)
    assert receive(websocket, len(message)) == message, f"other bytes came back, of {len(message)}"


def main():
    url = sys.argv[1]
    context = ssl.create_default_context(cafile=sys.argv[2]) if len(sys.argv) > 2 else None
    source = random.Random(6455)
    # max_queue: a message is sent whole before its echo is read. With a bound on what waits to be read, both
    # would wait for each other: a tunnel passes the pressure on.
    options = {"ssl": context, "subprotocols": ["binary"], "max_size": None, "max_queue": None}
    with connect(url, compression=None, **options) as websocket:
        assert websocket.subprotocol == "binary", websocket.subprotocol
        for size in SIZES:
            echo(websocket, source.randbytes(size), None)
        for _ in range(100):
            echo(websocket, source.randbytes(source.randrange(5000)), None)
        large = source.randbytes(8 << 20)
        for size in (1 << 20, 65536, 100_003):
            echo(websocket, large, fragments(large, size))
        echo(websocket, b"text counts as bytes", None)
        websocket.send("text counts as bytes: ü")
        assert receive(websocket, 24) == "text counts as bytes: ü".encode()
        for payload in (b"", b"x", source.randbytes(125)):
            assert websocket.ping(payload).wait(DEADLINE), "no pong"
        websocket.close(1000, "enough")
        assert websocket.protocol.close_code == 1000, websocket.protocol.close_code
    # An offer of compression may be declined, and everything works without.
    with connect(url, **options) as websocket:
        echo(websocket, b"z" * 100_000, None)
    print("the Python client is content")


main()
