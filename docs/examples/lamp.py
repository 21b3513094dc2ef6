#!/usr/bin/env python3
"""lamp.py [SOCKET] - a lamp that is switched by messages "on" and "off", and answers.

Reads the inbox as the consumer `lamp`. A message is acknowledged after it was handled: a program that dies in between
gets it again. So it may switch twice, which does no harm; and it answers under a `ref`, so the answer goes once.
"""

import json
import os
import socket
import sys
import time

PATH = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CULVER_SOCKET", "/run/culver/culver.sock")
LAMP = os.environ.get("LAMP", "/sys/class/leds/ACT/brightness")
LATER = (-32074, -32075)  # the disk fails, or not now: the same call may work later


class Refused(Exception):
    def __init__(self, error: dict):
        super().__init__(error["message"])
        self.code = error["code"]


class Daemon:
    """One connection to culverd: a line of JSON out, a line of JSON in."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(PATH)
        self.lines = self.socket.makefile("rb")
        self.waiting = []  # notifications that came before an answer
        self.last = 0

    def close(self):
        self.lines.close()
        self.socket.close()

    def call(self, method: str, **params):
        self.last += 1
        request = {"jsonrpc": "2.0", "id": self.last, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        while (line := self.read()).get("id") != self.last:
            self.waiting.append(line)
        if "error" in line:
            raise Refused(line["error"])
        return line["result"]

    def notification(self) -> dict:
        return self.waiting.pop(0) if self.waiting else self.read()

    def read(self) -> dict:
        line = self.lines.readline()
        if not line:
            raise ConnectionError("culverd has gone")
        return json.loads(line)


def handle(daemon: Daemon, message: dict) -> None:
    text = message["content"].get("text")
    if text not in ("on", "off"):
        return
    with open(LAMP, "w") as lamp:
        lamp.write("1\n" if text == "on" else "0\n")
    print(text, flush=True)
    try:
        daemon.call("message.send", to=message["sender"], text=f"the lamp is {text}", ref=f"lamp {message['id']}")
    except Refused as error:
        if error.code in LATER:
            raise
        print(f"no answer: {error}", file=sys.stderr)


def follow(daemon: Daemon) -> None:
    daemon.call("inbox.subscribe", consumer="lamp")
    while True:
        note = daemon.notification()
        if note.get("method") == "inbox.message":
            handle(daemon, note["params"])
            daemon.call("inbox.ack", consumer="lamp", seq=note["params"]["seq"])
        elif note.get("method") == "inbox.closed":
            sys.exit("another program reads as lamp")


while True:
    try:
        connection = Daemon()
    except OSError as error:
        print(f"{PATH}: {error}", file=sys.stderr)
    else:
        try:
            follow(connection)
        except (OSError, Refused) as error:
            print(error, file=sys.stderr)
        finally:
            connection.close()
    time.sleep(1)  # then subscribe again: what was not acknowledged comes again
