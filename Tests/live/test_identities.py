"""Identities that go, move, and get new keys, and what brokers keep of them.

From issue 4: `id remove` that clears its retained topics, `id export`, `import` and `rotate`.
"""

import json
import pathlib
import threading
import unittest

import paho.mqtt.client as mqtt
from harness import Daemon, Story, address_of, eventually, rows, tool

QUICK = "[delivery]\nreceipt_timeout = 1s"


def retained(broker) -> dict[str, bytes]:
    """Everything that the broker keeps: a marker, sent after subscribing, comes when all of it came."""
    found: dict[str, bytes] = {}
    done = threading.Event()

    def message(_client, _data, message):
        if message.topic == "marker":
            done.set()
        elif message.retain:
            found[message.topic] = message.payload

    reader = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    reader.on_message = message
    reader.on_subscribe = lambda *_: reader.publish("marker", b"", qos=1)
    reader.connect("127.0.0.1", broker.port)
    reader.subscribe("#", qos=1)
    reader.loop_start()
    try:
        if not done.wait(30):
            raise AssertionError("the broker does not answer")
    finally:
        reader.disconnect()
        reader.loop_stop()
    return found


class Identities(Story):
    def kept(self, broker, did: str) -> set[str]:
        """Which topics of this ID the broker keeps."""
        address = address_of(did)
        return {topic.rsplit("/", 1)[1] for topic in retained(broker) if f"/{address}/" in topic}

    def deliver(self, sender: Daemon, receiver: str, *texts: str, **options) -> None:
        for text in texts:
            self.succeeds(sender.tool("send", receiver, text, "--wait", "delivered", *options.get("more", ()), timeout=120))

    def shows(self, broker, did: str, *levels: str) -> None:
        eventually(lambda: self.kept(broker, did) == set(levels), what=f"{levels} of {did}")

    def files(self, board: Daemon, did: str) -> list[str]:
        """Whatever in the state directory is named after it."""
        return [str(path) for path in board.state.rglob("*") if address_of(did) in str(path)]

    def test_what_is_removed_is_gone_here_and_at_the_broker(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker, sections=QUICK), self.daemon("peer", broker, sections=QUICK)
        second = self.succeeds(board.tool("id", "new", "second")).out.strip()
        self.deliver(board, peer.did, "from the first")
        self.deliver(board, peer.did, "from the second", more=("--from", "second"))
        self.deliver(peer, second, "to the second")
        self.shows(broker, board.did, "meta", "visa", "state")
        self.shows(broker, second, "meta", "visa")
        peer.stop()
        nobody = "moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk"
        waiting = self.succeeds(board.tool("send", nobody, "never", "--from", "second")).out.strip()

        asked = self.fails(64, board.tool("id", "remove", "second"))
        self.assertIn(second, asked.err)
        self.assertTrue(self.files(board, second))
        self.assertIn(second, self.succeeds(board.tool("id", "remove", "second", "--yes")).out)
        self.assertEqual(self.files(board, second), [])
        self.fails(67, board.tool("id", "show", "second"))
        shown = board.message(waiting)
        self.assertEqual((shown["state"], shown["reason"]), ("failed", "identity-removed"))
        self.shows(broker, second)
        self.shows(broker, board.did, "meta", "visa", "state")

        def stated() -> str:
            return retained(broker)[f"dim/v1/{address_of(board.did)}/state"].decode()

        eventually(lambda: second not in stated() and "online" in stated(), what="presence without it")
        peer.start()
        self.deliver(board, peer.did, "still here")
        self.deliver(peer, board.did, "as you are")
        board.stop()
        board.start()
        self.deliver(board, peer.did, "again")
        self.assertEqual(self.kept(broker, second), set())
        self.assertEqual(peer.texts(), ["from the first", "from the second", "still here", "again"])

    def test_a_broker_that_is_away_is_cleared_when_it_comes_back(self):
        broker = self.broker(persistence=True)
        board = self.daemon("board", broker)
        first = board.did
        second = self.succeeds(board.tool("id", "new", "second")).out.strip()
        third = self.succeeds(board.tool("id", "new", "third")).out.strip()
        for did, levels in ((first, ("meta", "visa", "state")), (second, ("meta", "visa")), (third, ("meta", "visa"))):
            self.shows(broker, did, *levels)
        broker.stop()
        self.succeeds(board.tool("id", "remove", first, "--yes"))
        self.assertEqual(rows(board.call("identity.list"))[0]["did"], second)
        board.kill()
        # Without a daemon, and what the daemon did not come to.
        self.assertIn(third, self.succeeds(tool("id", "remove", "third", "--yes", "--state", str(board.state))).out)
        self.assertEqual(self.files(board, third), [])
        broker.start()
        self.shows(broker, first, "meta", "visa", "state")
        board.start()
        self.shows(broker, first)
        self.shows(broker, third)
        self.shows(broker, second, "meta", "visa", "state")
        removed = [event["did"] for event in rows(board.call("event.list", kind="identity")) if event.get("reason") == "removed"]
        self.assertEqual(sorted(removed), sorted([first, third]))
        self.assertEqual(rows(board.call("identity.list"))[0]["did"], second)

    def test_an_identity_moves_to_another_board(self):
        broker = self.broker()
        board, other, peer = (self.daemon(name, broker, sections=QUICK) for name in ("board", "other", "peer"))
        did = self.succeeds(board.tool("id", "new", "mover")).out.strip()
        self.deliver(board, peer.did, "1", more=("--from", "mover"))
        path = self.directory / "identity.json"
        self.assertIn("private keys", self.succeeds(board.tool("id", "export", "mover", str(path))).err)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.fails(73, board.tool("id", "import", str(path)))
        self.succeeds(board.tool("id", "remove", "mover", "--yes"))
        self.shows(broker, did)

        exported = json.loads(path.read_text())
        stranger = json.loads(self.succeeds(board.tool("id", "export", board.did, "-")).out)
        for wrong in (
            {"secret": stranger["secret"]}, {"meta": stranger["meta"]}, {"visa": stranger["visa"]}, {"did": peer.did},
            {"visa_keys": []}, {"visa_keys": ["x"]}, {"secret": None}, {"visa": None}, {"did": "mover"},
        ):
            bad = self.directory / "bad.json"
            bad.write_text(json.dumps({**exported, **wrong}))
            self.fails(65, other.tool("id", "import", str(bad)))
        self.assertEqual(len(rows(other.call("identity.list"))), 1)
        self.assertEqual(self.succeeds(other.tool("id", "import", str(path))).out.strip(), did)
        self.assertEqual(rows(other.call("identity.list"))[0]["did"], other.did)
        self.deliver(other, peer.did, "2", "3", more=("--from", "mover"))
        self.deliver(peer, did, "back")
        self.assertEqual(peer.texts(), ["1", "2", "3"])
        self.assertEqual(other.texts(), ["back"])
        events = [event["kind"] for event in rows(peer.call("event.list", limit=1000))]
        self.assertNotIn("gap", events)
        self.assertNotIn("clone", events)
        self.shows(broker, did, "meta", "visa")

        # And back, on files alone.
        other.stop()
        again = self.directory / "again.json"
        self.succeeds(tool("id", "export", "mover", str(again), "--state", str(other.state)))
        self.succeeds(tool("id", "remove", "mover", "--yes", "--state", str(other.state)))
        board.stop()
        self.succeeds(tool("id", "import", str(again), "--state", str(board.state)))
        self.fails(73, tool("id", "import", str(again), "--state", str(board.state)))
        board.start()
        self.deliver(board, peer.did, "4", more=("--from", "mover"))
        self.assertEqual(peer.texts(), ["1", "2", "3", "4"])

    def test_new_keys_and_what_was_written_to_the_old_ones(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker, sections=QUICK), self.daemon("peer", broker, sections=QUICK)
        self.deliver(board, peer.did, "1")
        self.deliver(peer, board.did, "a")
        for number, text in enumerate("bcd"):
            # Sealed for the key of before: the peer is away when the new one is made.
            board.stop()
            self.succeeds(peer.tool("send", board.did, text))
            peer.stop()
            if number < 2:
                board.start()
                self.succeeds(board.tool("id", "rotate", "board"))
            else:
                self.succeeds(tool("id", "rotate", "board", "--state", str(board.state)))
                board.start()
            peer.start()
            for row in peer.call("message.list")["messages"]:
                peer.reaches(row["id"], "delivered")
            self.deliver(board, peer.did, f"rotated {number}")
            own = json.loads((board.state / "identities" / address_of(board.did) / "visa.json").read_text())
            self.assertEqual(peer.call("contact.show", did=board.did)["visa"]["data"], own["data"])
            keys = board.state / "identities" / address_of(board.did) / "visa-keys"
            self.assertEqual(len(list(keys.iterdir())), 2)
        self.assertEqual(board.texts(), ["a", "b", "c", "d"])
        self.assertEqual(peer.texts(), ["1", "rotated 0", "rotated 1", "rotated 2"])
        for one in (board, peer):
            self.assertEqual([event for event in rows(one.call("event.list", kind="visa")) if event["level"] != "info"], [])


if __name__ == "__main__":
    unittest.main()
