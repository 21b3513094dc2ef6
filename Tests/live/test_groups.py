"""A group of boards and of other software: everybody reads what is said there, and nobody who left.

From issue 14: two culver agents and a stock member in one group over a real broker, created on one side, text both ways,
invitation, expulsion, reset, a member that quits.
"""

import unittest

from harness import Daemon, Peer, Story, eventually, tool

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
        message = self.succeeds(first.tool("send", "club", "hello club")).out.strip()
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

    def three(self) -> list[Daemon]:
        """The second and the third know the first, and nothing of each other."""
        broker = self.broker()
        boards = [self.daemon(name, broker) for name in ("first", "second", "third")]
        for board in boards[1:]:
            board.call("contact.add", did=boards[0].did)
        return boards

    def administrators(self, board: Daemon, group: str) -> list[str]:
        return board.call("group.show", group=group)["administrators"]

    def test_offices_and_resets(self):
        first, second, third = self.three()
        everybody = [first.did, second.did, third.did]
        group = first.call("group.create", name="club", members=everybody[1:])["did"]
        self.agree(first, second, third, members=everybody)
        self.fails(77, second.tool("group", "expel", group, third.did))
        self.succeeds(first.tool("group", "hire", "club", second.did))
        eventually(lambda: self.administrators(second, group) == [second.did], LONG, "the office")
        self.fails(77, second.tool("group", "hire", group, third.did))
        self.succeeds(second.tool("group", "expel", group, third.did))
        self.agree(first, second, third, members=everybody[:2])
        # Who was put out knows the group, and asks to be let in again.
        self.fails(77, third.tool("send", group, "still here"))
        self.succeeds(third.tool("group", "join", group))
        eventually(lambda: second.call("group.show", group=group)["requests"], LONG, "the request")
        self.succeeds(second.tool("group", "invite", group, third.did))
        self.agree(first, second, third, members=everybody)
        self.succeeds(first.tool("group", "fire", "club", second.did))
        eventually(lambda: self.administrators(third, group) == [], LONG, "the end of the office")
        self.fails(77, second.tool("group", "expel", group, third.did))
        self.succeeds(first.tool("group", "reset", "club", third.did))
        self.agree(first, second, third, members=[first.did, third.did])
        message = first.call("message.send", to=group, text="the two of us")["id"]
        first.reaches(message, "delivered", patience=LONG)
        self.assertEqual((second.texts(), third.texts()), ([], ["the two of us"]))
        self.succeeds(third.tool("group", "quit", group))
        self.agree(first, members=[first.did])
        self.fails(65, first.tool("send", "club", "alone"))

    def test_power_cuts_in_the_middle(self):
        """Each command and each message is answered, and then the board or its peers lose power at once."""
        first, second, third = self.three()
        group = first.call("group.create", name="club", members=[second.did])["did"]
        first.kill()
        first.start()
        self.agree(first, second, members=[first.did, second.did])
        for number in range(3):
            first.call("group.invite", group=group, members=[third.did])
            first.kill()
            second.kill()
            first.start()
            said = first.call("message.send", to=group, text=f"with the third {number}")["id"]
            third.kill()
            second.start()
            third.start()
            first.reaches(said, "delivered", patience=LONG)
            self.agree(first, second, third, members=[first.did, second.did, third.did])
            first.call("group.expel", group=group, members=[third.did])
            first.kill()
            first.start()
            said = first.call("message.send", to=group, text=f"without the third {number}")["id"]
            second.kill()
            second.start()
            first.reaches(said, "delivered", patience=LONG)
            self.agree(first, second, third, members=[first.did, second.did])
        self.assertEqual(
            sorted(second.texts()), sorted(f"{word} the third {number}" for word in ("with", "without") for number in range(3)))
        self.assertEqual(sorted(third.texts()), [f"with the third {number}" for number in range(3)])

    def test_a_group_has_a_name_and_is_no_contact(self):
        first, second, _ = self.three()
        group = first.call("group.create", name="club", members=[second.did])["did"]
        self.agree(second, members=[first.did, second.did])
        for verb in ("add", "block", "mute"):
            self.fails(65, first.tool("contact", verb, group))
        self.fails(73, first.tool("contact", "add", second.did, "--name", "club"))
        self.succeeds(second.tool("contact", "rename", group, "walkers"))
        self.assertEqual(second.call("group.list")["groups"][0]["name"], "walkers")
        second.stop()
        second.start()
        self.succeeds(second.tool("send", "walkers", "hello"))
        eventually(lambda: first.texts() == ["hello"], LONG, "the text")
        # A member forgets nothing: the others would go on writing.
        self.fails(77, second.tool("group", "forget", "walkers"))
        self.succeeds(second.tool("group", "quit", "walkers"))
        self.succeeds(second.tool("group", "forget", "walkers"))
        self.assertEqual(second.call("group.list")["groups"], [])

    def test_a_backup_has_the_groups(self):
        first, second, third = self.three()
        group = first.call("group.create", name="club", members=[second.did])["did"]
        self.agree(first, second, members=[first.did, second.did])
        path = first.home / "backup.tar"
        self.succeeds(first.tool("backup", "--final", str(path)))
        first.stop()
        other = self.daemon("other", None, begin=False)
        self.succeeds(tool("restore", str(path), "--state", str(other.state)))
        other.configuration.write_text(
            first.configuration.read_text().replace(str(first.state), str(other.state)).replace(
                str(first.socket), str(other.socket)))
        other.start()
        self.assertEqual(self.members(other), [first.did, second.did])
        other.call("group.invite", group="club", members=[third.did])
        self.agree(other, second, third, members=[first.did, second.did, third.did])
        self.assertEqual(other.call("group.list")["groups"][0]["did"], group)


if __name__ == "__main__":
    unittest.main()
