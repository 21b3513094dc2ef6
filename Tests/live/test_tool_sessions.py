"""The tool as people and scripts use it: whole sessions of commands, with what they print and how they end.

From culver(1): results on stdout, words on stderr, `--json` on one line, and exit codes that a script can trust.
"""

import json
import os
import pathlib
import pty
import re
import signal
import sqlite3
import subprocess
import unittest

from harness import Result, Story, end, eventually, program, rows, start, tool

HASTE = "[delivery]\nreceipt_timeout = 2s"
HULK = "hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj"
MISTYPED = "hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEk"
USAGE, DATA, NO_INPUT, UNKNOWN, NO_DAEMON, EXISTS, NOT_NOW, ENDED, IO = 64, 65, 66, 67, 69, 73, 75, 76, 74


class OneBoard(Story):
    """A board whose broker is away."""

    def setUp(self):
        super().setUp()
        self.board = self.daemon("board", None, url="mqtt://127.0.0.1:9")

    def test_a_person_looks_around(self):
        for arguments in ([], ["status"]):
            status = self.succeeds(self.board.tool(*arguments))
            self.assertIn(self.board.did, status.out)
        status = self.succeeds(self.board.tool("status", "--json"))
        self.assertEqual(len(status.out.splitlines()), 1)
        self.assertIsInstance(status.json, dict)
        # Options stand before or after the verb.
        self.assertIsInstance(self.succeeds(self.board.tool("--json", "status")).json, dict)
        self.assertIsInstance(self.succeeds(tool("status", "--socket", self.board.socket, "--json")).json, dict)
        self.assertEqual(self.succeeds(self.board.tool("inbox", "--json")).lines, [])

    def test_the_brokers_are_those_of_the_status(self):
        status = self.succeeds(self.board.tool("status", "--json")).json
        listed = self.succeeds(self.board.tool("broker", "list", "--json")).json
        self.assertEqual([row["name"] for row in listed["brokers"]], [row["name"] for row in status["brokers"]])
        self.assertIn("mqtt://127.0.0.1:9", self.succeeds(self.board.tool("broker", "list")).out)

    def test_a_closed_stream_is_an_error_and_not_the_socket(self):
        for closing, arguments in (("<&-", ("send", HULK, "-")), (">&-", ("id", "list"))):
            run = ["sh", "-c", f'exec "$@" {closing}', "sh", program("culver"), "--socket", self.board.socket, *arguments]
            self.assertEqual(subprocess.run(run, capture_output=True, timeout=60).returncode, IO)

    def test_who_sends_before_the_first_identity_is_there_may_try_again(self):
        # How often the new board says so depends on the machine; that nobody is unknown to it does not.
        board = self.daemon("newborn", None, url="mqtt://127.0.0.1:9", begin=False)
        board.launch()
        eventually(lambda: pathlib.Path(board.socket).exists(), what="the socket")
        while (sent := board.tool("send", HULK, "hello")).code != 0:
            self.assertEqual(sent.code, NOT_NOW, sent.err)
            self.assertIn("hint: try again", sent.err)
        self.assertEqual(len(sent.out.split()), 1)

    def test_identities_are_made_once(self):
        first = self.succeeds(self.board.tool("id", "new", "pump", "--json")).json
        self.assertEqual(first["name"], "pump")
        self.assertTrue(first["did"].startswith("pump@"))
        self.fails(EXISTS, self.board.tool("id", "new", "pump"))
        again = self.succeeds(self.board.tool("id", "new", "pump", "--ensure", "--json")).json
        self.assertEqual(again["did"], first["did"])
        self.assertIs(again["created"], False)
        fresh = self.succeeds(self.board.tool("id", "new", "valve", "--ensure", "--json")).json
        self.assertIsNot(fresh["created"], False)

        listed = rows(self.succeeds(self.board.tool("id", "list", "--json")).json)
        self.assertEqual({row["did"] for row in listed}, {self.board.did, first["did"], fresh["did"]})
        shown = self.succeeds(self.board.tool("id", "show", "pump"))
        self.assertIn(first["did"], shown.out)
        self.succeeds(self.board.tool("id", "default", "valve"))
        self.assertIn(fresh["did"], self.succeeds(self.board.tool("id", "show")).out)

        card = self.succeeds(self.board.tool("id", "show", "pump", "--card", "--json")).json
        self.assertEqual(card["did"], first["did"])
        self.assertEqual(card["meta"]["seed"], "pump")
        self.assertIn("signature", card["visa"])
        self.assertNotIn("PRIVATE", json.dumps(card))

    def test_an_identity_in_the_manner_of_2019(self):
        old = self.succeeds(self.board.tool("id", "new", "old", "--era", "2019", "--bits", "1024", "--json")).json
        self.assertTrue(old["did"].startswith("old@4"), old["did"])
        device = self.board.tool("id", "new", "thing", "--type", "device")
        self.assertNotEqual(device.code, 0, device)
        curve = self.succeeds(self.board.tool("id", "new", "curve", "--key", "ecc", "--json")).json
        self.assertEqual(curve["algorithm"], "ECC")

    def test_names_and_ids_that_are_wrong(self):
        self.fails(UNKNOWN, self.board.tool("send", "nobody", "hello"))
        self.fails(DATA, self.board.tool("send", MISTYPED, "hello"))
        self.fails(UNKNOWN, self.board.tool("id", "show", "nobody"))
        self.fails(UNKNOWN, self.board.tool("contact", "show", "nobody"))
        self.fails(DATA, self.board.tool("contact", "add", MISTYPED))
        self.fails(NO_INPUT, self.board.tool("contact", "add", "no-such-card.json"))
        self.fails(NO_INPUT, self.board.tool("message", "show", "0nosuchmessage"))
        failure = self.board.tool("--json", "send", "nobody", "hello")
        self.assertEqual(failure.code, UNKNOWN, failure)
        self.assertEqual(failure.json["error"]["code"], -32067)
        self.assertRegex(failure.json["error"]["data"]["reason"], r"\A[a-z]+(-[a-z]+)*\Z")

    def test_a_command_that_is_no_command(self):
        for arguments in (
            ["dance"],
            ["send"],
            ["id", "new"],
            ["id", "new", "a", "--type", "cactus"],
            ["inbox", "--no-such-option"],
            ["send", HULK, "text", "--timeout", "soon"],
        ):
            self.fails(USAGE, self.board.tool(*arguments))
        self.succeeds(self.board.tool("--help"))
        self.succeeds(self.board.tool("send", "--help"))
        self.assertIn("culver", self.succeeds(self.board.tool("--generate-completion-script", "bash")).out)

    def test_there_is_no_daemon(self):
        self.fails(NO_DAEMON, tool("--socket", str(self.directory / "none"), "status", home=self.directory))
        refused = tool("--socket", str(self.directory / "none"), "--json", "status", home=self.directory)
        self.assertEqual(refused.code, NO_DAEMON, refused)
        self.assertEqual(refused.json["error"]["code"], -32069)

    def test_arguments_that_are_not_utf8_are_refused(self):
        for arguments in ((b"gr\xfc\xdfe",), (b"one", b"--ref", b"r\xfc"), (b"two", b"--ref", b"r\xdf")):
            run = [program("culver"), "--socket", self.board.socket, "send", HULK, *arguments]
            done = subprocess.run(run, capture_output=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (DATA, b""), done.stderr)
        self.assertEqual(rows(self.board.call("message.list")), [])

    def test_arguments_are_there_whatever_a_preloaded_library_did(self):
        source, library = self.directory / "early.c", self.directory / "early.so"
        source.write_text("""
            #include <stdlib.h>
            __attribute__((constructor)) static void early(void) { setenv("SET_BEFORE_MAIN", "1", 1); }
            """)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        for name, words in (("culver", "[0-9]"), ("culverd", "culverd [0-9]")):
            done = subprocess.run(
                [program(name), "--version"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                env={**os.environ, "LD_PRELOAD": str(library), "CULVER_SOCKET": "/nowhere"})
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, words)

    def test_keys_are_not_shown_on_a_terminal(self):
        reading, writing = pty.openpty()
        self.addCleanup(os.close, reading)
        run = [program("culver"), "--socket", self.board.socket, "id", "export", "board", "-"]
        done = subprocess.run(run, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
        os.close(writing)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("hint: ", done.stderr)
        self.assertIn("PRIVATE", self.succeeds(self.board.tool("id", "export", "board", "-")).out)

    def test_what_this_version_does_not_do_is_refused_or_told(self):
        for receiver in ("everyone@everywhere", "anyone@anywhere"):
            self.assertIn("everybody", self.fails(DATA, self.board.tool("send", receiver, "hello", "--receipt", "signed")).err)
        for kind in ("group", "device"):
            self.fails(DATA, self.board.tool("id", "new", "thing", "--type", kind))
        text = self.board.configuration.read_text() + f"[call gate]\nallow = {HULK}\nexec = /bin/true\n[keys]\nrotate = 1d\n"
        self.board.configuration.write_text(text)
        checked = subprocess.run(
            [program("culverd"), "--check", "--config", self.board.configuration], capture_output=True, text=True, timeout=30)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.board.process.send_signal(signal.SIGHUP)
        for words in ("[keys] rotate: this version",):
            self.assertIn(words, checked.stderr)
            eventually(lambda: self.board.log.count(words) == 1, what="the word at a reload")
        self.board.stop()
        self.board.start()
        eventually(lambda: self.board.log.count("[keys] rotate: this version") == 2, what="the word at the start")

    def test_states_are_listed(self):
        self.succeeds(self.board.tool("send", HULK, "first"))
        gone = self.succeeds(self.board.tool("send", HULK, "second")).out.strip()
        self.succeeds(self.board.tool("message", "cancel", gone))

        def listed(*arguments: str) -> list[str]:
            return [row["state"] for row in rows(self.succeeds(self.board.tool(*arguments, "--json")).json)]

        self.assertEqual(listed("message", "list", "--state", "waiting"), ["waiting"])
        self.assertEqual(listed("--state", "cancelled", "message", "list"), ["cancelled"])
        self.assertEqual(listed("message", "list", "--state=delivered"), [])
        self.assertIn("waiting, queued", self.fails(USAGE, self.board.tool("message", "list", "--state", "/var/lib")).err)

    def test_contacts_are_named_renamed_and_blocked(self):
        self.succeeds(self.board.tool("contact", "add", HULK, "--name", "green"))
        self.assertIn(HULK, self.succeeds(self.board.tool("contact", "show", "green")).out)
        self.succeeds(self.board.tool("contact", "rename", "green", "angry"))
        self.fails(UNKNOWN, self.board.tool("contact", "show", "green"))
        listed = rows(self.succeeds(self.board.tool("contact", "list", "--json")).json)
        self.assertEqual([(row["did"], row["name"]) for row in listed], [(HULK, "angry")])
        self.succeeds(self.board.tool("contact", "block", "angry"))
        self.succeeds(self.board.tool("contact", "unblock", "angry"))
        self.succeeds(self.board.tool("contact", "remove", "angry"))
        self.assertEqual(rows(self.succeeds(self.board.tool("contact", "list", "--json")).json), [])

    def test_a_broker_that_is_away_is_no_error_of_send(self):
        sent = self.succeeds(self.board.tool("send", HULK, "later"))
        message = sent.out.strip()
        listed = rows(self.succeeds(self.board.tool("message", "list", "--json")).json)
        self.assertEqual([(row["id"], row["state"]) for row in listed], [(message, "waiting")])
        late = self.board.tool("send", HULK, "wait for it", "--wait", "published", "--timeout", "1s")
        self.assertEqual(late.code, NOT_NOW, late)
        self.succeeds(self.board.tool("message", "cancel", message))
        ended = self.board.tool("message", "wait", message)
        self.assertEqual(ended.code, ENDED, ended)
        shown = self.succeeds(self.board.tool("message", "show", message, "--json")).json
        self.assertEqual(shown["state"], "cancelled")

    def test_the_same_reference_sends_once(self):
        first = self.succeeds(self.board.tool("send", HULK, "once", "--ref", "r1", "--json")).json
        again = self.succeeds(self.board.tool("send", HULK, "once", "--ref", "r1", "--json")).json
        self.assertEqual((again["id"], again["sn"]), (first["id"], first["sn"]))
        self.assertIs(again["repeat"], True)
        self.assertNotIn("repeat", first)
        other = self.board.tool("send", HULK, "something else", "--ref", "r1")
        self.assertNotEqual(other.code, 0, other)
        self.assertEqual(len(rows(self.succeeds(self.board.tool("message", "list", "--json")).json)), 1)

    def test_everything_is_there_after_a_restart(self):
        self.succeeds(self.board.tool("id", "new", "pump"))
        self.succeeds(self.board.tool("contact", "add", HULK, "--name", "hulk"))
        message = self.succeeds(self.board.tool("send", "hulk", "later")).out.strip()
        before = self.succeeds(self.board.tool("id", "list", "--json")).json
        self.assertEqual(self.board.stop(), 0)
        self.board.start()
        self.assertEqual(self.succeeds(self.board.tool("id", "list", "--json")).json, before)
        self.assertEqual(self.succeeds(self.board.tool("message", "show", message, "--json")).json["receiver"], HULK)
        self.assertIn(HULK, self.succeeds(self.board.tool("contact", "show", "hulk")).out)

    def test_the_files_are_not_touched_while_a_daemon_holds_them(self):
        locked = self.fails(NOT_NOW, tool("--state", str(self.board.state), "id", "new", "thief", home=self.directory))
        self.assertIn("lock", locked.err + locked.out)

    def test_the_daemon_checks_its_configuration(self):
        def checked(text: str) -> subprocess.CompletedProcess:
            file = self.directory / "try.conf"
            file.write_text(text)
            return subprocess.run(
                [program("culverd"), "--config", str(file), "--check"], capture_output=True, text=True, timeout=30
            )

        good = checked(self.board.configuration.read_text())
        self.assertEqual(good.returncode, 0, good.stderr)
        for text, words in (
            ("[agent]\nstrangers = perhaps\n", ["try.conf", "2", "strangers"]),
            ("[agent]\nlog = info\nlog = debug\n", ["try.conf", "3", "log"]),
            ("[agent]\ncolour = green\n", ["try.conf", "2", "colour"]),
            ("[garden]\nlog = info\n", ["try.conf", "garden"]),
            ("[garden]\n", ["try.conf", "1", "garden"]),
            ("log = info\n", ["try.conf", "1"]),
            ("[broker]\nurl = http://example.org\n", ["try.conf", "2", "url"]),
            ("[agent]\nlog = " + "x" * 3000 + "\n", ["try.conf", "2"]),
        ):
            bad = checked(text)
            self.assertEqual(bad.returncode, 78, (text[:80], bad.stderr))
            for word in words:
                self.assertIn(word, bad.stderr, text[:80])


class FullInbox(Story):
    """A board in whose inbox ten thousand messages lie."""

    COUNT = 10_000

    def setUp(self):
        super().setUp()
        self.board = self.daemon("board", None, url="mqtt://127.0.0.1:9")
        did = self.board.did
        self.assertEqual(self.board.stop(), 0)
        with sqlite3.connect(self.board.state / "messages.sqlite") as database:
            database.executemany(
                "INSERT INTO inbox (id, sn, sender, receiver, time, received, type, sealed, encrypted, trust, size, content)"
                " VALUES (?, ?, ?, ?, 0, 0, 1, 1, 1, 'contact', 30, ?)",
                [
                    (f"{number:016}", number, did, did, json.dumps({"type": 1, "text": f"{number}"}))
                    for number in range(1, self.COUNT + 1)
                ],
            )
        database.close()
        self.board.start()

    def test_a_program_takes_them_with_a_window_and_acknowledges_by_ranges(self):
        window, last, acknowledged, again, calls = 256, 0, 0, 0, 0
        for stop in (4_321, self.COUNT):
            with self.board.control() as client:
                client.call("inbox.subscribe", consumer="reader", window=window)
                expected = acknowledged + 1
                while last < stop:
                    message = client.notified("inbox.message")
                    # In order, none left out, and only what was not acknowledged a second time.
                    self.assertEqual(message["seq"], expected)
                    self.assertEqual(message["content"]["text"], f"{expected}")
                    self.assertLessEqual(expected - acknowledged, window)
                    expected += 1
                    if message["seq"] <= last:
                        self.assertTrue(message["again"])
                        again += 1
                        continue
                    last = message["seq"]
                    if last - acknowledged == window - 56:
                        calls += 1
                        acknowledged = client.call("inbox.ack", consumer="reader", seq=last)["cursor"]
                        self.assertEqual(acknowledged, last)
            if stop < self.COUNT:
                self.board.kill()
                self.board.start()
        self.assertLess(again, window)
        self.assertLessEqual(calls, self.COUNT // 200)
        reader = rows(self.board.call("inbox.consumers"))[0]
        self.assertEqual((reader["cursor"], reader["pending"]), (acknowledged, self.COUNT - acknowledged))

    def test_the_tool_prints_each_of_them_once_though_the_daemon_is_killed(self):
        options = ("--consumer", "reader", "--ack", "--json", "--count", str(self.COUNT), "--timeout", "120s")
        reading = start(
            [program("culver"), "--socket", self.board.socket, "inbox", *options], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        for stream in (reading.stdout, reading.stderr):
            self.addCleanup(stream.close)
        self.addCleanup(end, reading, signal.SIGKILL)
        seqs = []
        for line in reading.stdout:
            seqs.append(json.loads(line)["seq"])
            if len(seqs) == self.COUNT // 3:
                self.board.kill()
                self.board.start()
        self.assertEqual(reading.wait(60), 0, reading.stderr.read())
        self.assertEqual(seqs, list(range(1, self.COUNT + 1)))
        reader = rows(self.board.call("inbox.consumers"))[0]
        self.assertEqual((reader["cursor"], reader["pending"]), (self.COUNT, 0))


class OwnDaemon(Story):
    """`culverd --user` and `culver` in one environment, with and without a session of systemd's."""

    def run_tool(self, *arguments: str, **variables: str) -> Result:
        command = [program("culver"), *arguments]
        done = subprocess.run(command, capture_output=True, timeout=60, env=self.environment(**variables))
        return Result(command, done.returncode, done.stdout, done.stderr)

    def environment(self, **variables: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.directory), "CULVER_BROKER_URL": "mqtt://127.0.0.1:9", **variables}

    def launch(self, **variables: str) -> subprocess.Popen:
        log = open(self.directory / "log", "ab")
        daemon = start([program("culverd"), "--user"], env=self.environment(**variables), stdout=log, stderr=log)
        log.close()
        self.addCleanup(end, daemon)
        return daemon

    def test_the_tool_looks_where_the_daemon_listens(self):
        runtime = str(self.directory / "r")
        for daemons, tools in (({}, {}), ({}, {"XDG_RUNTIME_DIR": runtime}), ({"XDG_RUNTIME_DIR": runtime},) * 2):
            daemon = self.launch(**daemons)
            eventually(lambda: self.run_tool("id", "list", **tools).out, what="an answer")
            self.assertEqual(end(daemon), 0)
            # It is away, and the system's is not meant.
            away = self.fails(NO_DAEMON, self.run_tool("id", "list", **tools))
            self.assertNotIn("no daemon listens on /run/culver", away.err)
            self.assertIn("/run/culver/culver.sock is the system's", away.err)

    def test_on_a_terminal_the_log_has_times_and_no_priorities(self):
        reading, writing = pty.openpty()
        daemon = start([program("culverd"), "--user"], env=self.environment(), stdin=subprocess.DEVNULL, stdout=writing, stderr=writing)
        self.addCleanup(end, daemon)
        self.addCleanup(os.close, reading)
        os.close(writing)
        shown = ""
        while "is ready" not in shown:
            shown += os.read(reading, 4096).decode()
        self.assertRegex(shown, r"(?m)^\d\d:\d\d:\d\d .*culverd \S+ is ready")
        self.assertNotRegex(shown, r"<\d>")


class TwoBoardsByHand(Story):
    def boards(self, strangers: str):
        self.mosquitto = self.broker()
        left = self.daemon("left", self.mosquitto, sections=HASTE)
        right = self.daemon("right", self.mosquitto, strangers=strangers, sections=HASTE)
        return left, right

    def test_a_stranger_asks_and_is_accepted(self):
        left, right = self.boards("ask")
        message = self.succeeds(left.tool("send", right.did, "may I?")).out.strip()
        eventually(lambda: rows(right.call("contact.requests")), what="the request")
        requests = self.succeeds(right.tool("contact", "requests", "--json")).json
        self.assertEqual([row["did"] for row in rows(requests)], [left.did])
        self.assertEqual(right.texts(), [])
        self.assertNotEqual(left.message(message)["state"], "delivered")
        self.succeeds(right.tool("contact", "accept", left.did))
        self.succeeds(left.tool("message", "wait", message))
        self.assertEqual(left.message(message)["state"], "delivered")
        self.assertEqual(right.texts(), ["may I?"])
        self.assertEqual(rows(right.call("contact.requests")), [])
        self.assertIn(left.did, self.succeeds(right.tool("contact", "list")).out)

    def test_a_stranger_is_refused_and_may_ask_again(self):
        left, right = self.boards("ask")
        first = self.succeeds(left.tool("send", right.did, "may I?")).out.strip()
        eventually(lambda: rows(right.call("contact.requests")), what="the request")
        self.succeeds(right.tool("contact", "refuse", left.did))
        self.assertEqual(right.texts(), [])
        self.succeeds(left.tool("send", right.did, "please?"))
        eventually(lambda: rows(right.call("contact.requests")), what="the second request")
        self.succeeds(right.tool("contact", "accept", left.did))
        eventually(lambda: "please?" in right.texts(), what="the second message")
        self.assertIn(left.message(first)["state"], ("published", "delivered"))

    def test_the_closed_board_hears_only_its_contacts(self):
        left, right = self.boards("closed")
        self.succeeds(left.tool("send", right.did, "unheard"))
        known = self.daemon("known", self.mosquitto, sections=HASTE)
        self.succeeds(right.tool("contact", "add", known.did))
        self.succeeds(known.tool("send", right.did, "heard", "--wait", "delivered"))
        self.assertEqual(right.texts(), ["heard"])
        self.assertEqual(rows(right.call("contact.requests")), [])

    def test_a_blocked_contact_is_not_heard(self):
        left, right = self.boards("open")
        self.succeeds(left.tool("send", right.did, "one", "--wait", "delivered"))
        self.succeeds(right.tool("contact", "block", left.did))
        late = left.tool("send", right.did, "two", "--wait", "delivered", "--timeout", "3s")
        self.assertEqual(late.code, NOT_NOW, late)
        silent = late.out.strip()  # accepted all the same
        self.assertEqual(right.texts(), ["one"])
        self.succeeds(right.tool("contact", "unblock", left.did))
        left.reaches(silent, "delivered")
        self.assertEqual(right.texts(), ["one", "two"])

    def test_a_consumer_gets_again_what_it_did_not_acknowledge(self):
        left, right = self.boards("open")
        for text in ("one", "two", "three"):
            self.succeeds(left.tool("send", right.did, text, "--wait", "delivered"))

        def take(*options: str) -> list[dict]:
            got = right.tool("inbox", "--consumer", "log", "--timeout", "3s", "--json", *options)
            self.assertIn(got.code, (0, NOT_NOW), got)
            return [line for line in got.lines if "error" not in line]

        first = take("--count", "2")  # looks, and does not acknowledge
        self.assertEqual([row["content"]["text"] for row in first], ["one", "two"])
        second = take("--count", "2", "--ack")
        self.assertEqual([(row["seq"], row["again"]) for row in second], [(row["seq"], True) for row in first])
        third = take("--count", "1", "--ack")
        self.assertEqual([(row["content"]["text"], row.get("again")) for row in third], [("three", None)])
        self.assertEqual(take("--count", "1"), [])

        listed = rows(self.succeeds(right.tool("consumer", "list", "--json")).json)
        self.assertEqual([row.get("consumer", row.get("name")) for row in listed], ["log"])
        self.succeeds(right.tool("consumer", "seek", "log", str(first[1]["seq"])))
        self.assertIn("three", [row["content"]["text"] for row in take("--count", "3", "--ack")])
        self.succeeds(right.tool("consumer", "forget", "log"))
        self.fails(UNKNOWN, right.tool("consumer", "forget", "log"))
        # `inbox` shows and changes nothing.
        for _ in range(2):
            shown = self.succeeds(right.tool("inbox")).out
            for text in ("one", "two", "three"):
                self.assertIn(text, shown)

    def test_only_what_was_shown_comes_again(self):
        left, right = self.boards("open")
        for text in ("one", "two", "three"):
            self.succeeds(left.tool("send", right.did, text, "--wait", "delivered"))

        def take(name: str, *options: str) -> list[tuple]:
            got = right.tool("inbox", "--consumer", name, "--json", *options)
            return [(row["content"]["text"], row.get("again")) for row in got.lines if "error" not in row]

        for text in ("one", "two", "three"):
            self.assertEqual(take("step", "--count", "1", "--ack"), [(text, None)])
        # A command that fails has seen one message, and no other.
        self.assertEqual(right.tool("inbox", "--consumer", "run", "--exec", "exit 9").code, 9)
        self.assertEqual(take("run", "--ack"), [("one", True), ("two", None), ("three", None)])

    def test_a_name_that_is_mistyped_before_a_right_address(self):
        left, right = self.boards("open")
        address = right.did.split("@")[1]
        wrong = left.tool("send", f"Right@{address}", "one", "--wait", "delivered")
        self.assertEqual(wrong.code, ENDED, wrong)
        self.assertIn("wrong-name", wrong.err)
        self.succeeds(left.tool("send", address, "two", "--wait", "delivered"))
        self.assertEqual(right.texts(), ["two"])
        # Now that its meta is known it is refused at once.
        self.assertIn(right.did, self.fails(DATA, left.tool("send", f"Right@{address}", "three")).err)

    def test_an_address_alone_is_enough(self):
        left, right = self.boards("open")
        self.succeeds(left.tool("send", right.did.split("@")[1], "hello", "--wait", "delivered"))
        self.assertEqual([row["did"] for row in rows(left.call("contact.list"))], [right.did])

    def test_what_is_delivered_cannot_be_cancelled(self):
        left, right = self.boards("open")
        sent = left.tool("send", right.did, "one", "--wait", "delivered").out.strip()
        self.assertIn("delivered", self.fails(EXISTS, left.tool("message", "cancel", sent)).err)

    def begin(self, board, *arguments: str, **options) -> subprocess.Popen:
        process = start(
            [program("culver"), "--socket", board.socket, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, **options)
        for stream in (process.stdout, process.stderr):
            self.addCleanup(stream.close)
        self.addCleanup(end, process, signal.SIGKILL)
        return process

    def test_a_wait_goes_on_across_a_restart(self):
        left, right = self.boards("open")
        self.succeeds(left.tool("send", right.did, "first", "--wait", "delivered"))
        right.stop()
        for ending in (left.stop, left.kill):
            waiting = self.begin(left, "send", right.did, "pump on", "--wait", "delivered", "--timeout", "90s")
            sent = waiting.stdout.readline().strip()
            ending()
            left.start()
            self.assertIsNone(waiting.poll())
            self.assertIn(left.message(sent)["state"], ("queued", "published"))
        right.start()
        self.assertEqual(waiting.wait(90), 0, waiting.stderr.read())
        eventually(lambda: len(right.texts()) == 3, what="all of them")
        self.assertEqual(sorted(right.texts()), ["first", "pump on", "pump on"])

    def test_lines_go_on_after_a_kill_and_each_goes_once(self):
        left, right = self.boards("open")
        self.succeeds(left.tool("send", right.did, "first", "--wait", "delivered"))
        sending = self.begin(left, "send", right.did, "--lines", stdin=subprocess.PIPE)
        texts, ids = [f"line {number}" for number in range(30)], []
        for number, text in enumerate(texts):
            sending.stdin.write(text + "\n")
            sending.stdin.flush()
            if number % 10 == 5:
                left.kill()
                left.start()
            ids.append(sending.stdout.readline().strip())
        sending.stdin.close()
        self.assertEqual(sending.wait(60), 0, sending.stderr.read())
        self.assertEqual(len(set(ids)), len(texts))
        for identifier in ids:
            left.reaches(identifier, "delivered")
        self.assertEqual(sorted(right.texts()), sorted(["first", *texts]))

    def test_of_many_lines_none_is_lost_or_doubled_by_kills(self):
        left, right = self.boards("open")
        self.succeeds(left.tool("send", right.did, "first", "--wait", "delivered"))
        texts = [f"line {number}" for number in range(5000)]
        source = left.home / "lines"
        source.write_text("\n".join(texts) + "\n")
        ids = []
        with open(source) as lines:
            sending = self.begin(left, "send", right.did, "--lines", stdin=lines)
            for line in sending.stdout:
                ids.append(line.strip())
                if len(ids) in (300, 2500, 4700):
                    left.kill()
                    left.start()
        self.assertEqual(sending.wait(60), 0, sending.stderr.read())
        self.assertEqual(len(set(ids)), len(texts))
        eventually(lambda: right.call("status")["inbox"]["count"] > len(texts), 300, "all of them")
        eventually(lambda: not any(left.call("status")["outbox"][state] for state in ("waiting", "queued", "published")), 300, "all receipts")
        self.assertEqual(sorted(right.texts()), sorted(["first", *texts]))

    def test_who_follows_goes_on_after_a_restart(self):
        left, right = self.boards("open")
        follower = self.begin(right, "inbox", "--consumer", "log", "--follow", "--ack", "--json")
        watcher = self.begin(right, "watch", "--kind", "start", "--json")
        self.succeeds(left.tool("send", right.did, "one", "--wait", "delivered"))
        self.assertEqual(json.loads(follower.stdout.readline())["content"]["text"], "one")
        for text, ending in (("two", right.stop), ("three", right.kill)):
            ending()
            right.start()
            self.succeeds(left.tool("send", right.did, text, "--wait", "delivered"))
            self.assertEqual(json.loads(follower.stdout.readline())["content"]["text"], text)
        self.assertIsNone(watcher.poll())
        self.assertIsNone(follower.poll())

    def test_a_consumer_that_dies_and_one_that_is_taken_over(self):
        left, right = self.boards("open")
        self.succeeds(left.tool("send", right.did, "one", "--wait", "delivered"))
        first = right.control()
        first.call("inbox.subscribe", consumer="worker")
        arrival = first.notified("inbox.message")
        self.assertEqual(arrival["content"]["text"], "one")
        self.assertNotIn("again", {name for name, value in arrival.items() if value})
        second = right.control()
        second.call("inbox.subscribe", consumer="worker")
        first.notified("inbox.closed")
        again = second.notified("inbox.message")
        self.assertEqual((again["seq"], again["again"]), (arrival["seq"], True))
        second.close()  # without acknowledging: as if it had died
        self.assertEqual(right.stop(), 0)
        right.start()
        with right.control() as third:
            third.call("inbox.subscribe", consumer="worker")
            again = third.notified("inbox.message")
            self.assertEqual((again["seq"], again["again"]), (arrival["seq"], True))
            third.call("inbox.ack", consumer="worker", seq=again["seq"])
            self.succeeds(left.tool("send", right.did, "two", "--wait", "delivered"))
            self.assertEqual(third.notified("inbox.message")["content"]["text"], "two")
        first.close()

    def test_a_program_runs_for_each_message(self):
        left, right = self.boards("open")
        self.succeeds(left.tool("send", right.did, "run", "--wait", "delivered"))
        out = right.home / "out"
        done = right.tool("inbox", "--consumer", "runner", "--count", "1", "--timeout", "10s", "--exec", f"cat > {out}")
        self.succeeds(done)
        self.assertIn("run", pathlib.Path(out).read_text())
        with right.control() as client:
            client.call("inbox.subscribe", consumer="runner")
            with self.assertRaises(AssertionError):
                client.notified("inbox.message", patience=1)

    def test_what_happened_is_told(self):
        left, right = self.boards("open")
        with right.control() as watcher:
            watcher.call("event.subscribe")
            self.succeeds(left.tool("send", right.did, "hello", "--wait", "delivered"))
        log = self.succeeds(right.tool("log", "--json")).lines
        self.assertIn("start", {event["kind"] for event in log})
        for event in log:
            self.assertLessEqual({"n", "time", "kind", "level", "text"}, set(event))

    def test_a_message_is_watched_to_its_end(self):
        left, right = self.boards("open")
        with left.control() as client:
            sent = client.call("message.send", to=right.did, text="watch me")
            state = client.notified("message.state", id=sent["id"], state="delivered")
            self.assertEqual(state["id"], sent["id"])
        waited = self.succeeds(left.tool("send", right.did, "and me", "--wait", "delivered", "--json")).lines
        self.assertEqual(waited[-1]["state"], "delivered")


if __name__ == "__main__":
    unittest.main()
