"""Whether a contact is there.

`presence.get`, `culver presence` and events of kind `presence`, from signed states and the will; `culver
ping`: round trip, last seen, versions.
"""

import unittest

from harness import Story, eventually


class Presence(Story):
    def setUp(self):
        super().setUp()
        self.mosquitto = self.broker()
        self.left = self.daemon("left", self.mosquitto)
        self.right = self.daemon("right", self.mosquitto)
        self.succeeds(self.left.tool("contact", "add", self.right.did, "--name", "right"))
        # To a stranger a board does not say what it runs.
        self.succeeds(self.right.tool("contact", "add", self.left.did))
        self.succeeds(self.left.tool("send", "right", "hello", "--wait", "delivered"))

    def state(self) -> str:
        return self.left.call("presence.get", did="right")["state"]

    def reaches(self, state: str) -> None:
        eventually(lambda: self.state() == state, what=f"the presence {state}")

    def test_a_contact_comes_and_goes(self):
        self.reaches("online")
        with self.left.control() as client:
            client.call("event.subscribe", kinds=["presence"])
            first = self.left.call("presence.get", did="right")
            self.assertEqual(self.right.stop(), 0)
            self.assertEqual(client.notified("event", kind="presence")["reason"], "gone")
            self.reaches("gone")
            self.right.start()
            self.assertEqual(client.notified("event", kind="presence", reason="online")["did"], self.right.did)
            self.reaches("online")
            self.assertNotEqual(self.left.call("presence.get", did="right")["boot"], first["boot"])
            # The broker publishes the will.
            self.right.kill()
            client.notified("event", kind="presence", reason="gone")
        shown = self.succeeds(self.left.tool("presence", "right"))
        self.assertIn("gone", shown.out)
        self.assertIn(self.right.did, self.succeeds(self.left.tool("presence")).out)
        self.fails(67, self.left.tool("presence", "nobody"))
        # What the board knew it knows after a restart.
        self.assertEqual(self.left.stop(), 0)
        self.left.start()
        self.reaches("gone")

    def test_a_ping_is_answered_by_the_daemon_alone(self):
        for _ in range(2):
            answer = self.succeeds(self.left.tool("ping", "right", "--json")).json
            self.assertEqual((answer["did"], answer["culver"]), (self.right.did, True))
            self.assertGreater(answer["milliseconds"], 0)
            self.assertRegex(answer["agent"], r"\Aculver \d")
        self.assertIn(" ms, online, culver ", self.succeeds(self.left.tool("ping", "right")).out)
        self.assertEqual(self.right.texts(), ["hello"])
        self.assertEqual(len(self.right.inbox()), 1)
        self.right.stop()
        silent = self.fails(75, self.left.tool("ping", "right", "--timeout", "2s"))
        self.assertIn("no answer", silent.err)
        self.assertIn("gone", silent.err)

    def test_only_a_culver_agent_is_pinged(self):
        self.succeeds(self.left.tool("contact", "add", "hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj", "--name", "hulk"))
        refused = self.fails(65, self.left.tool("ping", "hulk"))
        self.assertIn("no culver agent", refused.err)
        self.assertEqual(len(self.left.call("message.list")["messages"]), 1)


if __name__ == "__main__":
    unittest.main()
