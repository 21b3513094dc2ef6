"""Bridges: topics of one board's local broker on the other's, through a third broker that reads none of it.

From culver.conf(5) and docs/home-assistant.md. Three real mosquittos: one beside each board, and one between the boards.
"""

import http.server
import json
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import unittest

from harness import Mosquitto, Story, end, eventually, start
from hostile_broker import packet

# Written after the pages of both projects about their topics: a lamp as zigbee2mqtt tells of it, and as Home Assistant is
# told to show it.
DISCOVERY = "homeassistant/light/0x0017880104e45541/light/config"
LAMP = {"state": "ON", "brightness": 215, "linkquality": 120, "update": {"state": "idle"}}
CONFIG = {
    "name": None, "unique_id": "0x0017880104e45541_light", "object_id": "hall", "schema": "json", "brightness": True,
    "state_topic": "zigbee2mqtt/hall", "command_topic": "zigbee2mqtt/hall/set",
    "availability": [{"topic": "zigbee2mqtt/bridge/state"}],
    "device": {"identifiers": ["zigbee2mqtt_0x0017880104e45541"], "manufacturer": "Philips", "model": "9290012573A"},
}


class Program:
    """A local program that publishes: MQTT 3.1.1, QoS 1."""

    def __init__(self, broker: Mosquitto):
        self.socket = socket.create_connection(("127.0.0.1", broker.port), 30)
        self.reader = self.socket.makefile("rb")
        self.socket.sendall(packet(0x10, b"\0\4MQTT\4\2\0\x3c" + b"\0\7program"))
        assert self.reader.read(4) == b"\x20\2\0\0"

    def publish(self, *messages: tuple[str, str], retain: bool = False) -> None:
        """Returns when the broker has all of them."""
        for start_ in range(0, len(messages), 100):
            portion = messages[start_:start_ + 100]
            self.socket.sendall(b"".join(
                packet(0x32 + retain, struct.pack(">H", len(topic.encode())) + topic.encode() + struct.pack(">H", number + 1)
                       + payload.encode())
                for number, (topic, payload) in enumerate(portion)))
            assert len(self.reader.read(4 * len(portion))) == 4 * len(portion)

    def close(self) -> None:
        self.reader.close()
        self.socket.close()


class Ear:
    """A local program that hears everything, by mosquitto_sub."""

    def __init__(self, broker: Mosquitto, *options: str):
        self.messages: list[dict] = []
        self.subscribed = threading.Event()
        self.process = start(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", "#", "-t", "$SYS/broker/version", "-V", "mqttv5", "-q", "1",
             "--retain-as-published", "-F", "%j", *options],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.thread = threading.Thread(target=self._hear, daemon=True)
        self.thread.start()
        assert self.subscribed.wait(30)

    def _hear(self) -> None:
        for line in self.process.stdout:
            message = json.loads(line)
            if message["topic"].startswith("$SYS"):  # stands there always
                self.subscribed.set()
            else:
                self.messages.append(message)

    def heard(self, topic: str | None = None) -> list[str]:
        return [message.get("payload", "") for message in list(self.messages) if topic in (None, message["topic"])]

    def close(self) -> None:
        end(self.process, signal.SIGKILL)
        self.thread.join(10)
        self.process.stdout.close()


class Portal(http.server.BaseHTTPRequestHandler):
    """What a captive portal says to everything."""

    def handle_one_request(self):
        self.rfile.read(1)
        self.wfile.write(b"HTTP/1.0 302 Found\r\nLocation: http://login.example/\r\n\r\n")
        self.close_connection = True


@unittest.skipUnless(shutil.which("mosquitto_sub"), "mosquitto-clients are not installed")
class Bridged(Story):
    """The hall has zigbee2mqtt, the attic has Home Assistant."""

    def setUp(self):
        super().setUp()
        self.between = self.broker()
        self.locals = {}
        for name in ("hall", "attic"):
            place = self.directory / f"{name}-local"
            place.mkdir()
            self.locals[name] = Mosquitto(place, persistence=True)
            self.addCleanup(self.locals[name].stop)

    def section(self, name: str, *lines: str) -> str:
        peer = "attic" if name == "hall" else "hall"
        return "\n".join([f"[bridge {peer}]", f"broker = {self.locals[name].url}", f"peer = {peer}", *lines])

    def boards(self, hall: list[str], attic: list[str]) -> None:
        self.hall = self.daemon("hall", self.between, sections=self.section("hall", *hall))
        self.attic = self.daemon("attic", self.between, sections=self.section("attic", *attic))
        self.hall.call("contact.add", did=self.attic.did, name="attic")
        self.attic.call("contact.add", did=self.hall.did, name="hall")
        for board in (self.hall, self.attic):
            eventually(lambda: self.bridge(board)["state"] == "connected", what="the local broker's connection")

    def bridge(self, board, place: int = 0) -> dict:
        return board.call("status")["bridges"][place]

    def program(self, name: str) -> Program:
        program = Program(self.locals[name])
        self.addCleanup(program.close)
        return program

    def ear(self, name: str, *options: str) -> Ear:
        ear = Ear(self.locals[name], *options)
        self.addCleanup(ear.close)
        return ear

    def retained(self, name: str) -> dict[str, str]:
        """What stands on the local broker now. A broker shows all of it before anything that is published later."""
        program = self.program(name)
        program.publish(("list/begin", "."), retain=True)
        ear = self.ear(name)
        eventually(lambda: ear.heard("list/begin"), what="the beginning of what is retained")
        program.publish(("list/end", "."))
        eventually(lambda: ear.heard("list/end"), what="the end of what is retained")
        ear.close()
        return {message["topic"]: message.get("payload", "") for message in ear.messages if not message["topic"].startswith("list/")}

    def counts(self, board) -> dict[str, int]:
        text = board.call("metrics")["text"]
        found = re.findall(r'^culver_bridge_(?:messages|dropped)_total\{bridge="\w+",(?:event|reason)="([\w-]+)"\} (\d+)$',
                           text, re.MULTILINE)
        return {name: int(number) for name, number in found}

    def delivered(self, board, number: int) -> None:
        """Everything that was taken has gone over or was replaced, and so many messages were taken."""
        def settled():
            counts = self.counts(board)
            done = counts["delivered"] + counts["replaced"]
            return counts["taken"] == number and done == number and self.bridge(board)["waiting_out"] == 0
        eventually(settled, what=f"the way of {number} messages, {self.counts(board)}")

    def reload(self, board, text: str) -> None:
        def readings():
            return sum(row["count"] for row in board.call("event.list", kind="config")["events"] if row["reason"] == "reloaded")
        before = readings()
        board.configuration.write_text(text)
        board.process.send_signal(signal.SIGHUP)
        eventually(lambda: readings() > before, what="the reading of the configuration")

    ZIGBEE = ["out = zigbee2mqtt/# homeassistant/#", "in = zigbee2mqtt/+/set"]
    HOME = ["out = zigbee2mqtt/+/set", "in = zigbee2mqtt/# homeassistant/#"]

    def test_a_lamp_of_zigbee2mqtt_is_in_home_assistant_on_the_other_board(self):
        program = self.program("hall")
        # What stands there before the bridge comes.
        program.publish((DISCOVERY, json.dumps(CONFIG)), ("zigbee2mqtt/bridge/state", '{"state":"online"}'), retain=True)
        self.boards(self.ZIGBEE, self.HOME)
        there = self.ear("attic")
        here = self.ear("hall")
        eventually(lambda: there.heard(DISCOVERY) and there.heard("zigbee2mqtt/bridge/state"), what="what was retained")
        program.publish(("zigbee2mqtt/hall", json.dumps(LAMP)), retain=True)
        program.publish(("zigbee2mqtt/hall/action", "toggle"), ("other/topic", "x"))
        eventually(lambda: there.heard("zigbee2mqtt/hall") and there.heard("zigbee2mqtt/hall/action"), what="the lamp")
        self.assertEqual(json.loads(there.heard(DISCOVERY)[0]), CONFIG)
        self.assertEqual(json.loads(there.heard("zigbee2mqtt/hall")[0]), LAMP)
        retained = self.retained("attic")
        self.assertEqual(set(retained), {DISCOVERY, "zigbee2mqtt/bridge/state", "zigbee2mqtt/hall"})
        # Home Assistant switches it.
        self.program("attic").publish(("zigbee2mqtt/hall/set", '{"state":"OFF"}'), ("zigbee2mqtt/hall", "a lie"))
        eventually(lambda: here.heard("zigbee2mqtt/hall/set"), what="the command")
        self.assertEqual(here.heard("zigbee2mqtt/hall/set"), ['{"state":"OFF"}'])
        # The device leaves.
        program.publish((DISCOVERY, ""), retain=True)
        eventually(lambda: len(there.heard(DISCOVERY)) == 2, what="the clearing")
        self.assertNotIn(DISCOVERY, self.retained("attic"))
        # Nothing else went over, nothing came back, and nobody's inbox has it.
        self.delivered(self.hall, 5)
        self.delivered(self.attic, 1)
        self.assertEqual(there.heard("other/topic"), [])
        self.assertNotIn("a lie", here.heard())
        self.assertEqual([self.hall.inbox(), self.attic.inbox()], [[], []])
        self.assertEqual(self.counts(self.attic)["loop"], 0)
        checks = [check for check in self.hall.call("doctor")["checks"] if check["name"] == "bridge"]
        self.assertEqual([check["result"] for check in checks], ["ok"])
        self.assertIn("bridge", self.succeeds(self.hall.tool("status")).out)

    def test_the_newest_of_each_topic_waits_for_a_peer_that_is_away(self):
        self.boards(["out = #"], ["in = #", "prefix = hall/"])
        there = self.ear("attic")
        program = self.program("hall")
        program.publish(("first", "x"))
        eventually(lambda: there.heard("hall/first"), what="the first message")
        self.delivered(self.hall, 1)
        self.attic.stop()
        eventually(lambda: self.hall.call("presence.get", did="attic")["state"] == "gone", what="the peer's end")
        for hundred in range(3):
            program.publish(*[(f"meter/{number % 3}", str(number)) for number in range(100 * hundred, 100 * hundred + 100)])
        eventually(lambda: self.counts(self.hall)["taken"] == 301, what="all values")
        self.assertEqual(self.bridge(self.hall)["waiting_out"], 3)
        self.assertEqual(self.counts(self.hall)["replaced"], 297)
        self.assertEqual(self.hall.call("status")["outbox"]["bytes"], 0)
        # What waits outlives the daemon.
        self.hall.kill()
        self.hall.start()
        self.assertEqual(self.bridge(self.hall)["waiting_out"], 3)
        self.attic.start()
        meters = lambda: [message["payload"] for message in there.messages if message["topic"].startswith("hall/meter")]
        eventually(lambda: len(meters()) >= 3, what="the newest values")
        eventually(lambda: self.bridge(self.hall)["waiting_out"] == 0, what="the end of waiting")
        eventually(lambda: self.bridge(self.attic)["waiting_in"] == 0, what="the local broker's acknowledgements")
        self.assertEqual(sorted(map(str, meters())), ["297", "298", "299"])

    def test_nothing_is_lost_when_brokers_and_daemons_are_killed(self):
        self.boards(["out = #", "keep = all"], ["in = #", "keep = all"])
        # It has a session of its own, which the broker keeps.
        there = self.ear("attic", "-i", "ear", "-c", "-x", "3600")
        self.program("hall").publish(*[("log", f"first {number}") for number in range(20)])
        eventually(lambda: len(there.heard("log")) >= 20, what="the first messages")
        # The attic's local broker goes: the board keeps what comes for it, and says why.
        self.locals["attic"].kill()
        program = self.program("hall")
        program.publish(*[("log", f"second {number}") for number in range(20)])
        eventually(lambda: self.bridge(self.attic)["waiting_in"] == 20, what="what waits for the local broker")
        eventually(lambda: "refused" in self.bridge(self.attic).get("reason", ""), what="the reason")
        checks = [check for check in self.attic.call("doctor")["checks"] if check["name"] == "bridge"]
        self.assertEqual([check["result"] for check in checks], ["fail"])
        # Both daemons are killed; a program publishes while the hall's is away.
        self.attic.kill()
        self.hall.kill()
        program.publish(*[("log", f"third {number}") for number in range(20)])
        self.hall.start()
        self.attic.start()
        self.locals["attic"].start()
        # And once more on the way.
        program.publish(*[("log", f"fourth {number}") for number in range(20)])
        self.hall.kill()
        self.attic.kill()
        self.hall.start()
        self.attic.start()
        program.publish(("log", "the end"))
        eventually(lambda: "the end" in there.heard("log"), what="the last message")
        eventually(lambda: self.bridge(self.attic)["waiting_in"] == 0, what="the local broker's acknowledgements")
        for part in ("second", "third", "fourth"):
            arrived = [text for text in there.heard("log") if text.startswith(part)]
            self.assertEqual(list(dict.fromkeys(arrived)), [f"{part} {number}" for number in range(20)])
        # The hall's local broker comes back with its sessions.
        self.locals["hall"].kill()
        eventually(lambda: self.bridge(self.hall)["state"] != "connected", what="the loss of the local broker")
        self.locals["hall"].start()
        eventually(lambda: self.bridge(self.hall)["state"] == "connected", what="the local broker")
        self.program("hall").publish(("log", "again"))
        eventually(lambda: "again" in there.heard("log"), what="a message after the broker's end")

    def test_overlapping_filters_on_both_sides_make_no_loop(self):
        self.boards(["out = #", "in = #"], ["out = #", "in = #"])
        here, there = self.ear("hall"), self.ear("attic")
        left, right = self.program("hall"), self.program("attic")
        left.publish(*[(f"left/{number}", str(number)) for number in range(30)], retain=True)
        right.publish(*[(f"right/{number}", str(number)) for number in range(30)])
        left.publish(("both", "by the hall"))
        eventually(lambda: "by the hall" in there.heard("both"), what="the message of the hall")
        right.publish(("both", "by the attic"))
        eventually(lambda: "by the attic" in here.heard("both"), what="the message of the attic")
        self.delivered(self.hall, 31)
        self.delivered(self.attic, 31)
        # A new connection is shown what bridges left on the broker, and takes none of it for a program's.
        self.locals["attic"].restart()
        eventually(lambda: self.bridge(self.attic)["state"] == "connected", what="the local broker")
        self.program("attic").publish(("right/last", "x"))
        eventually(lambda: here.heard("right/last"), what="the last message")
        self.delivered(self.hall, 31)
        self.delivered(self.attic, 32)
        self.assertEqual(len(here.messages), 63)
        self.assertEqual(self.counts(self.attic)["loop"], 30)

    def test_the_broker_between_the_boards_may_be_the_local_one(self):
        for place in self.locals.values():
            place.stop()
        self.locals = {"hall": self.between, "attic": self.between}
        self.boards(["out = #"], ["out = #", "in = #", "prefix = hall/"])
        there = self.ear("attic")
        self.program("hall").publish(*[(f"a/{number}", str(number)) for number in range(20)])
        eventually(lambda: there.heard("hall/a/19"), what="the last message")
        self.delivered(self.hall, 20)
        self.delivered(self.attic, 20)
        # The attic has sent the hall its own view of them, which the hall does not let in; nobody has sent more.
        self.program("hall").publish(("a/end", "x"))
        eventually(lambda: there.heard("hall/a/end"), what="the end")
        topics = lambda: [message["topic"] for message in there.messages if not message["topic"].startswith("dim/")]
        eventually(lambda: len(topics()) >= 42, what="each message, and what the attic made of it")
        self.delivered(self.hall, 21)
        self.delivered(self.attic, 21)
        self.assertEqual(len(topics()), 42)

    def test_a_burst_of_two_hundred_topics_is_bounded(self):
        self.boards(["out = #"], ["in = #"])
        there = self.ear("attic")
        program = self.program("hall")
        for second in range(5):
            program.publish(*[(f"sensor/{number}", f"{second} {number}") for number in range(200)])
        self.delivered(self.hall, 1000)
        eventually(lambda: all(f"4 {number}" in there.heard(f"sensor/{number}") for number in range(200)),
                   what="the newest value of each")
        counts = self.counts(self.hall)
        self.assertEqual(counts["delivered"] + counts["replaced"], 1000)
        self.assertEqual(counts["bridge-full"], 0)
        self.assertLessEqual(self.hall.call("status")["outbox"]["bytes"], 1 << 20)
        # What is too large is dropped and counted, and the rest goes on.
        program.publish(("sensor/big", "x" * (300 << 10)), ("sensor/small", "x"))
        eventually(lambda: there.heard("sensor/small"), what="the message after the large one")
        self.assertEqual((there.heard("sensor/big"), self.counts(self.hall)["too-large"]), ([], 1))

    def test_a_broker_that_is_none_is_told_and_everything_else_goes_on(self):
        portal = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Portal)
        threading.Thread(target=portal.serve_forever, daemon=True).start()
        self.addCleanup(portal.server_close)
        self.addCleanup(portal.shutdown)
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        place = self.directory / "locked"
        place.mkdir()
        (place / "passwords").write_text("program:secret\n")
        subprocess.run(["mosquitto_passwd", "-U", str(place / "passwords")], check=True)
        (place / "passwords").chmod(0o644)
        locked = Mosquitto(place, lines=["allow_anonymous false", f"password_file {place}/passwords"])
        self.addCleanup(locked.stop)
        word = self.directory / "word"
        word.write_text("wrong\n")
        word.chmod(0o600)
        self.boards(["out = #"], ["in = #"])
        before = self.hall.configuration.read_text()
        more = "\n".join([
            "[bridge portal]", f"broker = mqtt://127.0.0.1:{portal.server_address[1]}", "peer = attic", "out = #",
            "[bridge silent]", f"broker = mqtt://127.0.0.1:{silent.getsockname()[1]}", "peer = attic", "out = #",
            "[bridge locked]", f"broker = {locked.url}", "peer = nobody", "in = #", "username = program",
            f"password_file = {word}"])
        self.reload(self.hall, before + more)
        rows = lambda: {row["name"]: row for row in self.hall.call("status")["bridges"]}
        self.assertEqual(list(rows()), ["attic", "portal", "silent", "locked"])
        eventually(lambda: rows()["portal"]["state"] == rows()["locked"]["state"] == "away", what="both refusals")
        self.assertIn("uthori", rows()["locked"]["reason"])
        self.assertIn("broker", rows()["portal"]["reason"])
        self.assertNotEqual(rows()["silent"]["state"], "connected")
        self.assertEqual(rows()["attic"]["state"], "connected")
        checks = [check for check in self.hall.call("doctor")["checks"] if check["name"] == "bridge"]
        self.assertEqual([check["result"] for check in checks], ["ok", "fail", "fail", "fail"])
        there = self.ear("attic")
        self.program("hall").publish(("a", "still"))
        eventually(lambda: there.heard("a"), what="a message over the good bridge")
        self.hall.tool("send", "attic", "hello")
        eventually(lambda: self.attic.texts() == ["hello"], what="an ordinary message")
        # The right password, read at the next attempt; then the contact is missing.
        word.write_text("secret\n")
        eventually(lambda: rows()["locked"]["state"] == "connected", what="the connection with the right password")
        self.assertIn("nobody", rows()["locked"]["reason"])
        # Another filter for the good one, and the others go.
        self.reload(self.hall, before.replace("out = #", "out = b/#"))
        self.assertEqual(list(rows()), ["attic"])
        self.program("hall").publish(("a", "gone"), ("b/1", "here"))
        eventually(lambda: there.heard("b/1"), what="a message by the new filter")
        self.assertEqual(there.heard("a"), ["still"])
        # A bad file changes nothing.
        self.hall.configuration.write_text(before.replace("out = #", "out = #/b"))
        self.hall.process.send_signal(signal.SIGHUP)
        self.program("hall").publish(("b/2", "here"))
        eventually(lambda: there.heard("b/2"), what="a message after a bad configuration")
        self.assertEqual(list(rows()), ["attic"])


if __name__ == "__main__":
    unittest.main()
