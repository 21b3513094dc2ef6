"""A state directory on two boards at once, and one that comes back from a backup.

From issue 3: two daemons with a cloned state directory notice each other by signed presence: an event and one steps back,
no endless kick-off loop; a restored backup is not a gap.
"""

import shutil
import time
import unittest

from harness import Daemon, Story, eventually, rows


class Clones(Story):
    def copy(self, original: Daemon, name: str, broker) -> Daemon:
        """A daemon, not started, on a copy of another's state directory."""
        copy = self.daemon(name, broker, begin=False)
        shutil.copytree(original.state, copy.state, ignore=shutil.ignore_patterns("lock"))
        return copy

    def events(self, board: Daemon, kind: str) -> list[str]:
        return [event.get("reason") for event in rows(board.call("event.list", kind=kind, limit=1000))]

    def clients(self, broker) -> int:
        """How often somebody connected, by the broker's log."""
        return broker.log.count("New client connected")

    def settled(self, broker, quiet: float = 8) -> None:
        """Nobody has connected for a while."""
        count, since = self.clients(broker), time.monotonic()

        def is_quiet() -> bool:
            nonlocal count, since
            now = self.clients(broker)
            if now != count:
                count, since = now, time.monotonic()
            return time.monotonic() > since + quiet

        eventually(is_quiet, 120, "the end of connecting")

    def deliver(self, sender: Daemon, receiver: Daemon, *texts: str) -> None:
        for text in texts:
            self.succeeds(sender.tool("send", receiver.did, text, "--wait", "delivered", timeout=120))

    def stands_back(self, board: Daemon) -> dict:
        return eventually(lambda: board.call("status").get("standing_back"), 90, "stepping back")

    def both(self, **broker_options):
        broker = self.broker(**broker_options)
        original, peer = self.daemon("original", broker), self.daemon("peer", broker)
        self.deliver(original, peer, "before")
        original.stop()
        clone = self.copy(original, "clone", broker)
        original.start()
        self.deliver(original, peer, "while alone")
        return broker, original, clone, peer

    def go_on(self, broker, original: Daemon, clone: Daemon, peer: Daemon) -> None:
        self.assertEqual(self.stands_back(clone)["did"], original.did)
        self.settled(broker)
        self.assertIsNone(original.call("status").get("standing_back"))
        self.assertEqual(self.events(original, "clone"), ["cloned-card"])
        self.assertEqual(self.events(clone, "clone"), ["standing-back"])

        shown = self.succeeds(clone.tool("status"))
        self.assertIn(original.did, shown.out)
        self.assertIn("clone", shown.out)
        self.assertIn("culverd", shown.err)
        refused = self.fails(75, clone.tool("send", peer.did, "from the clone"))
        self.assertIn("another board", refused.err)
        self.assertEqual(clone.call("message.list")["messages"][-1]["state"], "delivered")

        self.deliver(original, peer, "after")
        self.deliver(peer, original, "back")
        self.assertEqual(peer.texts(), ["before", "while alone", "after"])
        self.assertEqual(original.texts(), ["back"])
        self.assertEqual(clone.texts(), [])
        self.assertEqual(self.events(peer, "clone") + self.events(peer, "gap"), [])
        self.settled(broker, 1)

    def test_the_later_of_two_clones_steps_back(self):
        broker, original, clone, peer = self.both()
        clone.start()
        before = self.clients(broker)
        self.go_on(broker, original, clone, peer)
        self.assertLess(self.clients(broker) - before, 12)

        # The owner retires the original and starts the other again.
        self.assertEqual(original.stop(), 0)
        clone.stop()
        clone.start()
        self.deliver(clone, peer, "from the clone")
        self.deliver(peer, clone, "to the clone")
        self.assertIsNone(clone.call("status").get("standing_back"))
        self.assertEqual(peer.texts()[-1], "from the clone")
        self.assertEqual(self.events(peer, "clone") + self.events(peer, "gap"), [])

    def test_a_clone_of_a_running_board(self):
        broker = self.broker()
        original, peer = self.daemon("original", broker), self.daemon("peer", broker)
        self.deliver(original, peer, "before", "while alone")
        clone = self.copy(original, "clone", broker)
        clone.start()
        self.go_on(broker, original, clone, peer)

    def test_a_restored_backup_is_no_gap_and_no_clone(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker), self.daemon("peer", broker)
        self.deliver(board, peer, "1", "2")
        self.deliver(peer, board, "a")
        board.stop()
        backup = self.directory / "backup"
        shutil.copytree(board.state, backup)
        board.start()
        self.deliver(board, peer, "3", "4", "5")
        self.deliver(peer, board, "b", "c")
        board.kill()
        shutil.rmtree(board.state)
        shutil.copytree(backup, board.state)
        board.start()
        self.assertEqual(board.texts(), ["a"])
        self.deliver(board, peer, "6", "7", "8")
        self.deliver(peer, board, "d")
        self.assertEqual(peer.texts(), ["1", "2", "3", "4", "5", "6", "7", "8"])
        self.assertEqual(board.texts(), ["a", "d"])
        self.assertIn("restored", self.events(board, "start"))
        for one in (board, peer):
            self.assertEqual(self.events(one, "clone"), [])
        time.sleep(0.5)
        self.assertEqual(self.events(peer, "gap"), [])
        self.assertIsNone(board.call("status").get("standing_back"))


if __name__ == "__main__":
    unittest.main()
