#!/usr/bin/env python3
"""lamp.py - a lamp that is switched by messages "on" and "off", and answers.

Reads the inbox as the consumer `lamp`. A message is acknowledged after it was handled: a program that dies in between
gets it again. So it may switch twice, which does no harm; and it answers under a `ref`, so the answer goes once.
"""

import os
import sys

import culver

LAMP = os.environ.get("LAMP", "/sys/class/leds/ACT/brightness")

with culver.Client() as board:
    for message in board.messages("lamp"):
        if message.text not in ("on", "off"):
            continue  # nothing for a lamp
        with open(LAMP, "w") as lamp:
            lamp.write("1\n" if message.text == "on" else "0\n")
        try:
            board.send(message.sender, f"the lamp is {message.text}", ref=f"lamp {message.id}")
        except culver.NotNow:
            raise  # the next run of this program answers
        except culver.Refused as refused:
            print(f"no answer: {refused}", file=sys.stderr)
