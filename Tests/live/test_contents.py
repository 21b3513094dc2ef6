"""Contents that are more than a text, between whole programs.

A person mutes a neighbour, sends a card, and writes by way of a board that hands on.
"""

import json
import unittest

from harness import Story, eventually

HASTE = "[delivery]\nreceipt_timeout = 2s"


class Contents(Story):
    def setUp(self):
        super().setUp()
        self.mosquitto = self.broker()
        self.left = self.daemon("left", self.mosquitto, sections=HASTE)
        self.right = self.daemon("right", self.mosquitto, sections=HASTE)

    def sent(self, content: dict) -> None:
        self.succeeds(self.left.tool(
            "send", self.right.did, "--content", "-", "--wait", "delivered", input=json.dumps(content)))

    def test_an_array_comes_apart(self):
        card = {"type": 51, "did": self.left.did, "name": "Left"}
        self.sent({"type": 202, "contents": [{"type": 1, "sn": 5, "text": "one"}, {"sn": 6, **card}]})
        inbox = self.right.inbox()
        self.assertEqual([row["content"]["type"] for row in inbox], [1, 51])
        self.assertEqual([row["sn"] for row in inbox], [5, 6])
        self.assertEqual(len({row["id"] for row in inbox}), 2)
        shown = self.succeeds(self.right.tool("inbox")).out
        self.assertIn(f"[card Left {self.left.did}]", shown)

    def test_a_muted_contact_is_heard_and_troubles_nobody(self):
        self.sent({"type": 1, "text": "one"})
        self.succeeds(self.right.tool("contact", "mute", self.left.did))
        self.assertIn("muted", self.succeeds(self.right.tool("contact", "list")).out)
        self.sent({"type": 1, "text": "two"})
        run = self.succeeds(self.right.tool("inbox", "--consumer", "bell", "--exec", "echo ring $CULVER_TEXT"))
        self.assertEqual(run.out, "")
        self.assertEqual([row["muted"] for row in self.right.inbox()], [True, True])
        self.right.stop()
        self.right.start()
        self.succeeds(self.right.tool("contact", "unmute", self.left.did))
        self.sent({"type": 1, "text": "three"})
        run = self.succeeds(self.right.tool("inbox", "--consumer", "bell", "--exec", "echo ring $CULVER_TEXT"))
        self.assertEqual(run.out, "ring three\n")

    def test_a_board_hands_on_what_it_cannot_read(self):
        relay = self.daemon("relay", self.mosquitto, sections=HASTE + f"\n[relay]\nfor = {self.right.did}")
        # The keys of the receiver have to be known.
        self.succeeds(self.left.tool("send", self.right.did, "hello", "--wait", "delivered"))
        self.succeeds(relay.tool("contact", "add", self.left.did))
        way = self.left.tool("send", self.right.did, "round the corner", "--via", relay.did, "--wait", "delivered")
        self.succeeds(way)
        eventually(lambda: "round the corner" in self.right.texts(), what="the message that went round")
        self.assertEqual([row["sender"] for row in self.right.inbox()], [self.left.did] * 2)
        self.assertEqual(relay.texts(), [])
        elsewhere = self.left.tool("send", self.left.did, "x", "--via", relay.did, "--ref", "r")
        self.fails(64, elsewhere)


if __name__ == "__main__":
    unittest.main()
