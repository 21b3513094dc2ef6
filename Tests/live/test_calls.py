"""Calls: one board has another do something, once at most, and learns what became of it.

From culver(1), culver.conf(5) and culver-protocol(7). CULVER_CALLS says how many calls are made under random kills.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import stat
import tempfile
import threading
import time
import unittest

from harness import Control, Refused, Story, eventually

NOT_NOW, REFUSED, TIMED_OUT = 75, 77, 124
CALLS = int(os.environ.get("CULVER_CALLS", "100"))


@unittest.skipUnless(os.geteuid() == 0, "the programs of calls belong to root")
class Called(Story):
    """The gate takes calls, the phone makes them."""

    def setUp(self):
        super().setUp()
        # Not below a directory that others can write to.
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="culver-calls-", dir="/usr/local/lib"))
        self.place.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.mosquitto = self.broker()
        self.phone = self.daemon("phone", self.mosquitto)
        self.gate = None

    def script(self, name: str, text: str) -> pathlib.Path:
        path = self.place / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def serve(self, *sections: str) -> None:
        self.gate = self.daemon("gate", self.mosquitto, sections="\n".join(sections))
        self.gate.call("contact.add", did=self.phone.did, name="phone")
        self.phone.call("contact.add", did=self.gate.did, name="gate")

    def section(self, name: str, text: str, *more: str, allow: str = "phone") -> str:
        return "\n".join([f"[call {name}]", f"allow = {allow}", f"exec = {self.script(name, text)}", *more])

    def call(self, *arguments: str, **options):
        return self.phone.tool("call", "gate", *arguments, **options)

    def audit(self) -> list[dict]:
        path = pathlib.Path(self.gate.state) / "calls.audit"
        return [json.loads(line.split(" ", 1)[1]) for line in path.read_text().splitlines()] if path.exists() else []

    def checks(self) -> list[dict]:
        return [check for check in self.gate.call("doctor")["checks"] if check["name"] == "calls"]

    def test_a_call_is_run_and_its_output_and_status_come_back(self):
        self.serve(
            self.section("open-gate", 'printf "%s|" "$CULVER_SENDER" "$CULVER_NAME" "$CULVER_COMMAND" "$@"; cat; exit 3',
                         'args = [{"enum": ["left", "right"]}, {"type": "integer", "maximum": 9, "optional": true}]'),
            self.section("environment", "env; ls /proc/self/fd; pwd"),
            self.section("slowly", "for word in one two three; do echo $word; sleep 0.6; done", "stream = yes"))
        done = self.call("open-gate", "left", "9", "--input", "hello", "--timeout", "60s")
        self.assertEqual((done.code, done.out), (3, f"{self.phone.did}|phone|open-gate|left|9|hello"), done)
        for wrong in (["up"], ["left", "10"], ["left", "x"], ["left", "9", "more"], []):
            refused = self.call("open-gate", *wrong, "--timeout", "60s")
            self.assertEqual((refused.code, refused.out), (REFUSED, ""), refused)
            self.assertIn("bad-argument", refused.err)
        clean = self.succeeds(self.call("environment", "--timeout", "60s")).out
        names = {line.split("=")[0] for line in clean.splitlines() if "=" in line}
        self.assertEqual(names - {"PWD", "OLDPWD", "SHLVL", "_"}, {
            "PATH", "LANG", "CULVER_COMMAND", "CULVER_CALL", "CULVER_SENDER", "CULVER_RECEIVER", "CULVER_NAME"})
        # The three of every program, and what ls opened itself.
        self.assertEqual([line for line in clean.splitlines() if line.isdigit()], ["0", "1", "2", "3"])
        self.assertEqual(clean.splitlines()[-1], "/")
        parts = self.call("slowly", "--timeout", "60s", "--json").lines
        self.assertEqual("".join(part["output"] for part in parts), "one\ntwo\nthree\n")
        self.assertGreater(len(parts), 1)
        self.assertEqual([part["final"] for part in parts], [False] * (len(parts) - 1) + [True])
        self.assertEqual([line["what"] for line in self.audit()],
                         ["begun", "ended"] + ["refused"] * 5 + ["begun", "ended"] * 2)
        self.assertEqual([check["result"] for check in self.checks()], ["ok"])

    def test_a_group_is_called_and_each_member_answers(self):
        self.serve(self.section("count", 'echo "$CULVER_NAME $1"; exit "$1"', 'args = [{}]', allow="lamps"))
        other = self.script("other", "echo porch; exit 4")
        porch = self.daemon("porch", self.mosquitto, sections=f"[call count]\nallow = phone\nexec = {other}\nargs = [{{}}]")
        porch.call("contact.add", did=self.phone.did, name="phone")
        self.phone.call("contact.add", did=porch.did, name="porch")
        self.phone.call("group.create", name="lamps", members=[self.gate.did, porch.did])
        group = self.phone.call("group.list")["groups"][0]["did"]
        for board in (self.gate, porch):
            eventually(lambda: [row["members"] for row in board.call("group.list")["groups"]] == [3], what="the group")
        done = self.phone.tool("call", "lamps", "count", "3", "--timeout", "60s")
        self.assertIn("porch: porch", done.out.splitlines())
        self.assertEqual(done.code, 77, done)  # the gate does not call the group by that name
        self.assertIn("gate: refused: not-permitted", done.err)
        text = self.gate.configuration.read_text().replace("allow = lamps", f"allow = {group}")
        self.gate.stop()
        self.gate.configuration.write_text(text)
        self.gate.start()
        done = self.phone.tool("call", "lamps", "count", "3", "--timeout", "60s")
        self.assertEqual((done.code, sorted(done.out.splitlines())), (4, ["gate: phone 3", "porch: porch"]), done)
        rows = self.phone.tool("call", "lamps", "count", "3", "--timeout", "60s", "--json").lines
        self.assertEqual({row["name"]: (row["status"], row["output"]) for row in rows}, {"gate": (3, "phone 3\n"), "porch": (4, "porch\n")})
        self.phone.call("group.expel", group=group, members=[self.gate.did])
        eventually(lambda: self.gate.call("group.show", group=group)["members"] == [self.phone.did, porch.did], what="the expulsion")
        self.assertEqual(self.phone.tool("call", "lamps", "count", "3", "--timeout", "60s").out, "porch: porch\n")

    def test_attacks(self):
        marker = self.place / "marker"
        marker.mkdir()
        touch = f'for word in "$@"; do printf "%s\\n" "$word"; done; echo "$1" >> {marker}/ran'
        self.serve(
            self.section("any", touch, 'args = [{}, {"optional": true}]'),
            self.section("others", touch, 'args = [{}]', allow="verified"),
            self.section("huge", "while :; do echo 0123456789012345678901234567890123456789; done", "output = 4KiB"),
            self.section("hang", f"sleep 600 & echo $! > {marker}/child; sleep 600", "timeout = 2s"),
            self.section("rare", "true", "rate = 2"))
        # Shell characters and paths are arguments like others.
        for text in ("$(touch x)", "`id`", "a; reboot", "../../etc/passwd", "a b", "*", "'\"", "a\nb", "%s"):
            self.assertEqual(self.succeeds(self.call("any", text, "--timeout", "60s")).out, text + "\n")
        # Options are none, unless a schema says so.
        for text in ("--config=/etc/shadow", "-rf", "-"):
            self.assertEqual(self.call("any", "--timeout", "60s", "--", text).code, REFUSED)
        with self.assertRaises(Refused):
            self.phone.call("call.send", to="gate", command="../any")
        ran = (marker / "ran").read_text()
        refused = self.call("others", "x", "--timeout", "60s")
        self.assertEqual(refused.code, REFUSED)
        self.assertIn("not-permitted", refused.err)
        self.assertEqual(self.call("nothing", "--timeout", "60s").code, REFUSED)
        # Somebody that is no contact may not, even where strangers are heard.
        stranger = self.daemon("stranger", self.mosquitto)
        late = stranger.tool("call", self.gate.did, "any", "x", "--timeout", "60s")
        self.assertEqual(late.code, REFUSED, late)
        self.assertEqual((marker / "ran").read_text(), ran)

        huge = self.call("huge", "--timeout", "60s")
        self.assertEqual((huge.code, len(huge.out)), (NOT_NOW, 4096))
        self.assertIn("output-too-large", huge.err)
        hung = self.call("hang", "--timeout", "60s")
        self.assertEqual(hung.code, TIMED_OUT, hung)
        child = (marker / "child").read_text().strip()
        eventually(lambda: not pathlib.Path(f"/proc/{child}").exists(), what="the end of its process group")
        codes = [self.call("rare", "--timeout", "60s").code for _ in range(4)]
        self.assertEqual(codes, [0, 0, REFUSED, REFUSED])

        # Answers by a contact that was not called; the content is culver's own, so it takes the road of a message.
        for module in ("reply", "call"):
            with self.assertRaises(Refused) as error:
                self.gate.call("message.send", to=self.phone.did, content={
                    "type": 204, "app": "culver", "mod": module, "act": "any", "call": "x", "part": 0, "status": 0,
                    "output": "", "final": True})
            self.assertEqual(error.exception.reason, "reserved-content")

    def test_a_name_of_a_call_is_used_once_through_a_restart(self):
        count = self.place / "counted"
        count.mkdir()
        self.serve(self.section("count", f"echo x >> {count}/ran; wc -l < {count}/ran", "args = [{}]"))

        def send(text: str) -> dict:
            with self.phone.control() as control:
                control.call("call.send", to="gate", command="count", args=[text], call="mine", timeout=3600)
                return control.notified("call.reply", call="mine")

        first = send("a")
        self.assertEqual((first["output"].strip(), first["final"]), ("1", True))
        for board in (self.gate, self.phone):
            board.kill()
            board.start()
            self.assertEqual(send("a"), first)
        with self.assertRaises(Refused) as error:
            send("b")
        self.assertEqual(error.exception.reason, "call-reused")
        self.assertEqual((count / "ran").read_text(), "x\n")

    def test_programs_that_others_could_change_are_not_run(self):
        self.serve(self.section("safe", "echo ran"), self.section("loose", "echo ran"), self.section("link", "echo ran"))
        loose = self.place / "loose"
        loose.chmod(loose.stat().st_mode | stat.S_IWOTH)
        link = self.place / "link"
        link.rename(self.place / "real")
        link.symlink_to(self.place / "real")
        for name in ("loose", "link"):
            refused = self.call(name, "--timeout", "60s")
            self.assertEqual((refused.code, refused.out), (REFUSED, ""), refused)
            self.assertIn("unsafe-program", refused.err)
        self.assertEqual(sum(check["result"] == "fail" for check in self.checks()), 2)
        self.assertEqual(self.succeeds(self.call("safe", "--timeout", "60s")).out, "ran\n")
        self.place.chmod(0o777)
        self.assertEqual(self.call("safe", "--timeout", "60s").code, REFUSED)

    def test_the_switch(self):
        self.serve(self.section("wait", "sleep 600"), self.section("quick", "echo ran"))
        result: list = []
        thread = threading.Thread(target=lambda: result.append(self.call("wait", "--timeout", "50s")))
        thread.start()
        eventually(lambda: any(line["what"] == "begun" for line in self.audit()), what="the call")
        self.succeeds(self.gate.tool("call", "off"))
        thread.join()
        self.assertEqual(result[0].code, NOT_NOW)
        self.assertIn("interrupted", result[0].err)
        self.gate.kill()
        self.gate.start()
        off = self.call("quick", "--timeout", "50s")
        self.assertEqual(off.code, REFUSED)
        self.assertIn("calls-off", off.err)
        self.assertEqual([check["result"] for check in self.checks()], ["warn", "ok"])
        self.succeeds(self.gate.tool("call", "on"))
        self.assertEqual(self.succeeds(self.call("quick", "--timeout", "50s")).out, "ran\n")

    def test_a_daemon_that_ends_takes_its_programs_along(self):
        name = self.place / "pid"
        self.serve(self.section("wait", f"echo $$ > {name}.new; mv {name}.new {name}; sleep 600"))
        result: list = []
        thread = threading.Thread(target=lambda: result.append(self.call("wait", "--timeout", "50s")))
        thread.start()
        eventually(name.exists, what="the program")
        process = pathlib.Path("/proc") / name.read_text().strip()
        self.assertEqual(self.gate.stop(), 0)
        self.assertFalse(process.exists())
        self.gate.start()
        thread.join()
        self.assertEqual(result[0].code, NOT_NOW)
        self.assertIn("interrupted", result[0].err)

    def test_a_database_that_is_lost(self):
        self.serve(self.section("quick", "echo ran"))
        for _ in range(2):
            self.succeeds(self.call("quick", "--timeout", "60s"))
        self.succeeds(self.gate.tool("call", "off"))
        self.assertEqual(self.gate.stop(), 0)
        for path in pathlib.Path(self.gate.state).glob("messages.sqlite*"):
            path.unlink()
        self.gate.start()
        off = self.call("quick", "--timeout", "50s")
        self.assertIn("calls-off", off.err)
        self.assertEqual(len((pathlib.Path(self.gate.state) / "calls.audit.bad").read_text().splitlines()), 4)
        events = self.gate.call("event.list", kind="call")["events"]
        self.assertIn("audit-replaced", [event["reason"] for event in events])
        self.succeeds(self.gate.tool("call", "on"))
        self.assertEqual(self.succeeds(self.call("quick", "--timeout", "50s")).out, "ran\n")
        self.assertEqual([line["what"] for line in self.audit()], ["refused", "begun", "ended"])
        self.assertEqual([check["result"] for check in self.checks()], ["ok"])

    def test_a_section_that_is_taken_away_permits_nothing_more(self):
        self.serve("[call own]\nallow = phone")
        with self.gate.control() as server:
            server.call("call.serve", command="own")
            with self.phone.control() as caller:
                caller.call("call.send", to="gate", command="own", call="c1", timeout=60)
                server.notified("call.request", call="c1")
                server.call("call.reply", call="c1", output="served")
                self.assertEqual(caller.notified("call.reply", call="c1")["output"], "served")
            text = self.gate.configuration.read_text()
            self.gate.configuration.write_text(text.replace("[call own]\nallow = phone", ""))
            self.gate.process.send_signal(signal.SIGHUP)
            eventually(
                lambda: "reloaded" in [e["reason"] for e in self.gate.call("event.list", kind="config")["events"]],
                what="the new configuration")
            gone = self.call("own", "--timeout", "60s")
            self.assertEqual(gone.code, REFUSED)
            self.assertIn("not-permitted", gone.err)

    def test_the_audit_shows_what_was_changed(self):
        self.serve(self.section("quick", "echo ran"))
        for _ in range(3):
            self.succeeds(self.call("quick", "--timeout", "60s"))
        path = pathlib.Path(self.gate.state) / "calls.audit"
        lines = path.read_text().splitlines(keepends=True)
        for changed, words in ((lines[:2] + lines[3:], "does not follow"), (lines[:-1], "missing at its end"),
                               (lines[2:], "missing at its beginning"),
                               ([line.replace("ended", "begun") for line in lines], "was altered")):
            path.write_text("".join(changed))
            found = [check for check in self.checks() if check["result"] == "fail"]
            self.assertEqual(len(found), 1)
            self.assertIn(words, found[0]["text"])

    def test_a_program_on_the_socket_serves(self):
        self.serve("[call section]\nallow = phone")
        with self.gate.control() as server:
            server.call("call.serve", command="section")
            server.call("call.serve", command="own", allow=[self.phone.did], args=[{}])
            with self.assertRaises(Refused) as error:
                self.gate.call("call.serve", command="own", allow=["verified"])
            self.assertEqual(error.exception.reason, "served")
            with self.assertRaises(Refused) as error:
                server.call("call.serve", command="other", allow=["verified"], args=[{"pattern": "a)|(b"}])
            self.assertEqual(error.exception.reason, "bad-schema")
            with self.phone.control() as caller:
                caller.call("call.send", to="gate", command="own", args=["a"], call="c1", timeout=60, input="in")
                wanted = server.notified("call.request")
                self.assertEqual((wanted["command"], wanted["args"], wanted["input"], wanted["sender"]),
                                 ("own", ["a"], "in", self.phone.did))
                # Only the connection that was asked may answer.
                with self.assertRaises(Refused) as error:
                    self.gate.call("call.reply", call="c1", output="no")
                self.assertEqual(error.exception.reason, "unknown-call")
                server.call("call.reply", call="c1", output="so far ", final=False)
                server.call("call.reply", call="c1", status=4, output="done")
                answers = [caller.notified("call.reply"), caller.notified("call.reply")]
                self.assertEqual([(a["output"], a["status"]) for a in answers], [("so far ", 0), ("done", 4)])
                caller.call("call.send", to="gate", command="section", call="c2", timeout=60)
                server.notified("call.request")
                server.close()
                self.assertEqual(caller.notified("call.reply", call="c2")["error"], "interrupted")
        gone = self.call("section", "--timeout", "60s")
        self.assertEqual(gone.code, REFUSED)
        self.assertIn("not-served", gone.err)

    def test_a_board_that_is_away(self):
        self.serve(self.section("quick", "echo ran"))
        self.succeeds(self.call("quick", "--timeout", "60s"))
        self.gate.stop()
        late = self.call("quick", "--timeout", "2s")
        self.assertEqual((late.code, late.out), (NOT_NOW, ""))
        self.assertIn("may have run", late.err)
        self.mosquitto.stop()
        eventually(lambda: not self.phone.connected(), what="the end of the connection")
        never = self.call("quick", "--timeout", "2s")
        self.assertEqual(never.code, NOT_NOW)
        self.assertIn("will not run", never.err)
        self.mosquitto.start()
        self.gate.start()
        self.succeeds(self.call("quick", "--timeout", "60s"))
        self.assertEqual([line["what"] for line in self.audit()], ["begun", "ended"] * 2)

    def test_none_runs_twice_and_each_caller_learns_what_became_of_it(self):
        ran = self.place / "ran"
        ran.mkdir()
        self.serve(
            self.section("work", f'echo "$1" >> {ran}/log; sleep 0.0$(( $1 % 7 )); echo "did $1"',
                         'args = [{"type": "integer"}]', "rate = 6000"), "[delivery]\nreceipt_timeout = 2s")
        dice = random.Random(7)
        ends: dict[int, str] = {}
        numbers = iter(range(CALLS))
        lock = threading.Lock()

        def work():
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                result = self.call("work", str(number), "--timeout", "300s", timeout=400)
                word = "done" if result.code == 0 else result.err.removeprefix("culver: ").split(":")[0]
                if word == "done" and result.out != f"did {number}\n":
                    word = f"{result!r}"
                ends[number] = word

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        # Here and not in a thread: a process of the harness ends with the thread that started it.
        while any(worker.is_alive() for worker in workers):
            time.sleep(dice.uniform(3, 8))
            board = dice.choice([self.gate, self.phone])
            board.kill()
            board.start()
        self.assertEqual(set(ends), set(range(CALLS)))
        self.assertLessEqual(set(ends.values()), {"done", "refused", "expired", "interrupted"}, ends)
        log = [int(line) for line in (ran / "log").read_text().split()]
        self.assertEqual(len(log), len(set(log)), "a call ran twice")
        done = {number for number, word in ends.items() if word == "done"}
        self.assertLessEqual(done, set(log))
        self.assertGreater(len(done), CALLS // 2)
        self.assertEqual([check["result"] for check in self.checks()], ["ok"])


if __name__ == "__main__":
    unittest.main()
