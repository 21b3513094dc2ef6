"""Debian forky, which is not released yet, has what the boards of the other releases have.

The package test for arm64, forky; libmosquitto 2.1, glibc 2.43 and systemd 262 are newer than anywhere else.
"""

import unittest

from harness import Story
from test_arm64 import Stock, Talks
from test_packages import Installed, Life
from test_repository import Carried, Installing


class ForkyTalks(Talks, Story):
    BOARD = "forky"


class ForkyTalksToStock(Stock, Story):
    BOARD = "forky"


class Forky(Life, Installed):
    BOARD = "forky"


class ForkyFromARepository(Carried, Installing):
    BOARD = "forky"


if __name__ == "__main__":
    unittest.main()
