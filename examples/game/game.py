"""A field, its players and one apple. What players do comes in lines of JSON, what happens goes out in lines of JSON;
scalesocket puts the number of whoever speaks into `id`, and sends what has an `id` to that player alone."""

import json
import os
import random
import select
import time

WIDTH, HEIGHT, REACH = 640, 400, 20
STEP, TICK = 8, 0.04

players = {}  # by number: [x, y, apples eaten, dx, dy]
apple = [WIDTH // 2, HEIGHT // 2]


def say(**message):
    os.write(1, json.dumps(message).encode() + b"\n")


def seen():
    """What everybody may know of the players."""
    return {number: player[:3] for number, player in players.items()}


def hear(number, message):
    """Players are not to be trusted with anything but their number."""
    if message.get("type") == "join" and number not in players:
        players[number] = [random.randint(REACH, WIDTH - REACH), random.randint(REACH, HEIGHT - REACH), 0, 0, 0]
        say(id=number, type="state", you=number, size=[WIDTH, HEIGHT], reach=REACH, players=seen(), apple=apple)
        say(type="change", players=seen(), apple=apple)
    elif message.get("type") == "leave" and players.pop(number, None):
        say(type="change", players=seen(), apple=apple)
    elif message.get("type") == "steer" and number in players:
        players[number][3:] = [way if way in (-1, 0, 1) else 0 for way in (message.get("dx"), message.get("dy"))]


def tick():
    for player in players.values():
        player[0] = max(REACH, min(WIDTH - REACH, player[0] + STEP * player[3]))
        player[1] = max(REACH, min(HEIGHT - REACH, player[1] + STEP * player[4]))
        if abs(player[0] - apple[0]) < REACH and abs(player[1] - apple[1]) < REACH:
            player[2] += 1
            apple[:] = random.randint(REACH, WIDTH - REACH), random.randint(REACH, HEIGHT - REACH)
    say(type="change", players=seen(), apple=apple)


def main():
    rest, due = b"", 0.0
    while True:
        # Where nobody moves nothing happens: the game then waits for the next line only.
        moving = any(player[3] or player[4] for player in players.values())
        pause = max(0.0, due - time.monotonic()) if moving else None
        if select.select([0], [], [], pause)[0]:
            heard = os.read(0, 65536)
            if not heard:
                return  # the last player has left
            *lines, rest = (rest + heard).split(b"\n")
            for message in map(json.loads, lines):
                hear(message["id"], message)
        if moving and time.monotonic() >= due:
            due = time.monotonic() + TICK
            tick()


main()
