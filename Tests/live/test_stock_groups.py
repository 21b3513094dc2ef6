"""Groups that boards and other software are in together, over a real broker.

First the stock applications among themselves: what proves that a failure of ours is ours, and what they really do.
"""

import json
import unittest

from harness import PATIENCE, Peer, Story, eventually


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


if __name__ == "__main__":
    unittest.main()
