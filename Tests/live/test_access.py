"""Local users are no friends of each other: what `[access]` lets somebody do, and what it does not.

From issue 11: the role `sender` undid what an admin had done, by adding a contact that was there; one reader took all
consumers; and a limit to one identity did not hold for opening a message.
"""

import os
import pathlib
import unittest

from harness import MEMBER, Control, Refused, Story

HUB, PORCH = "garden@1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx", "porch@12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM"
OTHER = 65533  # another user who owns nothing here


@unittest.skipUnless(os.geteuid() == 0, "only root can be several users")
class Roles(Story):
    def board(self, access: str):
        return self.daemon("board", None, sections=f"[access]\n{access}\n")

    def member(self, board, user: int = MEMBER) -> Control:
        """A connection of a user who is neither root nor the daemon."""
        self.directory.chmod(0o755)
        board.home.chmod(0o755)
        os.chmod(board.socket, 0o666)
        os.seteuid(user)
        try:
            client = Control(board.socket)
        finally:
            os.seteuid(0)
        self.addCleanup(client.close)
        return client

    def refuses(self, client: Control, reason: str, method: str, **params) -> None:
        with self.assertRaises(Refused, msg=f"{method} {params}") as refused:
            client.call(method, **params)
        self.assertEqual(refused.exception.reason, reason, f"{method} {params}: {refused.exception}")

    def test_a_sender_makes_contacts_and_changes_none(self):
        board = self.board(f"sender = {MEMBER}")
        member = self.member(board)
        board.call("contact.add", did=HUB, name="hub")
        self.refuses(member, "not-permitted", "contact.add", did=HUB, name="old")
        self.refuses(member, "name-taken", "contact.add", did=PORCH, name="hub")
        self.assertTrue(member.call("contact.add", did=HUB, name="hub")["known"])
        self.assertEqual(member.call("contact.add", did=HUB)["name"], "hub")
        self.assertFalse(member.call("contact.add", did=PORCH, name="porch")["known"])
        board.call("contact.block", did="porch")
        for params in ({}, {"name": "porch"}, {"name": "gate"}):
            self.refuses(member, "not-permitted", "contact.add", did=PORCH, **params)
        for method in ("block", "unblock", "mute", "unmute", "remove"):
            self.refuses(member, "not-permitted", f"contact.{method}", did=PORCH)
        self.refuses(member, "not-permitted", "contact.rename", did=PORCH, name="gate")
        contacts = {contact["did"]: contact for contact in board.call("contact.list")["contacts"]}
        self.assertEqual({did: (one["name"], one["blocked"]) for did, one in contacts.items()}, {
            HUB.split("@")[1]: ("hub", False), PORCH.split("@")[1]: ("porch", True),
        } if HUB not in contacts else {HUB: ("hub", False), PORCH: ("porch", True)})
        # Whom it does not concern, it does not stop.
        self.assertEqual(board.call("contact.add", did=PORCH, name="gate")["name"], "gate")

    def test_a_limit_to_an_identity_holds_for_every_method_that_names_one(self):
        board = self.board(f"sender = {MEMBER}:pump")
        first, pump = board.did, board.call("identity.create", name="pump", key="ecc")["did"]
        member = self.member(board)
        theirs = board.call("message.send", to=HUB, text="of the board")["id"]
        own = member.call("message.send", to=HUB, from_=pump, text="of the pump")["id"]
        for method, params in [
            ("message.send", {"to": HUB, "text": "x"}), ("message.send", {"to": HUB, "from_": first, "text": "x"}),
            ("message.pack", {"to": pump, "text": "x"}), ("message.cancel", {"id": theirs}),
            ("inbox.list", {"receiver": first}), ("inbox.subscribe", {"consumer": "c", "filter": {"receiver": first}}),
        ]:
            self.refuses(member, "not-permitted", method, **params)
        for method in ("message.show", "message.wait"):
            self.refuses(member, "not-yours", method, id=theirs)
        self.assertEqual([row["id"] for row in member.call("message.list")["messages"]], [own])
        for_pump = board.call("message.pack", from_=first, to=pump, text="to the pump", attach=True)["message"]
        for_board = board.call("message.pack", from_=pump, to=first, text="to the board", attach=True)["message"]
        self.assertEqual(member.call("message.open", message=for_pump)["content"]["text"], "to the pump")
        self.refuses(member, "not-permitted", "message.open", message=for_board)
        self.assertEqual(board.call("message.open", message=for_board)["content"]["text"], "to the board")

    def test_no_user_takes_all_consumers(self):
        board = self.board(f"reader = {MEMBER} {OTHER}")
        member = self.member(board)
        for number in range(64):
            member.call("inbox.subscribe", consumer=f"c{number}")
        self.refuses(member, "too-many-consumers", "inbox.subscribe", consumer="one-more")
        member.call("inbox.subscribe", consumer="c7")  # one that is there is taken up again
        self.member(board, OTHER).call("inbox.subscribe", consumer="theirs")
        board.call("inbox.subscribe", consumer="ours")
        member.call("inbox.forget", consumer="c7")
        member.call("inbox.subscribe", consumer="one-more")

    def test_no_core_dump_holds_its_keys(self):
        board = self.board("")
        limits = pathlib.Path(f"/proc/{board.process.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0 ")


if __name__ == "__main__":
    unittest.main()
