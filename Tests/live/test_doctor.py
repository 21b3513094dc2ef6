"""`culver doctor` against real brokers: each with one thing wrong, and the line that says so.

From issue 4: permissions with the exact cure, ACL on own topics (only a live round trip tells), whether the broker really
keeps messages for an absent session, queue limits, retained topics, TLS chain and name; exit code by the worst.
"""

import json
import os
import socket
import struct
import subprocess
import threading
import unittest

import paho.mqtt.client as mqtt

import test_brokers
from harness import TOP, Story, address_of, eventually, free_port, program, tool


class Proxy:
    """Before a broker. Forgetful: asks it to end each session with its connection, whatever the client asked for. Old:
    knows nothing of MQTT 5."""

    def __init__(self, port: int, old: bool = False):
        self.target = port
        self.old = old
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            broker = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._carry, args=(client, broker, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(broker, client, False), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, is_client: bool) -> None:
        try:
            while piece := source.recv(65536):
                # CONNECT comes in one piece; with MQTT 5 its properties begin with the session's expiry, 0x11.
                if is_client and piece[0] == 0x10 and b"MQTT\x05" in piece:
                    if self.old:
                        source.sendall(b"\x20\x02\x00\x01")
                        break
                    place = piece.index(b"MQTT\x05") + 9
                    assert piece[place] == 0x11, piece
                    piece = piece[: place + 1] + struct.pack(">I", 0) + piece[place + 5 :]
                target.sendall(piece)
        except OSError:
            pass
        target.close()
        source.close()

    def close(self) -> None:
        self.listener.close()


class Doctor(Story):
    authority = test_brokers.Brokers.authority
    certificate = test_brokers.Brokers.certificate
    tls_lines = test_brokers.Brokers.tls_lines

    def connected(self, board) -> None:
        eventually(lambda: '"connected"' in json.dumps(board.call("status")["brokers"]), what="the link")
        # The retained topics are written after the link stands.
        eventually(lambda: self.line(board, "directory")["result"] == "ok", what="the directory")

    def examined(self, board, *options: str) -> dict:
        """What the doctor finds; its status agrees with the worst, and the text for people says the same."""
        result = board.tool("doctor", "--json", *options, timeout=150)
        found = result.json
        worst = max(["ok", "warn", "fail"].index(check["result"]) for check in found["checks"])
        self.assertEqual((result.code, found["worst"]), (worst, ["ok", "warn", "fail"][worst]), result)
        for check in found["checks"]:
            if check["result"] != "ok":
                self.assertIn("hint", check)
        return found

    def line(self, board, name: str) -> dict:
        """The worst line of this name."""
        lines = [check for check in self.examined(board)["checks"] if check["name"] == name]
        self.assertTrue(lines, name)
        return max(lines, key=lambda check: ["ok", "warn", "fail"].index(check["result"]))

    def says(self, board, name: str, result: str, text: str = ".", hint: str = ".?") -> dict:
        line = self.line(board, name)
        self.assertEqual(line["result"], result, line)
        self.assertRegex(line["text"], text)
        self.assertRegex(line.get("hint", ""), hint)
        return line

    def test_a_good_broker_and_nothing_is_left_behind(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker), self.daemon("peer", broker)
        self.connected(board)
        checks = self.examined(board)["checks"]
        bad = [check for check in checks if check["result"] != "ok" and check["name"] not in ("clock-sync", "disk")]
        self.assertEqual(bad, [])
        names = {check["name"] for check in checks}
        self.assertLessEqual({"daemon", "socket", "clock", "permissions", "keys", "disk", "database", "entropy"}, names)
        self.assertLessEqual({"outbox", "inbox", "broker", "encryption", "access", "directory", "queue"}, names)
        self.says(board, "queue", "ok", "100 of 100")

        shown = board.tool("doctor", timeout=150)
        self.assertRegex(shown.out, r"(?m)^ok    queue +default: ")
        self.assertIn(shown.code, (0, 1))

        # Nobody has seen the probes, and the board works as before.
        self.assertNotIn("refused a message", board.log)
        self.succeeds(peer.tool("send", board.did, "hello", "--wait", "delivered", timeout=120))
        self.assertEqual(board.texts(), ["hello"])
        # The broker's last word about the second client is that it came without a session and went.
        last = [line for line in broker.log.splitlines() if "-doctor" in line][-2:]
        self.assertRegex(last[0], r"as culver-\w+-doctor \(p5, c1")
        self.assertRegex(last[1], r"-doctor disconnected")

    def test_a_reader_gets_all_but_the_probes_and_may_not_fix(self):
        broker = self.broker()
        board = self.daemon("board", broker, sections="[access]\nreader = nobody\nsender =")
        os.chmod(self.directory, 0o755)
        os.chmod(board.home, 0o755)
        os.chmod(board.socket, 0o666)
        script = (
            "import os,socket,sys,json\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            "f=s.makefile('rw')\n"
            "for p in ({}, {'fix': True}):\n"
            "    f.write(json.dumps({'jsonrpc':'2.0','id':1,'method':'doctor','params':p})+'\\n'); f.flush()\n"
            "    print(f.readline().strip())\n"
        )
        out = subprocess.run(
            ["python3", "-c", script, board.socket], capture_output=True, text=True, timeout=60, check=True
        ).stdout.splitlines()
        checks = json.loads(out[0])["result"]["checks"]
        self.assertIn("needs the role admin", next(c["text"] for c in checks if c["name"] == "broker"))
        self.assertFalse([c for c in checks if c["name"] in ("queue", "access")])
        self.assertTrue([c for c in checks if c["name"] == "keys"])
        self.assertEqual(json.loads(out[1])["error"]["code"], -32077)
        self.assertNotIn("-probe", broker.log)

    def test_full_queues_and_who_is_behind(self):
        broker = self.broker()
        board = self.daemon("board", broker, sections="[limits]\ninbox_messages = 2\noutbox_messages = 1")
        peer = self.daemon("peer", broker)
        self.succeeds(peer.tool("send", board.did, "one", "--wait", "delivered", timeout=120))
        self.says(board, "inbox", "ok")
        with board.control() as lamp:
            lamp.call("inbox.subscribe", consumer="lamp")
            self.succeeds(peer.tool("send", board.did, "two", "--wait", "delivered", timeout=120))
            self.says(board, "inbox", "fail", "consumer lamp is behind; it is full", "--consumer lamp --ack")
            lamp.call("inbox.ack", consumer="lamp", seq=board.inbox()[-1]["seq"])
            self.says(board, "inbox", "ok", "all of it read")
        other = peer.did
        peer.stop()
        self.succeeds(board.tool("send", other, "hello"))
        self.says(board, "outbox", "fail", "1 of 1 messages.*full", "outbox_messages")

    def test_two_doctors_at_once(self):
        listener = socket.create_server(("127.0.0.1", 0))  # accepts and says nothing
        self.addCleanup(listener.close)
        board = self.daemon("board", None, url=f"mqtt://127.0.0.1:{listener.getsockname()[1]}")
        with board.control() as first:
            first.send_line(b'{"jsonrpc":"2.0","id":7,"method":"doctor"}')
            eventually(lambda: board.tool("doctor").code == 75, what="the second doctor's refusal")
        # The first client is gone, and so is its doctor.
        eventually(lambda: board.tool("doctor", timeout=60).code == 2, what="another doctor")

    def test_an_acl_that_denies_our_own_inbox(self):
        acl = self.directory / "acl"
        acl.write_text("pattern readwrite dim/v1/+/meta\npattern readwrite dim/v1/+/visa\npattern readwrite dim/v1/+/state\n")
        broker = self.broker(lines=[f"acl_file {acl}"])
        board = self.daemon("board", broker)
        self.connected(board)
        topic = f"dim/v1/{address_of(board.did)}/in"
        self.says(board, "access", "fail", topic + ".*not (authori[sz]ed|be)", f"topic readwrite {topic}")
        self.assertNotIn("queue", [check["name"] for check in self.examined(board)["checks"]])

        # Writing is permitted, reading is not: the broker grants the subscription all the same.
        acl.write_text(acl.read_text() + "pattern write dim/v1/+/in\n")
        broker.restart()
        eventually(lambda: "did not come back" in self.line(board, "access")["text"], what="the missing echo")

        acl.write_text(acl.read_text() + "pattern readwrite dim/v1/+/in\n")
        broker.restart()
        self.connected(board)
        self.says(board, "queue", "ok", "100 of 100")

    def test_the_sample_rights_are_enough(self):
        state, passwords, word = (self.directory / name for name in ("made", "passwords", "word"))
        made = self.succeeds(tool("--state", str(state), "id", "new", "board"))
        word.write_text("sesame\n")
        word.chmod(0o600)
        address = address_of(made.out.strip())
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), address, "sesame"], check=True, capture_output=True)
        acl = TOP / "config/mosquitto/culver.acl"
        broker = self.broker(lines=["allow_anonymous false", f"password_file {passwords}", f"acl_file {acl}"])
        board = self.daemon(
            "board", broker, broker_lines=["username = {address}", f"password_file = {word}"], begin=False
        )
        state.rename(board.state)
        board.start()
        self.connected(board)
        self.says(board, "access", "ok")
        self.says(board, "queue", "ok", "100 of 100")

    def test_a_broker_that_keeps_no_retained_messages(self):
        broker = self.broker(lines=["retain_available false"])
        board = self.daemon("board", broker)
        eventually(lambda: board.call("status")["brokers"][0]["state"] == "connected", what="the link without a will")
        self.says(board, "broker", "ok")
        self.says(board, "grants", "warn", "none that are retained", "retain_available true")
        self.says(board, "directory", "warn", "/meta", "give your card")

    def test_a_retained_message_on_our_inbox_counts_once_and_is_told(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker), self.daemon("peer", broker)
        self.connected(board)
        topic = f"dim/v1/{address_of(board.did)}/in"
        heard = []
        spy = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="spy")
        spy.on_connect = lambda *_: spy.subscribe(topic, qos=1)
        spy.on_subscribe = lambda *_: heard.append(None)
        spy.on_message = lambda _, __, message: heard.append(message.payload)
        spy.connect("127.0.0.1", broker.port)
        spy.loop_start()
        self.addCleanup(spy.loop_stop)
        eventually(lambda: heard, what="the subscription of the spy")
        self.succeeds(peer.tool("send", board.did, "first", "--wait", "delivered", timeout=120))
        eventually(lambda: len(heard) > 1, what="the message at the spy")
        board.stop()
        spy.publish(topic, heard[1], qos=1, retain=True).wait_for_publish(10)
        board.start()
        self.says(board, "access", "warn", f"retained message stands on {topic}", f"mosquitto_pub .*-r -n -t {topic}")
        self.succeeds(peer.tool("send", board.did, "second", "--wait", "delivered", timeout=120))
        self.assertEqual(board.texts(), ["first", "second"])
        spy.publish(topic, b"", qos=1, retain=True).wait_for_publish(10)
        self.says(board, "access", "ok")

        # One that the board has not seen is taken with the flag, which amqtt sets on what it has kept for a client.
        board.stop()
        before = len(heard)
        self.succeeds(peer.tool("send", board.did, "third", "--wait", "published", timeout=120))
        wire = eventually(lambda: heard[before:], what="the third message at the spy")[0]
        peer.stop()
        broker.restart()  # its queue is gone
        eventually(spy.is_connected, what="the spy's connection")
        spy.publish(topic, wire, qos=1, retain=True).wait_for_publish(10)
        board.start()
        eventually(lambda: board.texts() == ["first", "second", "third"], what="the third message")

    def test_a_topic_root_that_not_all_brokers_take_as_it_is(self):
        broker = self.broker()
        board, peer = (self.daemon(name, broker, broker_lines=["topic_root = a.b/c"]) for name in ("board", "peer"))
        self.connected(board)
        self.says(board, "broker", "warn", r'topic_root: "a\.b/c" has a "\."', "topic_root = dim/v1")
        self.succeeds(peer.tool("send", board.did, "hello", "--wait", "delivered", timeout=120))
        checked = subprocess.run(
            [program("culverd"), "--config", str(board.configuration), "--check"], capture_output=True, text=True, timeout=30
        )
        self.assertEqual((checked.returncode, checked.stdout), (0, "the configuration is good\n"), checked)
        self.assertRegex(checked.stderr, r'\[broker\] topic_root: "a\.b/c" has a "\."')

    def test_a_short_queue(self):
        broker = self.broker()
        broker.stop()
        broker.configure(max_queued_messages="10")
        broker.start()
        board = self.daemon("board", broker)
        self.connected(board)
        self.says(board, "queue", "warn", "only about 10 messages", "max_queued_messages")

    def test_a_broker_that_forgets_sessions(self):
        broker = self.broker()
        proxy = Proxy(broker.port)
        self.addCleanup(proxy.close)
        board = self.daemon("board", None, url=f"mqtt://127.0.0.1:{proxy.port}")
        self.connected(board)
        self.says(board, "queue", "warn", "keeps nothing", "persistent_client_expiration")

    def test_a_broker_of_mqtt_3(self):
        broker = self.broker()
        proxy = Proxy(broker.port, old=True)
        self.addCleanup(proxy.close)
        board = self.daemon("board", None, url=f"mqtt://127.0.0.1:{proxy.port}")
        self.connected(board)
        self.says(board, "broker", "warn", "3.1.1.*prove nothing", "mosquitto")
        self.says(board, "queue", "ok", "100 of 100")
        last = [line for line in broker.log.splitlines() if "-doctor" in line][-2:]
        self.assertRegex(last[0], r"as culver-\w+-doctor \(p2, c1")

    def test_no_broker_and_no_such_host(self):
        board = self.daemon(
            "board", None, url=f"mqtt://127.0.0.1:{free_port()}",
            sections="[broker far]\nurl = mqtt://no.such.host.invalid:1883",
        )
        checks = [check for check in self.examined(board)["checks"] if check["name"] == "broker"]
        near, far = sorted(checks, key=lambda check: check["text"].startswith("far"))
        self.assertEqual((near["result"], far["result"]), ("fail", "fail"))
        self.assertRegex(near["text"], "default: .*refused")
        self.assertEqual(near["hint"], "systemctl start mosquitto")
        self.assertRegex(far["hint"], r"getent hosts no\.such\.host\.invalid")
        unencrypted = [check for check in self.examined(board)["checks"] if check["name"] == "encryption"]
        self.assertEqual(sorted(check["result"] for check in unencrypted), ["ok", "warn"])

    def test_a_wrong_password(self):
        passwords, word = self.directory / "passwords", self.directory / "word"
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "garden", "sesame"], check=True, capture_output=True)
        broker = self.broker(lines=["allow_anonymous false", f"password_file {passwords}"])
        word.write_text("mustard\n")
        word.chmod(0o644)
        board = self.daemon("board", broker, broker_lines=["username = garden", f"password_file = {word}"])
        self.says(board, "broker", "fail", "not authori[sz]ed|refuse", r"\[broker\] username = NAME")
        self.says(board, "configuration", "fail", str(word), f"^chmod 640 {word}$")
        self.examined(board, "--fix")
        self.assertEqual(word.stat().st_mode & 0o777, 0o640)
        self.says(board, "configuration", "ok")


    def test_certificates(self):
        authority, stranger = self.authority("authority"), self.authority("stranger")
        certificate = self.certificate(authority, "server", "IP:127.0.0.1", days=10)
        broker = self.broker(lines=self.tls_lines(certificate))
        url = broker.url.replace("mqtt:", "mqtts:")
        good = self.daemon("good", None, url=url, broker_lines=[f"ca_file = {authority[0]}"])
        self.connected(good)
        self.says(good, "encryption", "warn", "the broker's certificate is valid for (9|10) more days", "renew")

        wrong = self.daemon("wrong", None, url=url, broker_lines=[f"ca_file = {stranger[0]}"])
        self.says(wrong, "broker", "fail", "TLS: .*certificate", "ca_file = FILE")
        named = self.daemon(
            "named", None, url=url.replace("127.0.0.1", "localhost"), broker_lines=[f"ca_file = {authority[0]}"]
        )
        self.says(named, "broker", "fail", "is not for localhost", "url = mqtts://NAME")
        plain = self.daemon("plain", None, url=broker.url)
        self.says(plain, "broker", "fail", "before it answered", "mqtts://")


class Files(Story):
    """Without a daemon; each damaged once, and healed by `--fix` or by what the hint says."""

    def lines(self, result) -> list[dict]:
        return [check for check in result.json["checks"] if check["result"] != "ok"]

    def test_an_exposed_key_keeps_the_daemon_from_starting_and_fix_heals_it(self):
        board = self.daemon("board", None)
        address = address_of(board.did)
        state = str(board.state)
        board.stop()
        secret = board.state / "identities" / address / "secret.json"
        secret.chmod(0o644)
        board.launch()
        eventually(lambda: not board.alive, what="the end of a daemon with an exposed key")

        found = tool("--state", state, "doctor", "--json")
        self.assertEqual(found.code, 2)
        self.assertEqual([line["hint"] for line in self.lines(found)], [f"chmod 600 {secret}"])
        asked = tool("--config", str(board.configuration), "doctor")
        self.assertEqual(asked.code, 2, asked)
        self.assertIn(f"hint: chmod 600 {secret}", asked.out)
        self.assertIn("no daemon listens", asked.out)

        healed = self.succeeds(tool("--state", state, "doctor", "--fix"))
        self.assertIn(f"mended {secret}", healed.out)
        self.assertEqual(secret.stat().st_mode & 0o777, 0o600)
        self.succeeds(tool("--state", state, "doctor"))
        board.start()

    def test_a_running_daemon_fixes_its_own_files(self):
        board = self.daemon("board", None)
        visa_keys = board.state / "identities" / address_of(board.did) / "visa-keys"
        key = next(visa_keys.iterdir())
        key.chmod(0o640)
        board.state.chmod(0o755)
        found = board.tool("doctor", "--json", "--fix", timeout=150).json["checks"]
        texts = [check["text"] for check in found if check["name"] == "permissions"]
        self.assertEqual({check["result"] for check in found if check["name"] == "permissions"}, {"ok"})
        self.assertEqual(len(texts), 2)
        self.assertEqual((key.stat().st_mode & 0o777, board.state.stat().st_mode & 0o777), (0o600, 0o700))

    def test_a_state_directory_that_is_not_there(self):
        missing = self.directory / "nothing"
        found = tool("--state", str(missing), "doctor", "--json")
        self.assertEqual(found.code, 2)
        self.assertFalse(missing.exists())


if __name__ == "__main__":
    unittest.main()
