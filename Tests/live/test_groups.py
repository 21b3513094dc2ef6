"""A group of boards and of other software: everybody reads what is said there, and nobody who left.

From issue 14: two culver agents and a stock member in one group over a real broker, created on one side, text both ways,
invitation, expulsion, reset, a member that quits.
"""

import unittest

from harness import Daemon, Peer, Story, eventually

LONG = 120.0


class AGroup(Story):
    def begin(self, generation: str = "2.4", *options: str) -> tuple[Daemon, Daemon, Peer]:
        broker = self.broker()
        first, second = self.daemon("first", broker), self.daemon("second", broker)
        peer = self.peer(generation, broker, "--name", "stock", *options)
        peer.command("publish-card")
        peer.event("published-card")
        second.call("contact.add", did=first.did)
        return first, second, peer

    def members(self, board: Daemon) -> list[str]:
        groups = board.call("group.list")["groups"]
        return board.call("group.show", group=groups[0]["did"])["members"] if groups else []

    def agree(self, *boards: Daemon, members: list[str]) -> None:
        for board in boards:
            eventually(lambda: self.members(board) == members, LONG, f"the members {members}")

    def test_a_message_to_a_group_has_a_state_for_each_member(self):
        first, second, peer = self.begin("2.4", "--full-names")
        self.succeeds(first.tool("group", "new", "club", second.did, peer.did))
        self.agree(first, second, members=[first.did, second.did, peer.did])
        message = self.succeeds(first.tool("send", "club", "hello club")).out.decode().strip()
        event = peer.text("hello club", LONG)
        self.assertIs(event["signature_ok"], True)
        eventually(lambda: second.texts() == ["hello club"], LONG, "the text")
        group = first.call("group.list")["groups"][0]["did"]
        self.assertEqual(event["content"]["group"], group)
        self.assertEqual(second.inbox()[0]["group"], group)
        eventually(
            lambda: first.message(message)["members"]
            == {second.did: "delivered", peer.did: "published"}, LONG, "the states")
        # One that is no contact of the stock peer, nor it of this one, speaks in the group all the same.
        second.call("message.send", to=group, text="from the second")
        peer.text("from the second", LONG)
        eventually(lambda: first.texts() == ["from the second"], LONG, "the other text")

    def test_who_was_expelled_reads_nothing_more(self):
        first, second, peer = self.begin("2.4", "--full-names")
        group = first.call("group.create", name="club", members=[second.did, peer.did])["did"]
        self.agree(second, members=[first.did, second.did, peer.did])
        first.call("group.expel", group="club", members=[peer.did])
        self.agree(first, second, members=[first.did, second.did])
        message = first.call("message.send", to=group, text="among us")["id"]
        first.reaches(message, "delivered", patience=LONG)
        self.assertEqual(second.texts(), ["among us"])
        first.call("message.send", to=peer.did, text="to you")
        peer.text("to you", LONG)
        texts = [event["content"].get("text") for event in peer.events if event["event"] == "message"]
        self.assertNotIn("among us", texts)
        second.call("group.quit", group=group)
        eventually(lambda: self.members(first) == [first.did], LONG, "the end of the group")
        self.fails(77, second.tool("send", group, "after"))
        self.succeeds(second.tool("group", "forget", group))

    def test_a_member_without_office_proposes(self):
        first, second, peer = self.begin()
        group = first.call("group.create", name="club", members=[second.did])["did"]
        self.agree(second, members=[first.did, second.did])
        self.fails(77, second.tool("group", "expel", group, first.did))
        self.succeeds(second.tool("group", "invite", group, peer.did))
        eventually(lambda: first.call("group.show", group=group)["requests"], LONG, "the request")
        self.succeeds(first.tool("group", "invite", "club", peer.did))
        self.agree(first, second, members=[first.did, second.did, peer.did])
        self.assertEqual(first.call("group.show", group=group)["requests"], [])

    def test_a_board_that_was_away_catches_up(self):
        first, second, peer = self.begin("2.4", "--full-names")
        group = first.call("group.create", name="club", members=[second.did])["did"]
        self.agree(second, members=[first.did, second.did])
        second.kill()
        first.call("group.invite", group=group, members=[peer.did])
        message = first.call("message.send", to=group, text="while you were away")["id"]
        first.kill()
        first.start()
        second.start()
        self.agree(first, second, members=[first.did, second.did, peer.did])
        eventually(lambda: second.texts() == ["while you were away"], LONG, "the text")
        eventually(lambda: first.message(message)["members"][second.did] == "delivered", LONG, "its receipt")


if __name__ == "__main__":
    unittest.main()
