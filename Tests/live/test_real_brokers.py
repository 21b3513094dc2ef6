"""The brokers that people have: what was sent arrives once on each of them, and the doctor tells what they cannot do.

From issue 11: "The brokers that Debian bookworm has and amqtt become a suite: first contact, 50 each way, 64 KiB and
700 KB, 200 offline, kill -9, doctor." docs/brokers.md says what each of them does.
"""

import collections
import unittest

import paho.mqtt.client as mqtt

import newer_brokers
import real_brokers
from harness import Daemon, Story, address_of, eventually


class Conversation:
    """Two boards and one kind of broker; the steps in the order in which a user meets them. A subclass says what is
    particular to its broker."""

    version = "5"
    # What the doctor looks at: MQTT 3.1.1 says nothing of what a broker grants.
    lines = {"broker", "grants", "access", "directory", "queue"}
    # What the doctor says beside `ok`: the line's name, its result, and words of its text.
    warnings: list[tuple[str, str, str]] = []

    def made(self) -> real_brokers.RealBroker:
        raise NotImplementedError

    def test_everything_arrives_once(self):
        self.real = self.made()
        self.addCleanup(self.real.stop)
        self.real.start()
        self.left, self.right = (
            self.daemon(
                name, None, url=self.real.url, broker_lines=self.real.lines, sections="[delivery]\nreceipt_timeout = 2s"
            )
            for name in ("left", "right")
        )
        self.expected: dict[str, list[str]] = {"left": [], "right": []}
        for step in (
            self.an_id_is_enough, self.fifty_each_way, self.long_ones, self.the_doctor_is_right,
            self.two_hundred_while_one_is_away, self.the_broker_is_killed,
        ):
            with self.subTest(step.__name__):
                step()
                self.everything_came_once()

    # Steps

    def an_id_is_enough(self) -> None:
        self.send(self.left, self.right, ["hello"])
        eventually(lambda: self.left.call("contact.list")["contacts"], what="the contact")

    def fifty_each_way(self) -> None:
        self.send(self.left, self.right, [f"there {number}" for number in range(50)], wait=False)
        self.send(self.right, self.left, [f"back {number}" for number in range(50)])

    def long_ones(self) -> None:
        self.send(self.left, self.right, ["k" * 65_536, "m" * 700_000])

    def two_hundred_while_one_is_away(self) -> None:
        self.right.stop()
        self.send(self.left, self.right, [f"missed {number}" for number in range(200)], wait=False)
        eventually(lambda: self.states(self.left) <= {"delivered", "published"}, what="the broker's acknowledgements")
        self.right.start()

    def the_broker_is_killed(self) -> None:
        self.send(self.left, self.right, [f"before {number}" for number in range(40)], wait=False)
        self.real.kill()
        self.send(self.right, self.left, [f"meanwhile {number}" for number in range(20)], wait=False)
        self.real.start()
        self.send(self.left, self.right, [f"after {number}" for number in range(5)], wait=False)
        # Where the broker has lost the cards, they are put back: a newcomer needs nothing but an ID.
        eventually(self.cards_stand, what="the cards after the kill")

    def the_doctor_is_right(self) -> None:
        link = self.left.call("status")["brokers"][0]
        self.assertEqual((link["state"], link["version"]), ("connected", self.version), link)
        checks = self.left.tool("doctor", "--json", timeout=150).json["checks"]
        about = [check for check in checks if check["name"] in self.lines]
        self.assertEqual({check["name"] for check in about}, self.lines, about)
        found = [(check["name"], check["result"], check["text"]) for check in about if check["result"] != "ok"]
        self.assertEqual(len(found), len(self.warnings), found)
        for (name, result, words), check in zip(sorted(self.warnings), sorted(found)):
            self.assertEqual((name, result), check[:2])
            self.assertRegex(check[2], words)

    # What they are made of

    def send(self, sender: Daemon, receiver: Daemon, texts: list[str], wait: bool = True) -> None:
        with sender.control() as client:
            made = [client.call("message.send", to=receiver.did, text=text)["id"] for text in texts]
        self.expected[receiver.name] += texts
        if wait:
            for identifier in made:
                sender.reaches(identifier, "delivered")

    def cards_stand(self) -> bool:
        """Meta, visa and state of both, as somebody reads them who was never here."""
        found = set()
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="newcomer", protocol=mqtt.MQTTv311)
        user, password = self.real.user
        client.username_pw_set(user, password)
        client.on_message = lambda _, __, message: found.add(message.topic)
        topics = {
            f"dim/v1/{address_of(board.did)}/{name}" for board in (self.left, self.right) for name in ("meta", "visa", "state")}
        client.on_connect = lambda *_: client.subscribe([(topic, 1) for topic in sorted(topics)])
        client.connect("127.0.0.1", self.real.port)
        client.loop_start()
        try:
            eventually(lambda: found == topics, 3, "all cards")
        except AssertionError:
            return False
        finally:
            client.disconnect()
            client.loop_stop()
        return True

    def states(self, board: Daemon) -> set[str]:
        return {row["state"] for row in board.call("message.list", limit=1000)["messages"]}

    def everything_came_once(self) -> None:
        """In both inboxes is what was sent, once, and no message is without its receipt."""
        for board in (self.left, self.right):
            eventually(lambda: self.states(board) <= {"delivered"}, 120, f"the last receipt for {board.name}")
        for board in (self.left, self.right):
            counted = collections.Counter(board.texts())
            self.assertEqual(
                {text[:20]: count for text, count in counted.items() if count != 1}, {}, f"doubled at {board.name}")
            self.assertEqual(set(self.expected[board.name]) - counted.keys(), set(), f"lost at {board.name}")
            self.assertEqual(counted.keys() - set(self.expected[board.name]), set())


class OnMosquitto(Conversation, Story):
    def made(self):
        return real_brokers.Mosquitto(self.directory)


class OnRabbitMQ(Conversation, Story):
    version = "3.1.1"
    lines = Conversation.lines - {"grants"}
    warnings = [("broker", "warn", "speaks only MQTT 3.1.1")]

    def made(self):
        return real_brokers.RabbitMQ(self.directory)


class OnNATS(Conversation, Story):
    version = "3.1.1"
    lines = Conversation.lines - {"grants"}
    warnings = [("broker", "warn", "speaks only MQTT 3.1.1")]

    def made(self):
        return real_brokers.NATS(self.directory)


class OnEjabberd(Conversation, Story):
    warnings = [("grants", "warn", "ends our session 5 min")]

    def made(self):
        return real_brokers.Ejabberd(self.directory)


class OnAmqtt(Conversation, Story):
    version = "3.1.1"
    lines = Conversation.lines - {"grants"}
    warnings = [("broker", "warn", "speaks only MQTT 3.1.1")]

    def made(self):
        return real_brokers.Amqtt(self.directory)


class Newer(unittest.TestCase):
    def test_packages_of_another_release_can_be_asked_for(self):
        cross = newer_brokers.setup()
        self.assertTrue(callable(cross.Apt) and callable(cross.run))
        self.assertTrue(cross.CACHE.is_absolute())


if __name__ == "__main__":
    unittest.main()
