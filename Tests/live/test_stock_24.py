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


class OnOneOfSeveralDevices(Story):
    """Its visa names a terminal, and it opens nothing that has no key under that name."""

    def test_a_message_has_a_key_for_the_device(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker), self.peer("2.4", broker, "--full-names", "--terminal", "phone")
        peer.command("publish-card")
        peer.event("published-card")
        board.call("message.send", to=peer.did, text="to the phone")
        self.assertIs(peer.text("to the phone")["signature_ok"], True)


if __name__ == "__main__":
    unittest.main()
