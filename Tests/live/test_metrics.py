"""What the daemon counts: the text is Prometheus' format, and its numbers are what happened.

From issue 4: "`metrics` in Prometheus text (counters for every loss-relevant event, per-peer lag, private-key operations,
broker state) and a textfile writer; `status` for people".
"""

import os
import pathlib
import re
import stat
import time
import unittest

from harness import Story, eventually

HASTE = "[delivery]\nreceipt_timeout = 2s"
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"')
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN")
ENDINGS = {"counter": [""], "gauge": [""], "summary": ["_sum", "_count"]}


def parsed(text: str) -> dict:
    """`{(name, frozenset of labels): number}`, or an error that names the line.

    Stricter than Prometheus: HELP and TYPE before every family, its samples together, every series once, no blanks that
    nobody needs, and the names that Prometheus' guide asks for.
    """
    assert text.endswith("\n") and not text.endswith("\n\n"), "one line end at the end"
    found, families, kind, family, helped = {}, set(), None, None, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, _, words = line[7:].partition(" ")
            assert NAME.fullmatch(name) and words and "\\" not in words, line
            assert name not in families, f"{name} begins twice"
            helped = name
        elif line.startswith("# TYPE "):
            family, _, kind = line[7:].partition(" ")
            assert family == helped and kind in ENDINGS, line
            assert (kind == "counter") == family.endswith("_total"), line
            families.add(family)
        else:
            name = NAME.match(line)
            assert name, line
            name = name.group()
            assert name in [family + ending for ending in ENDINGS[kind]], f"{line} is not of {family}"
            labels, rest = {}, line[len(name):]
            if rest.startswith("{"):
                inside, brace, rest = rest[1:].rpartition("}")
                assert brace and inside, line
                place = 0
                while place < len(inside):
                    label = LABEL.match(inside, place)
                    assert label, line
                    value = re.sub(r"\\(.)", lambda escape: {"n": "\n"}.get(escape[1], escape[1]), label[2])
                    assert label[1] not in labels and not label[1].startswith("__"), line
                    labels[label[1]] = value
                    place = label.end()
                    if place < len(inside):
                        assert inside[place] == "," and place + 1 < len(inside), line
                        place += 1
            assert rest[:1] == " " and NUMBER.fullmatch(rest[1:]), line
            series = (name, frozenset(labels.items()))
            assert series not in found, f"{line} stands twice"
            found[series] = float(rest[1:])
            assert kind != "counter" or found[series] >= 0, line
    return found


class Metrics(Story):
    def metrics(self, board) -> dict:
        return parsed(board.call("metrics")["text"])

    def value(self, board, name: str, **labels) -> float:
        series = (name, frozenset((key.rstrip("_"), value) for key, value in labels.items()))
        found = self.metrics(board)
        self.assertIn(series, found, [key for key in found if key[0] == name])
        return found[series]

    def reaches(self, board, wanted: float, name: str, **labels) -> None:
        eventually(lambda: self.value(board, name, **labels) == wanted, what=f"{name}{labels} = {wanted}")

    def test_a_parser_that_takes_everything_would_show_nothing(self):
        good = '# HELP a_total b\n# TYPE a_total counter\na_total{x="\\"\\\\\\n",y="z"} 1\n'
        self.assertEqual(parsed(good), {("a_total", frozenset([("x", '"\\\n'), ("y", "z")])): 1})
        for bad in [
            good[:-1], good + good, good + "b 1\n", good.replace("counter", "gauge"), good.replace(" 1\n", "\n"),
            good.replace(" 1\n", " one\n"), good.replace("# HELP", "#HELP"), good.replace('"z"', "z"),
            good.replace('"z"', '"a"b"'), good.replace(',y="z"', ',x="z"'), good.replace(',y="z"', ","),
            good + good.split("\n")[2] + "\n",
        ]:
            with self.assertRaises(AssertionError, msg=bad):
                parsed(bad)

    def test_messages_there_and_back_are_counted(self):
        broker = self.broker()
        left = self.daemon("left", broker, sections=HASTE)
        right = self.daemon("right", broker, sections=HASTE)
        for text in ("one", "two", "three"):
            self.succeeds(left.tool("send", right.did, text, "--ref", text, "--wait", "delivered"))
        self.succeeds(left.tool("send", right.did, "one", "--ref", "one"))
        for event in ("accepted", "sealed", "published", "delivered"):
            self.assertEqual(self.value(left, "culver_messages_total", event=event), 3, event)
        for event in ("expired", "failed", "cancelled"):
            self.assertEqual(self.value(left, "culver_messages_total", event=event), 0, event)
        self.assertEqual(self.value(left, "culver_acknowledgements_verified_total"), 3)
        self.assertEqual(self.value(left, "culver_receipts_verified_total"), 0)
        self.assertEqual(self.value(right, "culver_received_total", kind="new"), 3)
        self.assertEqual(self.value(right, "culver_acknowledgements_sent_total"), 3)
        self.assertEqual(self.value(right, "culver_receipts_sent_total"), 0)
        self.assertEqual(self.value(right, "culver_inbox_messages"), 3)
        self.assertEqual(self.value(right, "culver_inbox_unacknowledged"), 3)
        self.assertEqual(self.value(left, "culver_peer_sent_total", did=right.did), 3)
        self.assertEqual(self.value(left, "culver_peer_receipted_total", did=right.did), 3)
        self.assertEqual(self.value(left, "culver_peer_lag_seconds", did=right.did), 0)
        # One key for all three, so one decryption; a signature for each message and for each receipt at most.
        self.assertEqual(self.value(right, "culver_private_key_operations_total", kind="decrypt", for_="stranger"), 1)
        self.assertEqual(self.value(right, "culver_private_key_operations_total", kind="decrypt", for_="contact"), 0)
        self.assertGreaterEqual(self.value(left, "culver_private_key_operations_total", kind="sign", for_="own"), 3)
        self.assertEqual(self.value(left, "culver_broker_connected", broker="default"), 1)

        self.succeeds(right.tool("inbox", "--consumer", "lamp", "--count", "2", "--ack"))
        self.assertEqual(self.value(right, "culver_consumer_pending", consumer="lamp"), 1)
        self.assertEqual(self.value(right, "culver_inbox_unacknowledged"), 1)
        self.assertIn("1 unacknowledged, most by lamp", right.tool().out)

        right.stop()
        lost = self.succeeds(left.tool("send", right.did, "four")).out.strip()
        waiting = self.succeeds(left.tool("send", right.did, "five")).out.strip()
        self.assertEqual(self.value(left, "culver_peer_pending", did=right.did), 2)
        eventually(lambda: self.value(left, "culver_repeats_total") >= 1, what="a repeat")
        eventually(lambda: self.value(left, "culver_peer_lag_seconds", did=right.did) >= 1, what="a lag")
        self.succeeds(left.tool("message", "cancel", waiting))
        self.assertEqual(self.value(left, "culver_messages_total", event="cancelled"), 1)
        right.start()
        left.reaches(lost, "delivered")
        self.assertEqual(self.value(left, "culver_messages_total", event="delivered"), 4)
        self.assertEqual(self.value(left, "culver_peer_pending", did=right.did), 0)

    def test_a_broker_that_dies_is_counted(self):
        broker = self.broker()
        left, right = (self.daemon(name, broker, sections=HASTE) for name in ("left", "right"))
        for board in (left, right):
            self.reaches(board, 1, "culver_broker_connected", broker="default")
        self.assertEqual(self.value(left, "culver_broker_connections_total", broker="default"), 1)
        broker.kill()
        self.reaches(left, 0, "culver_broker_connected", broker="default")
        self.assertEqual(self.value(left, "culver_broker_losses_total", broker="default", kind="lost"), 1)
        self.assertRegex(left.tool("status").out, r"last problem +\S+ ago: .*broker default")
        sent = self.succeeds(left.tool("send", right.did, "hello")).out.strip()
        self.assertEqual(self.value(left, "culver_messages_total", event="accepted"), 1)
        self.assertEqual(self.value(left, "culver_messages_total", event="published"), 0)
        broker.start()
        left.reaches(sent, "delivered")
        self.assertEqual(self.value(left, "culver_broker_connected", broker="default"), 1)
        self.assertEqual(self.value(left, "culver_broker_connections_total", broker="default"), 2)
        self.assertGreaterEqual(self.value(left, "culver_broker_published_total", broker="default", answer="taken"), 1)
        self.assertGreaterEqual(self.value(left, "culver_events_total", kind="broker"), 3)
        # It is over, and the log still has it.
        self.assertNotIn("last problem", left.tool("status").out)
        self.assertRegex(left.tool("log", "--kind", "broker").out, "lost broker default")

    def test_strangers_requests_and_refusals_are_counted(self):
        broker = self.broker()
        left = self.daemon("left", broker, sections=HASTE)
        asks = self.daemon("asks", broker, strangers="ask", sections=HASTE)
        closed = self.daemon("closed", broker, strangers="closed", sections=HASTE)
        self.succeeds(left.tool("send", asks.did, "may I?"))
        self.reaches(asks, 1, "culver_requests")
        self.assertEqual(self.value(asks, "culver_parked_messages", kind="verified"), 1)
        self.assertEqual(self.value(asks, "culver_parked_total", kind="verified"), 1)
        shown = self.succeeds(asks.tool("status"))
        self.assertRegex(shown.out, r"contacts +0, 1 request\n")
        self.assertIn("hint: culver contact requests", shown.err)
        self.succeeds(asks.tool("contact", "refuse", left.did))
        self.reaches(asks, 0, "culver_requests")
        self.assertEqual(self.value(asks, "culver_requests_refused_total"), 1)
        self.assertEqual(self.value(asks, "culver_received_total", kind="new"), 0)

        self.succeeds(left.tool("send", closed.did, "may I?"))
        eventually(lambda: self.value(closed, "culver_refused_total", stage="trust") >= 1, what="a refusal")
        for stage in ("parse", "signature", "time"):
            self.assertEqual(self.value(closed, "culver_refused_total", stage=stage), 0)

    def test_what_does_not_fit_is_counted(self):
        broker = self.broker()
        limits = "[limits]\noutbox_messages = 2\ninbox_messages = 1"
        left = self.daemon("left", broker, sections=limits)
        right = self.daemon("right", broker, sections=HASTE)
        self.assertIn("@", right.did)  # asked for while it can answer
        # Its card is where left finds it.
        self.reaches(right, 2, "culver_broker_published_total", broker="default", answer="taken")
        right.stop()
        for text in ("one", "two"):
            # A message whose receiver's key has just come counts twice while it is sealed.
            left.reaches(self.succeeds(left.tool("send", right.did, text)).out.strip(), "queued", "published")
        self.fails(75, left.tool("send", right.did, "three"))
        self.assertEqual(self.value(left, "culver_outbox_full_total"), 1)
        self.assertEqual(self.value(left, "culver_messages_total", event="accepted"), 2)
        self.assertEqual(self.value(left, "culver_outbox_limit_messages"), 2)
        self.assertIn("full: sending is refused", left.tool("status").out)

        right.start()
        self.succeeds(right.tool("send", left.did, "one", "--wait", "delivered"))
        self.succeeds(right.tool("send", left.did, "two"))
        eventually(lambda: self.value(left, "culver_inbox_full_total") >= 1, what="a full inbox")
        shown = left.tool("status")
        self.assertIn("full: nothing is taken", shown.out)
        self.assertIn("hint: nobody reads the inbox", shown.err)

    def test_names_of_others_cannot_break_the_text(self):
        board = self.daemon("board", None, url="mqtt://127.0.0.1:9")
        strange = 'a"b\\n{c}\\@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj'
        self.assertEqual(board.call("message.send", to=strange, text="hello")["state"], "waiting")
        self.assertEqual(self.value(board, "culver_peer_pending", did=strange), 1)
        self.assertEqual(self.value(board, "culver_peer_sent_total", did=strange), 1)

    def test_the_verb_prints_what_a_scraper_reads(self):
        board = self.daemon("board", None, url="mqtt://127.0.0.1:9")
        found = parsed(self.succeeds(board.tool("metrics")).out)
        self.assertEqual(set(parsed(self.succeeds(board.tool("metrics", "--json")).json["text"])), set(found))
        version = board.call("hello")["version"]
        self.assertEqual(found["culver_build_info", frozenset([("version", version)])], 1)
        alone = {name: value for (name, labels), value in found.items() if not labels}
        self.assertAlmostEqual(alone["process_resident_memory_bytes"], board.rss, delta=8 << 20)
        files = len(os.listdir(f"/proc/{board.process.pid}/fd"))
        self.assertAlmostEqual(alone["process_open_fds"], files, delta=4)
        self.assertAlmostEqual(alone["process_start_time_seconds"], time.time(), delta=120)
        self.assertEqual(alone["culver_clock_set"], 1)
        self.assertEqual(alone["culver_disk_failing"], 0)
        self.assertEqual(alone["culver_identities"], 1)
        self.assertEqual(alone["culver_retired"], 0)
        self.succeeds(board.tool("backup", str(self.directory / "board.culver"), "--final"))
        self.assertEqual(self.value(board, "culver_retired"), 1)
        self.assertGreater(alone["culver_commit_seconds_count"], 0)
        self.assertGreater(alone["culver_state_free_bytes"], 0)


class Textfile(Story):
    def test_the_file_is_whole_readable_and_of_now(self):
        place = self.directory / "collector"
        place.mkdir()
        file = place / "culver.prom"
        mask = os.umask(0o077)
        self.addCleanup(os.umask, mask)
        board = self.daemon("board", None, url="mqtt://127.0.0.1:9", begin=False)
        self.configure(board, f"metrics_file = {file}")
        board.start()
        eventually(file.exists, what="the file")
        begun = parsed(file.read_text())
        self.assertIn(("culver_uptime_seconds", frozenset()), begun)
        # node_exporter has a process of its own, and takes no second set of its figures.
        self.assertIn(("culver_process_open_fds", frozenset()), begun)
        self.assertEqual([name for name, _ in begun if name.startswith("process_")], [])
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o644)
        self.succeeds(board.tool("send", "hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj", "hello"))
        board.stop()
        ended = parsed(file.read_text())
        self.assertEqual(ended["culver_outbox_messages", frozenset([("state", "waiting")])], 1)
        self.assertEqual(os.listdir(place), ["culver.prom"])

    def test_a_file_that_cannot_be_written_stops_nothing(self):
        file = self.directory / "none/culver.prom"
        board = self.daemon("board", None, url="mqtt://127.0.0.1:9", begin=False)
        self.configure(board, f"metrics_file = {file}")
        board.start()

        def events():
            return [row for row in board.call("event.list")["events"] if row.get("reason") == "metrics-file"]

        self.assertIn(str(file), eventually(events, what="the event")[0]["text"])
        self.succeeds(board.tool("send", "hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj", "hello"))
        # SIGHUP asks for it at once only where there was none: nothing is said twice.
        self.assertEqual(len(events()), 1)
        file.parent.mkdir()
        board.stop()
        self.assertIn(("culver_uptime_seconds", frozenset()), parsed(file.read_text()))

    def configure(self, board, line: str) -> None:
        text = pathlib.Path(board.configuration).read_text()
        pathlib.Path(board.configuration).write_text(text.replace("[agent]\n", f"[agent]\n{line}\n", 1))


if __name__ == "__main__":
    unittest.main()
