"""A stock user with several devices: one identity, a visa and a key of its own for each.

From issue 14: the newest visa of each terminal is kept, and a message has a key for each device. The phone runs the library
2.4.3, which opens nothing without a key under its own name, the tablet dimples 2.1.1.
"""

import json
import unittest

from harness import Daemon, Peer, Story, eventually
from stock import LONG


class TwoDevices(Story):
    def begin(self) -> tuple[Daemon, Peer, Peer]:
        broker = self.broker()
        owner = ["--name", "ann", "--owner", str(self.directory / "owner")]
        phone = self.peer("2.4", broker, "--full-names", "--terminal", "phone", *owner)
        tablet = self.peer("2.5", broker, "--kind", "mkm", "--terminal", "tablet", *owner)
        self.assertEqual(phone.did, tablet.did)
        tablet.command("publish-card")
        tablet.event("published-card")
        return self.daemon("board", broker), phone, tablet

    def heard(self, board: Daemon, phone: Peer, text: str) -> None:
        """The phone writes, with its visa."""
        phone.learn(board.did)
        phone.send(board.did, text, attach=True)
        eventually(lambda: text in board.texts(), LONG, text)

    def both_read(self, board: Daemon, phone: Peer, tablet: Peer, text: str) -> None:
        message = board.call("message.send", to=phone.did, text=text)["id"]
        for device in (phone, tablet):
            event = device.text(text, LONG)
            self.assertIs(event["signature_ok"], True)
            wire = json.loads(event["wire"])
            self.assertEqual(set(wire["keys"]), {phone.did, phone.did + "/phone", phone.did + "/tablet"})
        board.reaches(message, "delivered")

    def test_a_message_is_for_every_device_with_its_newest_key(self):
        board, phone, tablet = self.begin()
        # The broker's directory has room for one visa, here the tablet's. The phone brings its own.
        board.call("message.send", to=tablet.did, text="to the tablet alone")
        tablet.text("to the tablet alone", LONG)
        self.heard(board, phone, "from the phone")
        self.both_read(board, phone, tablet, "to both")
        for device in (phone, tablet):
            device.command("renew")
            device.event("renewed")
        self.heard(board, phone, "with another key")
        self.both_read(board, phone, tablet, "the phone has forgotten its first key")

    def test_a_device_that_cannot_read_a_message_brings_its_visa(self):
        board, phone, tablet = self.begin()
        self.heard(board, phone, "from the phone")
        board.call("message.send", to=phone.did, text="to the phone alone")
        phone.text("to the phone alone", LONG)
        # dimples says so to nobody, and sends its visa to the sender instead.
        visa = board.state / "contacts" / phone.address / "visa.json"
        eventually(lambda: json.loads(visa.read_text()).get("terminal") == "tablet", LONG, "the tablet's visa")
        self.both_read(board, phone, tablet, "to both")


if __name__ == "__main__":
    unittest.main()
