"""Two boards talk: the main job.

From issue 2: `culver send ID text` works with the ID alone, the other side gets it once, and a signed receipt closes it;
the broker is killed and started again in the middle, and everything arrives, once.
"""

import random
import unittest

from harness import Story, eventually

HASTE = "[delivery]\nreceipt_timeout = 2s"


class TwoBoards(Story):
    def setUp(self):
        super().setUp()
        self.mosquitto = self.broker()
        self.left = self.daemon("left", self.mosquitto, sections=HASTE)
        self.right = self.daemon("right", self.mosquitto, sections=HASTE)

    def test_an_id_is_enough_to_write_to_somebody(self):
        sent = self.succeeds(self.left.tool("send", self.right.did, "the pump is on"))
        message = sent.out.strip()
        self.assertRegex(message, r"\A[0-9a-z]{1,32}\Z")

        arrival = self.succeeds(
            self.right.tool("inbox", "--consumer", "log", "--count", "1", "--timeout", "60s", "--ack", "--json")
        ).lines
        self.assertEqual(len(arrival), 1)
        self.assertEqual(arrival[0]["content"]["text"], "the pump is on")
        self.assertEqual(arrival[0]["sender"], self.left.did)
        self.assertEqual(arrival[0]["receiver"], self.right.did)
        self.assertIs(arrival[0]["encrypted"], True)
        self.assertIs(arrival[0]["sealed"], True)

        shown = self.left.reaches(message, "delivered")
        self.assertEqual(shown["receiver"], self.right.did)
        self.assertLessEqual(shown["created"], shown["delivered"])

        # The answer needs no lookup any more: the first message brought meta and visa along.
        answer = self.succeeds(self.right.tool("send", self.left.did, "good", "--wait", "delivered")).out.strip()
        self.assertEqual(self.right.message(answer)["state"], "delivered")
        self.assertEqual(self.left.texts(), ["good"])

    def test_a_text_may_hold_anything(self):
        texts = [
            "",
            " ",
            "-5.2",
            "你好, wörld 🌍 \u202e e\u0301",
            'quotes " and \\ and / and </script>',
            "line\nbreaks\r\nand\ttabs\x01\x1f\x7f",
            "a NUL \0 in the middle",
            "\0",
            "x" * 65536,
            "é🌍" * 16384,
        ]
        with self.left.control() as client:
            sent = [client.call("message.send", to=self.right.did, text=text)["id"] for text in texts]
        for message in sent:
            self.left.reaches(message, "delivered")
        self.assertEqual(sorted(self.right.texts()), sorted(texts))

    def test_the_tool_sends_what_it_reads(self):
        text = "first\0second\nthird 🌱"
        self.succeeds(self.left.tool("send", self.right.did, "-", "--wait", "delivered", input=text))
        self.assertEqual([line.rstrip("\n") for line in self.right.texts()], [text])
        self.succeeds(self.left.tool("send", self.right.did, "-5.2", "--wait", "delivered"))
        self.assertEqual(self.right.texts()[-1], "-5.2")
        self.succeeds(self.left.tool("send", self.right.did, "--lines", input="one\ntwo\nthree\n"))
        eventually(lambda: self.right.texts()[-3:] == ["one", "two", "three"], what="the three lines")

    def test_any_content_is_carried(self):
        content = {"type": 204, "app": "garden", "mod": "pump", "act": "set", "level": 3, "deep": [{"a": None}, 1.5, True]}
        with self.left.control() as client:
            message = client.call("message.send", to=self.right.did, content=content)["id"]
        self.left.reaches(message, "delivered")
        arrived = self.right.inbox()[0]["content"]
        self.assertEqual({name: arrived[name] for name in content}, content)

    def test_the_receiver_of_many_messages_needs_no_private_key(self):
        """From issue 12: an acknowledgement closes a message, and a signed receipt only where one is asked for."""
        self.succeeds(self.left.tool("send", self.right.did, "first", "--wait", "delivered"))

        def count(board, series: str) -> int:
            lines = self.succeeds(board.tool("metrics")).out.splitlines()
            found = [line.removeprefix(series + " ") for line in lines if line.startswith(series + " ")]
            self.assertEqual(len(found), 1, series)
            return int(found[0])

        operations = [
            f'culver_private_key_operations_total{{kind="{kind}",for="{who}"}}'
            for kind, who in (("sign", "own"), ("decrypt", "contact"), ("decrypt", "stranger"))
        ]
        before = [count(self.right, series) for series in operations]
        for number in range(10):
            self.succeeds(self.left.tool("send", self.right.did, f"number {number}", "--wait", "delivered"))
        self.assertEqual([count(self.right, series) for series in operations], before)
        self.assertEqual(count(self.right, "culver_receipts_sent_total"), 0)
        self.assertEqual(count(self.right, "culver_acknowledgements_sent_total"), 11)
        self.assertEqual(count(self.left, "culver_acknowledgements_verified_total"), 11)
        asked = ("send", self.right.did, "prove it", "--receipt", "signed", "--wait", "delivered")
        self.succeeds(self.left.tool(*asked))
        self.assertEqual(count(self.right, "culver_receipts_sent_total"), 1)
        self.assertEqual(count(self.left, "culver_receipts_verified_total"), 1)
        self.assertEqual(self.right.texts()[-1], "prove it")
        self.assertNotIn("seq", self.right.inbox()[-1]["content"])

    def test_a_receiver_that_is_away_gets_it_later(self):
        self.succeeds(self.left.tool("send", self.right.did, "before", "--wait", "delivered"))
        self.assertEqual(self.right.stop(), 0)
        messages = [self.left.tool("send", self.right.did, f"while away {n}").out.strip() for n in range(5)]
        self.right.start()
        for message in messages:
            self.left.reaches(message, "delivered")
        self.assertEqual(sorted(self.right.texts()), sorted(["before"] + [f"while away {n}" for n in range(5)]))

    def test_a_message_for_an_id_that_nobody_knows_waits(self):
        # hulk's ID: valid, but no card of his is on this broker.
        message = self.succeeds(self.left.tool("send", "hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj", "anybody?")).out.strip()
        self.assertEqual(self.left.message(message)["state"], "waiting")
        self.succeeds(self.left.tool("message", "cancel", message))
        self.assertEqual(self.left.message(message)["state"], "cancelled")


class ServersThatDie(Story):
    """Several hundred messages while something is killed: everything arrives, once."""

    COUNT = 300

    def converse(self, persistence: bool, victim: str) -> None:
        broker = self.broker(persistence=persistence)
        left = self.daemon("left", broker, sections=HASTE)
        right = self.daemon("right", broker, sections=HASTE)
        killed = {"broker": broker, "left": left, "right": right}[victim]
        texts = [f"number {number}" for number in range(self.COUNT)]
        moments = sorted(random.sample(range(20, self.COUNT - 20), 3))
        down = None
        for number, text in enumerate(texts):
            if number in moments:
                killed.kill()
                down = number
            if down is not None and (victim == "left" or number == down + 10):
                killed.start()
                down = None
            # The reference makes it safe to ask again when the answer was lost.
            left.call("message.send", to=right.did, text=text, ref=f"ref {number}")
        if down is not None:
            killed.start()
        if victim != "right":
            eventually(lambda: len(right.inbox()) >= self.COUNT, 180, f"{self.COUNT} arrivals")
        for number, text in enumerate(texts):
            again = left.call("message.send", to=right.did, text=text, ref=f"ref {number}")
            self.assertIs(again["repeat"], True)
            left.reaches(again["id"], "delivered", patience=180)
        self.assertEqual(sorted(right.texts()), sorted(texts))

    def test_the_broker_is_killed_and_forgets_everything(self):
        self.converse(persistence=False, victim="broker")

    def test_the_broker_is_killed_and_remembers_something(self):
        self.converse(persistence=True, victim="broker")

    def test_the_sender_is_killed(self):
        self.converse(persistence=False, victim="left")

    def test_the_receiver_is_killed(self):
        self.converse(persistence=False, victim="right")


if __name__ == "__main__":
    unittest.main()
