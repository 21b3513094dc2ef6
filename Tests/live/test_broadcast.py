"""Messages to all.

From issue 14: `anyone@anywhere`, `everyone@everywhere` and stations' forms are sent, and received by who subscribed in
the configuration; `culver send everyone@everywhere hi` was accepted and stayed queued for ever.
"""

import json
import subprocess
import unittest

from harness import Story, eventually

LISTENS = ["broadcasts = yes"]


class Broadcasts(Story):
    def setUp(self):
        super().setUp()
        self.mosquitto = self.broker()
        self.left = self.daemon("left", self.mosquitto)
        self.right = self.daemon("right", self.mosquitto, broker_lines=LISTENS)
        for board, other in ((self.left, self.right), (self.right, self.left)):
            self.succeeds(board.tool("contact", "add", other.did))
        self.succeeds(self.left.tool("send", self.right.did, "first", "--wait", "delivered"))

    def test_who_listens_hears_it(self):
        for number, receiver in enumerate(("everyone@everywhere", "anyone@anywhere", "stations@everywhere")):
            sent = self.succeeds(self.left.tool("send", receiver, f"hello {number}", "--wait", "published"))
            shown = self.left.message(sent.out.strip())
            self.assertEqual((shown["state"], shown["receiver"]), ("published", receiver))
        eventually(lambda: self.right.texts() == ["first", "hello 0", "hello 1", "hello 2"], what="three broadcasts")
        row = self.right.inbox()[1]
        self.assertEqual((row["sender"], row["receiver"]), (self.left.did, "everyone@everywhere"))
        self.assertIs(row["encrypted"], False)
        self.assertIs(row["sealed"], True)
        # Nothing comes back: no receipt, and not what a board sent itself.
        self.succeeds(self.right.tool("send", "everyone@everywhere", "from the right", "--wait", "published"))
        self.succeeds(self.right.tool("send", self.left.did, "last", "--wait", "delivered"))
        self.assertEqual(self.left.texts(), ["last"])
        self.assertNotIn("from the right", self.right.texts())
        self.assertEqual(len(self.left.call("contact.list")["contacts"]), 1)

    def test_a_board_that_listened_once_hears_nothing_more(self):
        configuration = self.right.configuration.read_text()
        self.right.stop()
        self.right.configuration.write_text(configuration.replace("broadcasts = yes", "broadcasts = no"))
        self.right.start()
        for word in ("one", "two"):
            self.succeeds(self.left.tool("send", "everyone@everywhere", word, "--wait", "published"))
        self.succeeds(self.left.tool("send", self.right.did, "to you", "--wait", "delivered"))
        self.assertEqual(self.right.texts(), ["first", "to you"])

    def test_the_topic_is_one_that_anybody_can_read(self):
        watcher = subprocess.Popen(
            ["stdbuf", "-oL", "mosquitto_sub", "-p", str(self.mosquitto.port), "-t", "dim/v1/everywhere", "-C", "1"]
            + ["-W", "60", "-d"],
            stdout=subprocess.PIPE, text=True,
        )
        self.addCleanup(watcher.wait)
        for line in watcher.stdout:
            if "received SUBACK" in line:
                break
        self.succeeds(self.left.tool("send", "everyone@everywhere", "read me", "--wait", "published"))
        message = json.loads(next(line for line in watcher.stdout if line.startswith("{")))
        self.assertEqual(json.loads(message["data"])["text"], "read me")
        self.assertEqual((message["receiver"], message["group"]), ("everyone@everywhere", "everyone@everywhere"))

    def test_several_receivers_get_a_message_each(self):
        third = self.daemon("third", self.mosquitto)
        self.succeeds(self.left.tool("contact", "add", third.did, "--name", "third"))
        receivers = ",".join((self.right.did, "third", "everyone@everywhere"))
        sent = self.succeeds(self.left.tool("send", receivers, "to several"))
        first, second, broadcast = sent.out.split()
        self.left.reaches(first, "delivered")
        self.left.reaches(broadcast, "published")
        self.assertEqual(self.left.message(second)["receiver"], third.did)
        # One that is refused keeps no other back.
        refused = self.fails(67, self.left.tool("send", f"{self.right.did},nobody-known", "again"))
        self.assertIn("nobody-known", refused.err)
        self.left.reaches(refused.out.strip(), "delivered")
        self.assertEqual(self.right.texts()[:1] + self.right.texts()[-1:], ["first", "again"])


if __name__ == "__main__":
    unittest.main()
