"""Hostile neighbours, on the socket and on the broker.

From issue 2: a control client that sends garbage, half lines, a 1 MiB line, 1 000 connections, or never reads; topics fed
with random bytes, truncated and bit-flipped messages. The daemon lives, answers, stays small, and nothing that nobody
sent is in the inbox.
"""

import json
import random
import socket
import unittest

import paho.mqtt.client as mqtt

from harness import Story, address_of, eventually, rows

MIB = 1 << 20
GROWTH = 48 * MIB
SEED = 20261123  # the same bytes in every run


class HostileClients(Story):
    def setUp(self):
        super().setUp()
        self.board = self.daemon("board", None, url="mqtt://127.0.0.1:9")
        self.did = self.board.did
        self.before = self.board.rss

    def tearDown(self):
        self.assertTrue(self.board.alive, self.board.log[-2000:])
        self.assertEqual(rows(self.board.call("identity.list"))[0]["did"], self.did)
        self.assertLess(self.board.rss - self.before, GROWTH)

    def test_garbage_gets_an_answer_and_the_connection_lives_on(self):
        noise = random.Random(SEED)
        lines = [
            b"",
            b"hello?",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"\xff\xfe\x00",
            b'{"jsonrpc": "1.0", "id": 1, "method": "status"}',
            b'{"jsonrpc": "2.0", "id": {}, "method": "status"}',
            b'{"jsonrpc": "2.0", "id": 1, "method": 5}',
            b'{"jsonrpc": "2.0", "id": 1, "method": "status", "params": 7}',
            b'{"jsonrpc": "2.0", "id": 1, "method": "no.such", "params": {}}',
            b'{"jsonrpc": "2.0", "id": 1, "method": "status", "params": {"unknown": 1}}',
            b'{"jsonrpc": "2.0", "id": 1, "method": "message.send", "params": {"to": 5, "text": []}}',
            b'{"jsonrpc": "2.0", "id": 1, "method": "message.send", "params": {"to": "\\ud800", "text": "x"}}',
            b'{"jsonrpc": "2.0", "id": 1, "method": "inbox.list", "params": {"limit": -1}}',
            b'{"jsonrpc": "2.0", "id": 1, "method": "inbox.list", "params": {"limit": 1e99}}',
            b'{"jsonrpc": "2.0", "id": 1, "method": "inbox.ack", "params": {"consumer": "x", "seq": 9223372036854775807}}',
            b"[" * 5000 + b"]" * 5000,
            b"[" + b"{}," * 20000 + b"{}]",
            *(noise.randbytes(noise.randrange(1, 300)).replace(b"\n", b"?") for _ in range(300)),
        ]
        for line in lines:
            with self.board.control() as client:
                client.send_line(line)
                self.assertIn("version", client.call("hello"), line[:100])

    def test_what_is_wrong_is_named(self):
        with self.board.control() as client:
            client.send_line(b"{ this is not JSON")
            self.assertEqual(client.read()["error"]["code"], -32700)
            client.send_line(b'{"jsonrpc": "2.0", "id": 7, "method": "no.such"}')
            answer = client.read()
            self.assertEqual((answer["id"], answer["error"]["code"]), (7, -32601))
            client.send_line(b'{"jsonrpc": "2.0", "id": 8, "method": "status", "params": {"colour": 1}}')
            answer = client.read()
            self.assertEqual((answer["id"], answer["error"]["code"]), (8, -32602))
            self.assertIn("colour", json.dumps(answer))
            client.send_line(
                b'[{"jsonrpc": "2.0", "id": 9, "method": "hello"}, 5, {"jsonrpc": "2.0", "id": 10, "method": "hello"}]'
            )
            batch = client.read()
            self.assertEqual(sorted(str(answer["id"]) for answer in batch), ["10", "9", "None"])

    def test_half_lines(self):
        clients = []
        for number in range(10):
            client = self.board.control()
            client.socket.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "hel')
            clients.append(client)
        self.assertIn("version", self.board.call("hello"))
        for client in clients[:5]:
            client.close()
        for client in clients[5:]:
            for byte in b'lo"}\n':
                client.socket.sendall(bytes([byte]))
            self.assertIn("version", client.read()["result"])
            client.close()

    def test_long_lines(self):
        with self.board.control() as client:
            text = "x" * MIB
            line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {"text": text}}).encode()
            client.send_line(line)
            self.assertEqual(client.read()["error"]["code"], -32602)
            self.assertIn("version", client.call("hello"))
        with self.board.control() as client:
            try:
                client.socket.sendall(b"y" * (3 * MIB))
                client.socket.sendall(b"\n")
                while client.socket.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass  # closed on us: what an over-long line deserves

    def test_a_thousand_connections(self):
        sockets = []
        for _ in range(1000):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(2)
            try:
                client.connect(self.board.socket)
                sockets.append(client)
            except OSError:
                client.close()  # the queue of the socket is full
        for client in sockets:
            client.close()

        def answers() -> bool:
            try:
                return "version" in self.board.call("hello")
            except (OSError, AssertionError):
                return False

        eventually(answers, what="an answer after the flood")

    def test_a_client_that_never_reads(self):
        deaf = [socket.socket(socket.AF_UNIX) for _ in range(5)]
        for client in deaf:
            client.connect(self.board.socket)
            client.settimeout(0.2)
            request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "status", "params": {}}).encode() + b"\n"
            try:
                for _ in range(20000):
                    client.sendall(request)
            except OSError:
                pass  # the daemon stopped reading, or closed: both bound its memory
        self.assertIn("version", self.board.call("hello"))
        self.assertLess(self.board.rss - self.before, GROWTH)
        for client in deaf:
            client.close()


class Outsider:
    """A client of the broker that may publish anything anywhere."""

    def __init__(self, port: int):
        self.seen: list = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="outsider")
        self.client.on_message = lambda _c, _u, message: self.seen.append(message)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(30)

    def listen(self, topic: str) -> None:
        self.client.subscribe(topic, qos=1)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class UnsignedCards(Story):
    """What anybody can write beside a stranger's message on its way."""

    def setUp(self):
        super().setUp()
        self.mosquitto = self.broker()
        self.left = self.daemon("left", self.mosquitto)
        self.right = self.daemon("right", self.mosquitto, strangers="ask")
        self.outsider = Outsider(self.mosquitto.port)
        self.addCleanup(self.outsider.stop)
        self.left.call("contact.add", card=self.right.call("identity.show")["card"])
        self.message = self.left.call("message.pack", to=self.right.did, text="may I?", attach=True)["message"]

    def publish(self) -> None:
        eventually(lambda: self.right.connected, what="the broker")
        self.outsider.publish(f"dim/v1/{address_of(self.right.did)}/in", json.dumps(self.message).encode())
        eventually(lambda: rows(self.right.call("contact.requests")), what="the request")

    def test_a_card_pins_its_owner_as_one_that_seals(self):
        self.assertTrue(self.left.call("contact.show", did=self.right.did)["culver"])
        trust = self.left.state / "contacts" / address_of(self.right.did) / "trust.json"
        self.assertTrue(json.loads(trust.read_bytes())["culver"])

    def test_a_request_does_not_show_the_name_of_a_visa_that_nobody_signed(self):
        visa = self.message["visa"]
        visa["data"] = json.dumps(dict(json.loads(visa["data"]), name="your-own-hub"))
        self.publish()
        request, = rows(self.right.call("contact.requests"))
        self.assertEqual((request["did"], request["name"]), (self.left.did, "left"))

    def test_members_that_nobody_signed_are_not_kept(self):
        for card in (self.message["meta"], self.message["visa"], self.message["meta"]["key"]):
            card["junk"] = "x" * 200_000
        self.publish()
        self.succeeds(self.right.tool("contact", "accept", self.left.did))
        eventually(lambda: self.right.texts() == ["may I?"], what="the message")
        for name in ("meta.json", "visa.json"):
            file = self.right.state / "contacts" / address_of(self.left.did) / name
            self.assertLess(file.stat().st_size, 10_000)
            self.assertNotIn(b"junk", file.read_bytes())


class HostileTopics(Story):
    def setUp(self):
        super().setUp()
        self.mosquitto = self.broker()
        self.left = self.daemon("left", self.mosquitto, sections="[delivery]\nreceipt_timeout = 2s")
        self.right = self.daemon("right", self.mosquitto, sections="[delivery]\nreceipt_timeout = 2s")
        self.outsider = Outsider(self.mosquitto.port)
        self.addCleanup(self.outsider.stop)
        self.inlet = f"dim/v1/{address_of(self.right.did)}/in"
        self.outsider.listen(self.inlet)
        # A real conversation first; its wire is what is then bent.
        self.sent = ["one", "two", "three"]
        for text in self.sent:
            self.succeeds(self.left.tool("send", self.right.did, text, "--wait", "delivered"))
        self.wires = [message.payload for message in self.outsider.seen if b'"signature"' in message.payload]
        self.assertGreaterEqual(len(self.wires), 3)
        self.before = self.right.rss

    def still_well(self) -> None:
        """Lives, answers, is small, has only what was sent, and a new message still arrives."""
        self.sent.append("still there?")
        self.succeeds(self.left.tool("send", self.right.did, "still there?", "--wait", "delivered", timeout=120))
        self.assertEqual(self.right.texts(), self.sent)
        self.assertLess(self.right.rss - self.before, GROWTH)
        self.assertTrue(self.right.alive)

    def test_random_bytes(self):
        noise = random.Random(SEED)
        for _ in range(500):
            self.outsider.publish(self.inlet, noise.randbytes(noise.randrange(0, 2000)))
        for payload in (b"", b"{}", b"[]", b"null", b"{" * 100000, b"[" + b"{}," * 300000 + b"{}]", b'"' + b"\\" * 99999):
            self.outsider.publish(self.inlet, payload)
        self.outsider.publish(self.inlet, b"x" * (2 * MIB))
        self.still_well()

    def test_truncated_messages(self):
        wire = self.wires[0]
        for length in range(0, len(wire), max(1, len(wire) // 300)):
            self.outsider.publish(self.inlet, wire[:length])
        self.still_well()

    def test_bits_that_flip(self):
        noise = random.Random(SEED)
        for number in range(600):
            wire = bytearray(self.wires[number % len(self.wires)])
            place = noise.randrange(len(wire))
            wire[place] ^= 1 << noise.randrange(8)
            self.outsider.publish(self.inlet, bytes(wire))
        self.still_well()

    def test_fields_that_are_exchanged_taken_or_bent(self):
        first, second = json.loads(self.wires[0]), json.loads(self.wires[1])
        bent = []
        for name in first:
            bent.append({key: value for key, value in first.items() if key != name})
            for value in (None, 0, -1, 1e308, True, "", "x", [], {}, [[]], {"a": {}}, "A" * 1000):
                bent.append({**first, name: value})
            if name in second:
                bent.append({**first, name: second[name]})
        bent += [
            {**first, "receiver": self.left.did},
            {**first, "sender": self.right.did},
            {**first, "sender": "anyone@anywhere", "receiver": "anyone@anywhere"},
            {**first, "group": "everyone@everywhere"},
            {**first, "time": first["time"] + 86400},
            {**first, "extra": {"deep": [1, 2, 3]}},
        ]
        for message in bent:
            self.outsider.publish(self.inlet, json.dumps(message).encode())
        self.still_well()

    def test_the_same_messages_again_and_again(self):
        for _ in range(50):
            for wire in self.wires:
                self.outsider.publish(self.inlet, wire)
        self.still_well()

    def test_a_message_that_the_broker_keeps_is_dropped(self):
        self.outsider.publish(self.inlet, self.wires[0], retain=True)
        self.outsider.publish(self.inlet, b"rubbish", retain=True)
        self.assertEqual(self.right.stop(), 0)
        self.right.start()
        self.before = self.right.rss
        self.still_well()

    def test_its_own_card_is_put_back(self):
        own = f"dim/v1/{address_of(self.right.did)}"
        other = f"dim/v1/{address_of(self.left.did)}"
        good = {}
        for level in ("meta", "visa"):
            good[level] = self.retained(f"{own}/{level}")
            self.assertTrue(good[level])
        foreign = self.retained(f"{other}/meta")
        for rubbish in (b"", b"rubbish", foreign, b"{" * 70000):
            for level in ("meta", "visa"):
                self.outsider.publish(f"{own}/{level}", rubbish, retain=True)
        for level in ("meta", "visa"):
            eventually(
                lambda level=level: self.usable(self.retained(f"{own}/{level}"), good[level]),
                120,
                f"the {level}'s return",
            )
        self.still_well()

    def usable(self, found: bytes | None, good: bytes) -> bool:
        try:
            return set(json.loads(found or b"")) == set(json.loads(good))
        except ValueError:
            return False

    def retained(self, topic: str) -> bytes | None:
        """What the broker keeps under a topic now: a marker, sent after subscribing, comes when all retained came."""
        marker = f"marker/{random.random()}"
        found: list = []
        reader = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        reader.on_message = lambda _c, _u, message: found.append(message)
        reader.on_subscribe = lambda *_: reader.publish(marker, b"", qos=1)
        reader.on_connect = lambda *_: reader.subscribe([(topic, 1), (marker, 1)])
        reader.connect("127.0.0.1", self.mosquitto.port)
        reader.loop_start()
        try:
            eventually(lambda: any(message.topic == marker for message in found), what="the broker's answer")
        finally:
            reader.disconnect()
            reader.loop_stop()
        kept = [message.payload for message in found if message.topic == topic and message.retain]
        return kept[-1] if kept else None


if __name__ == "__main__":
    unittest.main()
