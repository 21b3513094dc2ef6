"""A board and a DIMP application of today understand each other.

culver and dimples 2.1.1 on Python 2.5, both directions, to the receipt that the application writes. The application
registers an ECC identity with an RSA key in its visa. Its receipts have no serial number, and its answers to questions
have its card inside and nothing attached.
"""

import unittest

from harness import Story, eventually
from stock import LONG, WithStock


class AsItRegisters(WithStock, Story):
    """An ID without a name, of an ECC key."""

    GENERATION = "2.5"
    ENDS = ["delivered"]

    def test_the_board_finds_no_card_and_asks_and_the_answer_lets_its_message_go(self):
        board, peer = self.begin()
        message = board.call("message.send", to=peer.did, text="who are you?")["id"]
        # The board waits half a minute for a card on the broker before it asks the peer itself.
        self.assertEqual(peer.text("who are you?", LONG)["sender"], board.did)
        self.assertEqual(board.reaches(message, "delivered").get("reason"), None)
        eventually(lambda: not board.inbox(), what="nothing but the answers to come")

    def test_what_the_application_has_no_use_for_is_delivered_and_marked(self):
        board, peer = self.begin()
        self.published(peer)
        content = {"type": 204, "app": "test", "mod": "m", "act": "a"}
        message = board.call("message.send", to=peer.did, content=content)["id"]
        board.reaches(message, "delivered")
        shown = eventually(
            lambda: [row for row in [board.message(message)] if row.get("reason")], what="the word of the library"
        )
        self.assertEqual(shown[0]["reason"], "not-understood")


class WithANameInTheID(Story):
    """An RSA identity, as older applications have."""

    def test_both_directions(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker), self.peer("2.5", broker, "--kind", "mkm", "--name", "ann")
        self.assertTrue(peer.did.startswith("ann@"))
        peer.command("publish-card")
        peer.event("published-card")
        message = board.call("message.send", to=peer.did, text="hello")["id"]
        self.assertIs(peer.text("hello")["signature_ok"], True)
        board.reaches(message, "delivered")
        peer.send(board.did, "and back")
        eventually(lambda: board.texts() == ["and back"], what="the answer")


class OnOneOfSeveralDevices(Story):
    def test_a_message_reaches_the_device(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker), self.peer("2.5", broker, "--terminal", "phone")
        peer.command("publish-card")
        peer.event("published-card")
        message = board.call("message.send", to=peer.did, text="to the phone")["id"]
        peer.text("to the phone")
        board.reaches(message, "delivered")


if __name__ == "__main__":
    unittest.main()
