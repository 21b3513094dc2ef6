"""A board and the newest DIMP software understand each other.

From issue 2: culver and the stock Python stack 2.4.3, both directions, text, Unicode, 64 KiB, first contact with an
attached meta and with the retained directory only. Its own check of RSA signatures says yes to everything, so the peer
checks with pycryptodome.
"""

import unittest

from harness import Story
from stock import WithStock


class AsTheLibraryDoesIt(WithStock, Story):
    """Short names and RSA-1024."""

    GENERATION = "2.4"


class AsApplicationsDoIt(WithStock, Story):
    """Full names, and a longer key."""

    GENERATION = "2.4"
    OPTIONS = ["--full-names", "--key-bits", "2048"]


if __name__ == "__main__":
    unittest.main()
