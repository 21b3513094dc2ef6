"""The tool as people and scripts use it: whole sessions of commands, with what they print and how they end.

From culver(1): results on stdout, words on stderr, `--json` on one line, and exit codes that a script can trust.
"""

import json
import pathlib
import subprocess
import unittest

from harness import Story, eventually, program, rows, tool

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
        self.assertEqual([row["content"]["text"] for row in third], ["three"])
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
