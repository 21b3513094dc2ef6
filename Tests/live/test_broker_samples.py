"""config/mosquitto, read by a real mosquitto as Debian's own configuration would include it.

From issue 4: an ACL that lets each board read only its own topics and write to others' `in`; two bridged brokers.
"""

import pathlib
import shutil
import subprocess
import time
import unittest

import paho.mqtt.client as mqtt

from certificates import Authority
from harness import TOP, Daemon, Mosquitto, Story, address_of, eventually, free_port, start, tool

SAMPLES = TOP / "config/mosquitto"


class SampleBroker(Mosquitto):
    """A broker with the sample configuration; only paths, port and what `changes` says are not the sample's."""

    def __init__(self, directory: pathlib.Path, authority: Authority, bridge_to: "SampleBroker | None" = None, **changes: str):
        self.etc = directory / "etc"
        self.etc.mkdir(parents=True)
        (self.etc / "certs").mkdir()
        certificate, key = authority.signs(f"server-{directory.name}", "IP:127.0.0.1")
        for source, name in ((authority.certificate, "ca.crt"), (certificate, "server.crt"), (key, "server.key")):
            shutil.copy(source, self.etc / "certs" / name)
        (self.etc / "culver.passwords").touch(0o600)
        shutil.copy(SAMPLES / "culver.acl", self.etc)
        (self.etc / "conf.d").mkdir()
        self.port = free_port()
        self.sample("culver.conf", {"listener 8883": f"listener {self.port} 127.0.0.1", **changes})
        if bridge_to:
            self.sample("bridge.conf", {"other.example:8883": f"127.0.0.1:{bridge_to.port}"})
        super().__init__(directory, port=self.port)

    def beside(self, listener: int) -> None:
        """What the head of culver.conf says for those that used the broker before, with another port than 1883."""
        lines = [line.removeprefix("#     ") for line in (SAMPLES / "culver.conf").read_text().splitlines()]
        first = lines.index("listener 1883 127.0.0.1")
        text = "\n".join(lines[first : first + 2]).replace("1883", str(listener))
        (self.etc / "conf.d/local.conf").write_text(text + "\n")
        self.head = ["per_listener_settings true"]
        self.restart()

    def sample(self, name: str, changes: dict[str, str]) -> None:
        text = (SAMPLES / name).read_text()
        for old, new in {**changes, "/etc/mosquitto": str(self.etc)}.items():
            if old not in text:
                raise AssertionError(f"{name} has no {old}")
            text = text.replace(old, new)
        (self.etc / "conf.d" / name).write_text(text)

    def launch(self) -> None:
        configuration = self.directory / "mosquitto.conf"
        configuration.write_text("\n".join([
            *getattr(self, "head", []), "user root", f"persistence_location {self.directory}/", f"log_dest file {self.directory}/log", "log_type all",
            f"include_dir {self.etc}/conf.d",
        ]) + "\n")
        self.process = start(["mosquitto", "-c", str(configuration)], stderr=subprocess.DEVNULL)

    def admit(self, user: str, password: str) -> None:
        passwords = str(self.etc / "culver.passwords")
        subprocess.run(["mosquitto_passwd", "-b", passwords, user, password], check=True, capture_output=True)
        if self.process:
            self.process.send_signal(1)  # as `systemctl reload` does

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.port}"


class Somebody:
    """A plain client that has credentials for the broker."""

    def __init__(self, broker: SampleBroker, authority: Authority, user: str, password: str):
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self.client.tls_set(str(authority.certificate))
        self.client.username_pw_set(user, password)
        self.client.on_message = lambda _client, _data, message: self.heard.append((message.topic, message.payload))
        self.client.on_connect = lambda *arguments: self.said.append(str(arguments[3]))
        self.heard: list[tuple[str, bytes]] = []
        self.said: list[str] = []
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        eventually(lambda: self.said, what="CONNACK")

    def listens(self, topic: str) -> None:
        self.client.subscribe(topic, 1)

    def says(self, topic: str, payload: bytes, retain: bool = False) -> None:
        self.client.publish(topic, payload, 1, retain).wait_for_publish(20)

    def topics(self) -> set[str]:
        return {topic for topic, _ in self.heard}

    def end(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Samples(Story):
    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority(self.directory)

    def sample_broker(self, name: str, **options) -> SampleBroker:
        broker = SampleBroker(self.directory / name, self.authority, **options)
        self.addCleanup(broker.stop)
        return broker

    def board(self, name: str, broker: SampleBroker, *lines: str, root: str = "dim/v1") -> Daemon:
        """A board that may use the broker: its identity is made first, because its address is its user name."""
        password = self.directory / f"{name}.password"
        password.write_text(f"word of {name}\n")
        password.chmod(0o600)
        board = self.daemon(
            name, None, url=broker.url, begin=False,
            broker_lines=[
                "username = {address}", f"password_file = {password}", f"ca_file = {self.authority.certificate}",
                f"topic_root = {root}", *lines],
        )
        made = self.succeeds(tool("--state", str(board.state), "id", "new", name, "--ensure", "--json"))
        broker.admit(address_of(made.json["did"]), f"word of {name}")
        board.start()
        return board

    def somebody(self, broker: SampleBroker, user: str = "somebody") -> Somebody:
        broker.admit(user, "else")
        one = Somebody(broker, self.authority, user, "else")
        self.addCleanup(one.end)
        return one

    def deliver(self, sender: Daemon, receiver: Daemon, text: str) -> None:
        self.succeeds(sender.tool("send", receiver.did, text, "--wait", "delivered", timeout=120))
        self.assertEqual(receiver.texts()[-1], text)


class Rights(Samples):
    def test_two_boards_talk_and_find_each_other(self):
        broker = self.sample_broker("broker")
        left, right = self.board("left", broker), self.board("right", broker)
        self.deliver(left, right, "hello")
        self.deliver(right, left, "hello yourself")
        # Away and back: the will, and what was kept.
        to = right.did
        right.kill()
        sent = self.succeeds(left.tool("send", to, "while away")).out.strip()
        right.start()
        left.reaches(sent, "delivered")
        self.assertNotIn("Denied", broker.log)
        self.assertNotIn("culver_acknowledgements_verified_total 0\n", left.tool("metrics").out)

    def test_an_acl_of_before_delivers_all_the_same(self):
        broker = self.sample_broker("broker")
        acl = broker.etc / "culver.acl"
        acl.write_text("".join(line for line in acl.read_text().splitlines(True) if not line.endswith("/ack\n")))
        broker.restart()
        left, right = self.board("left", broker), self.board("right", broker)
        self.deliver(left, right, "without the topic for acknowledgements")
        self.assertIn("culver_receipts_sent_total 1\n", right.tool("metrics").out)
        self.assertIn("culver_acknowledgements_verified_total 0\n", left.tool("metrics").out)
        found = right.tool("doctor", "--json", timeout=150).json["checks"]
        checks = [check for check in found if check["name"] == "access"]
        self.assertEqual([check["result"] for check in checks], ["ok", "warn"])
        self.assertIn("/ack", checks[1]["text"])

    def test_nobody_reads_what_is_for_another_or_writes_what_is_of_another(self):
        broker = self.sample_broker("broker")
        left, right = self.board("left", broker), self.board("right", broker)
        self.deliver(left, right, "before")
        address = address_of(right.did)
        other = self.somebody(broker)
        other.listens("#")
        for end in ("in", "ack"):
            other.listens(f"dim/v1/{address}/{end}")
            other.listens(f"dim/v1/+/{end}")
        parts = ("meta", "visa", "state")
        eventually(lambda: {f"dim/v1/{address}/{part}" for part in parts} <= other.topics(), what="the public directory")
        card = {topic: payload for topic, payload in other.heard if topic.startswith(f"dim/v1/{address}/")}

        for part in parts:
            other.says(f"dim/v1/{address}/{part}", b"", retain=True)
            other.says(f"dim/v1/{address}/{part}", b"nonsense", retain=True)
            other.says(f"dim/v1/{address}/{part}", b"nonsense")
        for end in ("in", "ack"):
            other.says(f"dim/v1/{address}/{end}", b"{}")
            other.says(f"dim/v1/somebody/{end}", b"own")
        other.says("dim/v1/somebody/meta", b"own", retain=True)
        self.deliver(left, right, "after")
        # Its own came, so what was denied would have come before.
        own = {(f"dim/v1/somebody/{end}", b"own") for end in ("in", "ack")}
        eventually(lambda: own <= set(other.heard), what="what is its own")
        for end in ("in", "ack"):
            self.assertNotIn(f"dim/v1/{address}/{end}", other.topics())
            self.assertNotIn(f"dim/v1/{address_of(left.did)}/{end}", other.topics())
        again = self.somebody(broker, "again")
        again.listens("dim/v1/+/+")
        eventually(lambda: ("dim/v1/somebody/meta", b"own") in again.heard, what="the directory again")
        for topic, payload in card.items():
            if not topic.endswith("/state"):
                self.assertIn((topic, payload), again.heard)
        self.assertNotIn(b"nonsense", [payload for _, payload in again.heard + other.heard])
        # What it wrote to `in` came to the board, which has no use for it.
        self.assertIn("refused a message", eventually(lambda: "refused a message" in right.log and right.log))

    def test_pieces_of_files_are_written_by_everybody_and_read_by_their_receiver(self):
        broker = self.sample_broker("broker")
        one, two = self.somebody(broker, "one"), self.somebody(broker, "two")
        two.listens("dim/v1/two/file/+/+")
        one.listens("dim/v1/two/file/+/+")
        one.says("dim/v1/two/file/9f86d081884c7d659a2f/0/below", b"no piece")
        one.says("dim/v1/two/file/9f86d081884c7d659a2f/0", b"piece")
        eventually(lambda: ("dim/v1/two/file/9f86d081884c7d659a2f/0", b"piece") in two.heard, what="the piece")
        self.assertEqual(len(two.topics()), 1)
        self.assertEqual(one.topics(), set())

    def test_it_loads_without_a_warning_but_those_that_the_sample_speaks_of(self):
        broker = self.sample_broker("one")
        complaints = [line for line in broker.log.splitlines() if "Warning" in line or "Note" in line or "Error" in line]
        self.assertEqual([line for line in complaints if "ACL pattern" not in line and "run as root" not in line], [])
        self.assertIn("warns of each pattern without %u or %c", (SAMPLES / "culver.acl").read_text())

    def test_who_used_the_broker_before_goes_on_beside_it(self):
        broker = self.sample_broker("one")
        port = free_port()
        broker.beside(port)
        before = ["mosquitto_pub", "-h", "127.0.0.1", "-t", "lamp", "-m", "on", "-p"]
        self.assertEqual(subprocess.run([*before, str(port)], capture_output=True, timeout=20).returncode, 0)
        # Nobody comes in by the other port without a password all the same.
        secure = ["--cafile", str(self.authority.certificate)]
        self.assertNotEqual(subprocess.run([*before, str(broker.port), *secure], capture_output=True, timeout=20).returncode, 0)

    def test_without_password_or_with_a_wrong_one_nobody_comes_in(self):
        broker = self.sample_broker("broker")
        broker.admit("somebody", "word")
        for user, password in (("", ""), ("somebody", "other"), ("nobody", "word")):
            one = Somebody(broker, self.authority, user, password)
            self.addCleanup(one.end)
            self.assertRegex(one.said[0], "[Nn]ot authori[sz]ed|[Bb]ad user")

    def test_a_board_that_shows_a_certificate_needs_no_password(self):
        broker = self.sample_broker(
            "broker",
            **{"#require_certificate": "require_certificate", "#use_identity_as_username": "use_identity_as_username"})
        boards = []
        for name in ("left", "right"):
            board = self.daemon(name, None, url=broker.url, begin=False)
            did = self.succeeds(tool("--state", str(board.state), "id", "new", name, "--json")).json["did"]
            certificate, key = self.authority.signs(address_of(did), "DNS:board")
            text = board.configuration.read_text()
            lines = f"ca_file = {self.authority.certificate}\ncert_file = {certificate}\nkey_file = {key}\n"
            board.configuration.write_text(text + lines)
            board.start()
            boards.append(board)
        self.deliver(*boards, "hello")
        self.assertNotIn("Denied", broker.log)


class Bridges(Samples):
    def test_boards_on_two_bridged_brokers_talk(self):
        there = self.sample_broker("there")
        there.admit("bridge", "sesame")
        here = self.sample_broker("here", bridge_to=there)
        left, right = self.board("left", here), self.board("right", there)
        self.deliver(left, right, "over the bridge")
        self.deliver(right, left, "and back")
        # The other broker is away for a while.
        there.kill()
        sent = self.succeeds(left.tool("send", right.did, "wait for it")).out.strip()
        time.sleep(1)
        there.start()
        left.reaches(sent, "delivered", patience=120)
        self.assertEqual(right.texts(), ["over the bridge", "wait for it"])
        # Nothing goes round in it.
        before = len(there.log)
        time.sleep(3)
        self.assertLess(there.log[before:].count("PUBLISH"), 20)


if __name__ == "__main__":
    unittest.main()
