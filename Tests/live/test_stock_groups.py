"""Groups that boards and other software are in together, over a real broker.

From issue 14: two culver agents, applications (dimples 2.1.1) and members of the older libraries in one group, created on
either side: texts both ways, invitation, expulsion, a member that quits, reset. Stock software among itself comes first:
what proves that a failure of ours is ours, and what it really does.
"""

import json
import unittest

from harness import PATIENCE, Daemon, Mosquitto, Peer, Story, eventually
from stock import LONG


class Groups(Story):
    """What every test about groups asks of a stock peer."""

    def published(self, *peers: Peer) -> None:
        for peer in peers:
            peer.command("publish-card")
            peer.event("published-card")

    def found(self, peer: Peer, *members: str) -> str:
        peer.command("found", members=list(members))
        return peer.event("founded")["group"]

    def change(self, peer: Peer, act: str, group: str, *members: str) -> bool:
        peer.command("change", act=act, group=group, members=list(members))
        return peer.event("changed", act=act)["done"]

    def say(self, peer: Peer, group: str, text: str) -> int:
        peer.command("say", group=group, text=text)
        return peer.event("said")["sn"]

    def known(self, peer: Peer, group: str) -> dict:
        peer.command("group", group=group)
        return peer.event("group", group=group)

    def agree(self, group: str, members: list[str], *peers: Peer, patience: float = PATIENCE) -> None:
        for peer in peers:
            eventually(lambda: self.known(peer, group)["members"] == members, patience, f"the members {members}")


class ApplicationsAmongThemselves(Groups):
    def begin(self, *names: str) -> list[Peer]:
        broker = self.broker()
        peers = [self.peer("2.5", broker, "--name", name) for name in names]
        self.published(*peers)
        return peers

    def test_they_found_a_group_and_all_read_it(self):
        ann, ben, cid = self.begin("ann", "ben", "cid")
        group = self.found(ann, ben.did, cid.did)
        self.agree(group, [ann.did, ben.did, cid.did], ann, ben, cid)
        for peer, others in [(ann, (ben, cid)), (ben, (ann, cid)), (cid, (ann, ben))]:
            self.say(peer, group, f"of {peer.did}")
            for other in others:
                event = other.text(f"of {peer.did}")
                self.assertEqual(event["content"]["group"], group)
                self.assertNotIn("group", event["wire"].split('"data"')[0])  # named inside only
                self.assertIs(event["signature_ok"], True)

    def test_members_come_and_go(self):
        ann, ben, cid, dan = self.begin("ann", "ben", "cid", "dan")
        everybody = (ann, ben, cid, dan)
        group = self.found(ann, ben.did, cid.did)
        self.agree(group, [ann.did, ben.did, cid.did], ann, ben, cid)
        # One without office proposes, and that changes nothing.
        self.assertTrue(self.change(ben, "invite", group, dan.did))
        ann.event("inside", sender=ben.did)
        self.agree(group, [ann.did, ben.did, cid.did], ann, ben, cid)
        self.assertTrue(self.change(ann, "invite", group, dan.did))
        self.agree(group, [peer.did for peer in everybody], *everybody)
        self.assertTrue(self.change(ann, "hire", group, ben.did))
        eventually(lambda: self.known(dan, group)["administrators"] == [ben.did], what="the office")
        self.assertTrue(self.change(ben, "expel", group, cid.did))
        self.agree(group, [ann.did, ben.did, dan.did], *everybody)
        self.assertFalse(self.change(ben, "quit", group))
        self.assertTrue(self.change(dan, "quit", group))
        self.agree(group, [ann.did, ben.did], ann, ben, dan)
        self.assertTrue(self.change(ann, "reset", group, ann.did, ben.did, cid.did))
        self.agree(group, [ann.did, ben.did, cid.did], ann, ben, cid)


class LibrariesAmongThemselves(Groups):
    """Of older software there are the libraries: their members split a message and read what was split."""

    def converse(self, generation: str, *options: str) -> None:
        broker = self.broker()
        ann, ben, cid = peers = [self.peer(generation, broker, "--name", name, *options) for name in ("ann", "ben", "cid")]
        self.published(*peers)
        for peer in peers:
            for other in peers:
                if peer is not other:
                    peer.command("learn", did=other.did)
                    peer.event("learnt", did=other.did, visa=generation != "0.4")
        group = self.found(ann, ben.did, cid.did)
        self.agree(group, [ann.did, ben.did, cid.did], *peers)
        self.say(cid, group, "split for each")
        for other in (ann, ben):
            event = other.text("split for each")
            self.assertEqual(event["content"]["group"], group)
            self.assertEqual(json.loads(event["wire"])["group"], group)
            self.assertIs(event["signature_ok"], True)
        self.change(ann, "expel", group, cid.did)
        self.agree(group, [ann.did, ben.did], *peers)
        self.change(ben, "quit", group)
        self.agree(group, [ann.did], ann, ben)

    def test_three_of_2026(self):
        self.converse("2.4", "--full-names")

    def test_three_of_early_2025(self):
        self.converse("2.2")

    def test_three_of_2023(self):
        self.converse("1.0")

    def test_three_of_2019(self):
        self.converse("0.4")


class WithBoards(Groups):
    """Two boards that know each other, and whoever else there is."""

    def boards(self, broker: Mosquitto) -> tuple[Daemon, Daemon]:
        first, second = self.daemon("first", broker), self.daemon("second", broker)
        second.call("contact.add", did=first.did)
        return first, second

    def members(self, board: Daemon, group: str) -> list[str]:
        known = [row["did"] for row in board.call("group.list")["groups"]]
        return board.call("group.show", group=group)["members"] if group in known else []

    def all_agree(self, group: str, members: list[str], boards: list[Daemon], peers: list[Peer]) -> None:
        for board in boards:
            eventually(lambda: self.members(board, group) == members, LONG, f"{members} on {board.name}")
        self.agree(group, members, *peers, patience=LONG)

    def all_hear(self, group: str, boards: list[Daemon], peers: list[Peer], about: str) -> None:
        """Everybody writes, and everybody reads all that the others wrote."""
        for board in boards:
            board.call("message.send", to=group, text=f"{about} by {board.did}")
        for peer in peers:
            self.say(peer, group, f"{about} by {peer.did}")
        dids = [each.did for each in [*boards, *peers]]
        for peer in peers:
            for did in dids:
                if did != peer.did:
                    event = peer.text(f"{about} by {did}", LONG)
                    self.assertEqual((event["sender"], event["content"]["group"]), (did, group))
                    self.assertIs(event["signature_ok"], True)
        for board in boards:
            wanted = {f"{about} by {did}" for did in dids if did != board.did}
            eventually(lambda: wanted <= set(board.texts()), LONG, f"{wanted} on {board.name}")
            self.assertEqual(len(board.texts()), len(set(board.texts())))
            rows = [row for row in board.inbox() if row["content"].get("text") in wanted]
            self.assertEqual({row["group"] for row in rows}, {group})


class OfABoard(WithBoards):
    """The founder is a culver agent."""

    def test_applications_come_and_go(self):
        broker = self.broker()
        first, second = self.boards(broker)
        ann, ben = (self.peer("2.5", broker, "--name", name) for name in ("ann", "ben"))
        self.published(ann, ben)
        group = first.call("group.create", name="club", members=[second.did, ann.did])["did"]
        self.all_agree(group, [first.did, second.did, ann.did], [first, second], [ann])
        self.all_hear(group, [first, second], [ann], "one")
        message = first.call("message.send", to=group, text="delivered to all")["id"]
        first.reaches(message, "delivered", patience=LONG)
        # A member that is an application proposes, and the board decides.
        self.change(ann, "invite", group, ben.did)
        eventually(lambda: first.call("group.show", group=group)["requests"], LONG, "the request")
        first.call("group.invite", group=group, members=[ben.did])
        self.all_agree(group, [first.did, second.did, ann.did, ben.did], [first, second], [ann, ben])
        self.all_hear(group, [first, second], [ann, ben], "two")
        # Applications obey no `expel`. They do, because a `reset` follows, also the one that is put out.
        first.call("group.expel", group=group, members=[ann.did])
        self.all_agree(group, [first.did, second.did, ben.did], [first, second], [ben, ann])
        self.all_hear(group, [first, second], [ben], "three")
        self.assertTrue(self.change(ben, "quit", group))
        self.all_agree(group, [first.did, second.did], [first, second], [ben])
        first.call("group.reset", group=group, members=[ann.did, second.did])
        self.all_agree(group, [first.did, ann.did, second.did], [first, second], [ann])
        second.call("group.quit", group=group)
        self.all_agree(group, [first.did, ann.did], [first, second], [ann])

    def test_every_device_of_a_member_reads(self):
        broker = self.broker()
        first, second = self.boards(broker)
        owner = ["--name", "ann", "--owner", str(self.directory / "owner")]
        phone = self.peer("2.4", broker, "--full-names", "--terminal", "phone", *owner)
        tablet = self.peer("2.5", broker, "--kind", "mkm", "--terminal", "tablet", *owner)
        self.published(tablet)
        first.call("message.send", to=tablet.did, text="hello")
        tablet.text("hello", LONG)
        phone.learn(first.did)
        phone.send(first.did, "from the phone", attach=True)
        eventually(lambda: first.texts() == ["from the phone"], LONG, "the phone's visa")
        group = first.call("group.create", name="club", members=[second.did, phone.did])["did"]
        first.call("message.send", to=group, text="to both")
        for device in (phone, tablet):
            self.assertEqual(device.text("to both", LONG)["content"]["group"], group)


class OfAnApplication(WithBoards):
    """The founder runs dimples."""

    def begin(self) -> tuple[Daemon, Daemon, Peer, Peer]:
        broker = self.broker()
        first, second = self.boards(broker)
        ann, ben = (self.peer("2.5", broker, "--name", name) for name in ("ann", "ben"))
        self.published(ann, ben)
        for board in (first, second):
            board.call("contact.add", did=ann.did)
        return first, second, ann, ben

    def test_boards_are_members(self):
        first, second, ann, ben = self.begin()
        group = self.found(ann, first.did, second.did)
        self.all_agree(group, [ann.did, first.did, second.did], [first, second], [ann])
        self.all_hear(group, [first, second], [ann], "one")
        first.call("group.invite", group=group, members=[ben.did])
        ann.event("inside", LONG, sender=first.did)
        self.all_agree(group, [ann.did, first.did, second.did], [first, second], [ann])
        self.assertTrue(self.change(ann, "invite", group, ben.did))
        self.all_agree(group, [ann.did, first.did, second.did, ben.did], [first, second], [ann, ben])
        self.all_hear(group, [first, second], [ann, ben], "two")
        self.assertTrue(self.change(ann, "expel", group, second.did))
        self.all_agree(group, [ann.did, first.did, ben.did], [first, second], [ann, ben])
        first.call("group.quit", group=group)
        self.all_agree(group, [ann.did, ben.did], [], [ann, ben])
        self.assertTrue(self.change(ann, "reset", group, ann.did, first.did, second.did))
        self.all_agree(group, [ann.did, first.did, second.did], [first, second], [ann, ben])
        self.all_hear(group, [first, second], [ann], "three")

    def test_a_bulletin_names_the_administrators(self):
        first, second, ann, ben = self.begin()
        group = self.found(ann, first.did, second.did, ben.did)
        self.all_agree(group, [ann.did, first.did, second.did, ben.did], [first, second], [ann, ben])

        def appointed(boards: list[Daemon], *dids: str) -> None:
            self.assertTrue(self.change(ann, "hire", group, *dids))
            for board in boards:
                eventually(
                    lambda: board.call("group.show", group=group)["administrators"] == list(dids), LONG, f"the office of {dids}"
                )

        appointed([first, second], ben.did)
        self.assertTrue(self.change(ben, "expel", group, second.did))
        self.all_agree(group, [ann.did, first.did, ben.did], [first, second], [ann, ben])
        # A board with an office: its expulsion is a reset for the others.
        appointed([first], first.did)
        first.call("group.expel", group=group, members=[ben.did])
        self.all_agree(group, [ann.did, first.did], [first], [ann, ben])


class WithLibraries(WithBoards):
    """Two boards and members of several generations in one group, founded by a board."""

    def begin(self, *generations: str) -> tuple[list[Daemon], list[Peer], str]:
        broker = self.broker()
        boards = [*self.boards(broker)]
        names = ("ann", "ben", "cid", "dan")
        options = {"2.4": ["--full-names"]}
        peers = [self.peer(kind, broker, "--name", name, *options.get(kind, [])) for name, kind in zip(names, generations)]
        self.published(*peers)
        everybody = [each.did for each in [*boards, *peers]]
        for peer in peers:
            for did in everybody:
                if did != peer.did:
                    peer.command("learn", did=did)
                    peer.event("learnt", did=did)
        group = boards[0].call("group.create", name="club", members=everybody[1:])["did"]
        self.all_agree(group, everybody, boards, peers)
        self.all_hear(group, boards, peers, "one")
        return boards, peers, group

    def test_an_application_and_three_libraries(self):
        boards, peers, group = self.begin("2.5", "2.4", "2.2", "1.0")
        first, second = boards
        ann, ben, cid, dan = peers
        first.call("group.expel", group=group, members=[dan.did])
        self.all_agree(group, [first.did, second.did, ann.did, ben.did, cid.did], boards, [ann, ben, cid, dan])
        self.all_hear(group, boards, [ann, ben, cid], "two")
        self.change(cid, "quit", group)
        self.all_agree(group, [first.did, second.did, ann.did, ben.did], boards, [ann, ben, cid])
        first.call("group.invite", group=group, members=[dan.did])
        self.all_agree(group, [first.did, second.did, ann.did, ben.did, dan.did], boards, [ann, ben, dan])
        self.all_hear(group, boards, [ann, ben, dan], "three")
        first.call("group.reset", group=group, members=[second.did, ben.did, cid.did])
        self.all_agree(group, [first.did, second.did, ben.did, cid.did], boards, [ben, cid])
        self.all_hear(group, boards, [ben, cid], "four")


class OfALibrary(WithBoards):
    """Of software of 2019 groups have IDs of a form that later software takes for a person's, and culver for a group's."""

    def test_of_2019(self):
        broker = self.broker()
        boards = [*self.boards(broker)]
        first, second = boards
        ann, ben = peers = [self.peer("0.4", broker, "--name", name, "--profile") for name in ("ann", "ben")]
        self.published(*peers)
        everybody = [each.did for each in [*peers, *boards]]
        for peer in peers:
            for did in everybody:
                if did != peer.did:
                    peer.command("learn", did=did)
                    peer.event("learnt", did=did)
        for board in boards:
            for peer in peers:
                board.call("contact.add", did=peer.did)
        group = self.found(ann, ben.did, first.did, second.did)
        self.all_agree(group, everybody, boards, peers)
        self.all_hear(group, boards, peers, "one")
        self.change(ann, "expel", group, second.did)
        self.all_agree(group, [ann.did, ben.did, first.did], [first], peers)
        self.change(ben, "quit", group)
        self.all_agree(group, [ann.did, first.did], [first], [ann])
        self.all_hear(group, [first], [ann], "two")


if __name__ == "__main__":
    unittest.main()
