"""The package `culver` for Python: what it promises, with daemons that are killed under it.

From issue 15: "sync and asyncio, typed, no dependencies, Python 3.9 and newer: send, messages as an iterator with
acknowledgement, events; reconnects over a daemon's restart without losing or doubling; docstrings; checked against
rpc.discover", and the jobs that need neither calls nor files, each at most ten lines.
"""

import ast
import asyncio
import inspect
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile

from harness import PATIENCE, TOP, Story, end, eventually, start

PACKAGE = TOP / "clients/python"
sys.path.insert(0, str(PACKAGE))

import culver  # noqa: E402
from culver import requests, wire  # noqa: E402
from culver.transfers import Upload  # noqa: E402

HASTE = "[delivery]\nreceipt_timeout = 2s"
HULK = "hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj"
SOURCES = sorted((PACKAGE / "culver").glob("*.py"))


class Sources(unittest.TestCase):
    def test_the_types_are_strict(self):
        with tempfile.TemporaryDirectory() as cache:
            done = subprocess.run(
                ["mypy", "--cache-dir", cache, "--config-file", "pyproject.toml"], cwd=PACKAGE, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            program = pathlib.Path(cache) / "wrong.py"
            program.write_text("import culver\nwith culver.Client() as board:\n    board.send(1, 'x').id + 1\n")
            done = subprocess.run(
                ["mypy", "--cache-dir", cache, "--strict", str(program)], capture_output=True, text=True,
                env={**os.environ, "MYPYPATH": str(PACKAGE)})
            self.assertIn("Found 2 errors in 1 file", done.stdout)
        self.assertTrue((PACKAGE / "culver/py.typed").exists())

    def test_it_has_the_version_of_the_daemon_and_pip_takes_it(self):
        version = re.search(r'version = "(.*)"', (TOP / "Sources/Control/Release.swift").read_text())[1]
        self.assertIn(f'\nversion = "{version}"\n', (PACKAGE / "pyproject.toml").read_text())
        with tempfile.TemporaryDirectory() as place:
            copy = pathlib.Path(place) / "source"  # setuptools leaves things where it builds
            shutil.copytree(PACKAGE, copy)
            # With the setuptools that are there: nothing is fetched.
            done = subprocess.run(
                ["/usr/bin/python3", "-c", "from setuptools.build_meta import build_wheel; print(build_wheel('.'))"], cwd=copy,
                capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            with zipfile.ZipFile(copy / done.stdout.splitlines()[-1]) as wheel:
                names = {name for name in wheel.namelist() if name.startswith("culver/")}
                metadata = wheel.read(f"culver-{version}.dist-info/METADATA").decode()
        self.assertEqual(names, {f"culver/{path.name}" for path in [*SOURCES, PACKAGE / "culver/py.typed"]})
        self.assertIn("Requires-Python: >=3.9", metadata)
        self.assertNotIn("Requires-Dist", metadata)

    def test_python_3_9_reads_them_and_nothing_is_needed_beside_it(self):
        self.assertGreater(len(SOURCES), 5)
        for path in SOURCES:
            tree = ast.parse(path.read_text(), path.name, feature_version=(3, 9))
            for node in ast.walk(tree):
                names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
                names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
                for name in names:
                    self.assertIn(name.split(".")[0], sys.stdlib_module_names, path)
                # Not read at run time as an annotation is, and 3.9 does not know it.
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
                    self.fail(f"{path}:{node.lineno}")

    def test_what_is_public_says_what_it_does(self):
        for name in culver.__all__:
            kind = getattr(culver, name)
            self.assertTrue(kind.__doc__ and "Any" not in kind.__doc__.split("(")[0], name)
            for member, value in vars(kind).items():
                if inspect.isfunction(value) and not member.startswith("_") and value.__qualname__ not in ("Sent.read", "Message.read", "Event.read", "File.read", "Presence.read", "Reply.read", "Wanted.read"):
                    self.assertTrue(inspect.getdoc(value), f"{name}.{member}")

    def test_both_clients_have_the_same_methods(self):
        for blocking, other in [(culver.Client, culver.AsyncClient), (culver.Messages, culver.AsyncMessages), (culver.Stream, culver.AsyncStream), (culver.Served, culver.AsyncServed)]:
            def methods(kind):
                return {
                    name: list(inspect.signature(value).parameters.values())
                    for name, value in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
            self.assertEqual(methods(blocking), methods(other))


class Discovery(Story):
    def test_every_method_that_is_called_is_there_with_those_parameters(self):
        board = self.daemon("board", None, url="mqtt://127.0.0.1:9")
        known = {method["name"]: {param["name"] for param in method["params"]} for method in board.call("rpc.discover")["methods"]}
        body = {"text": "x", "data": 1, "content": {}, "subject": "x"}
        kinds = {"timeout": 1, "seq": 1, "offset": 1, "thumbnail": b"x", "body": body}

        def everything(function) -> dict:
            """One of everything, so that no parameter is left out."""
            return {name: kinds.get(name, ["x"]) for name in inspect.signature(function).parameters}

        called = 0
        for name, function in inspect.getmembers(requests, inspect.isfunction):
            if function.__module__ != requests.__name__ or name.startswith("_") or name in ("raw", "body_of", "offer_of"):
                continue
            arguments = everything(function)
            if name == "offer":
                arguments = {"params": {**requests.offer_of(**everything(requests.offer_of)), "size": 1}}
            request = function(**arguments)
            self.assertIn(request.method, known)
            self.assertLessEqual(set(request.params), known[request.method], request.method)
            called += 1
        self.assertGreaterEqual(called, 9)


class Conversation(Story):
    def setUp(self):
        super().setUp()
        broker = self.broker()
        self.garden = self.daemon("garden", broker, sections=HASTE)
        self.porch = self.daemon("porch", broker, sections=HASTE)
        self.board = self.client(self.garden)

    def client(self, daemon, **options) -> culver.Client:
        client = culver.Client(daemon.socket, **options)
        self.addCleanup(client.close)
        return client

    def test_a_message_goes_once_under_its_ref_and_comes_with_what_it_is(self):
        first = self.board.send(self.porch.did, "hello", ref="greeting-1")
        again = self.board.send(self.porch.did, "hello", ref="greeting-1")
        self.assertEqual((first.id, False, True), (again.id, first.repeat, again.repeat))
        with self.assertRaises(culver.Refused) as refused:
            self.board.send(self.porch.did, "other", ref="greeting-1")
        self.assertEqual((refused.exception.reason, refused.exception.code), ("ref-reused", -32073))
        self.assertTrue(self.board.wait(first.id).is_delivered)
        self.assertEqual(self.board.show(first.id).receiver, self.porch.did)
        self.board.send(self.porch.did, data={"soil": [31, None]}, subject="garden/soil")
        self.board.send(self.porch.did, "dry", subject="garden")
        self.board.send(self.porch.did, content={"type": 204, "app": "garden", "mod": "valve", "act": "open"})
        with self.assertRaises(ValueError):
            self.board.send(self.porch.did)
        with self.assertRaises(culver.Refused) as refused:
            self.board.send(self.porch.did, "dry", subject="garden/#")
        self.assertEqual(refused.exception.reason, "bad-subject")
        found = []
        for message in self.client(self.porch).messages("lamp"):
            found.append(message)
            if len(found) == 4:
                break
        self.assertEqual([message.text for message in found], ["hello", '{"soil":[31,null]}', "dry", None])
        self.assertEqual([message.subject for message in found], [None, "garden/soil", "garden", None])
        self.assertEqual([message.data for message in found], [None, {"soil": [31, None]}, None, None])
        self.assertEqual({(message.sender, message.sealed, message.again) for message in found}, {(self.garden.did, True, False)})
        porch = self.client(self.porch)
        self.assertEqual([message.seq for message in porch.inbox(limit=2)], [found[2].seq, found[3].seq])
        self.assertEqual([message.text for message in porch.inbox(subject="garden/+")], ['{"soil":[31,null]}'])
        with porch.messages("garden", filter={"subject": "garden/#"}, timeout=1) as messages:
            self.assertEqual([message.seq for message in messages], [found[1].seq, found[2].seq])

    def test_one_call_to_several_says_what_became_of_each(self):
        sent = self.board.send_to_all([self.porch.did, HULK], "hello", ref="all")
        self.assertEqual([one.state in ("waiting", "queued") for one in sent], [True, True])
        with self.assertRaises(culver.SomeRefused) as refused:
            self.board.send_to_all([self.porch.did, "nobody"], "hello", ref="some")
        first, second = refused.exception.outcomes
        self.assertIsInstance(first, culver.Sent)
        self.assertEqual((second.reason, refused.exception.code), ("unknown-name", -32067))

    def test_a_time_that_is_over_and_an_idle_connection_hold_nobody_up(self):
        sent = self.board.send(HULK, "hello")
        for _ in range(3):
            with self.assertRaises(culver.NotNow) as over:
                self.board.wait(sent.id, timeout=0.01)
            self.assertEqual(over.exception.reason, "timed-out")
        # Nothing is to be read from this connection, and nothing is waited for.
        link = self.board._idle[0]
        link._socket.settimeout(PATIENCE)
        self.assertTrue(link.is_open())
        self.assertEqual(link._socket.gettimeout(), 0)

    def test_the_consumer_acknowledges_after_the_work(self):
        for number in range(5):
            self.board.send(self.porch.did, str(number))
        porch = self.client(self.porch)

        class Broken(Exception):
            pass

        with self.assertRaises(Broken):
            for message in porch.messages("lamp"):
                if message.text == "2":
                    raise Broken
        with porch.messages("lamp", timeout=1) as messages:
            left = [(message.text, message.again) for message in messages]
        self.assertEqual(left, [("2", True), ("3", left[1][1]), ("4", left[2][1])])
        with porch.messages("hand", acknowledge=False, window=3, timeout=1) as messages:
            self.assertEqual([message.text for message in messages], ["0", "1", "2"])
            messages.acknowledge(next(row.seq for row in porch.inbox() if row.text == "1"))
            self.assertEqual([message.text for message in messages], ["3", "4"])
        with porch.messages("hand", acknowledge=False, timeout=1) as messages:
            self.assertEqual([message.text for message in messages], ["2", "3", "4"])

    def test_a_filter_and_a_start_are_the_daemons(self):
        self.board.send(self.porch.did, "before")
        eventually(lambda: self.porch.texts() == ["before"])
        porch = self.client(self.porch)
        with porch.messages("new", start="new", filter={"type": 1}, timeout=5) as messages:
            self.board.send(self.porch.did, data=1)
            self.board.send(self.porch.did, "after")
            self.assertEqual(next(messages).text, "after")

    def test_a_second_reader_takes_over_and_the_first_is_told(self):
        porch = self.client(self.porch)
        with porch.messages("lamp") as first, porch.messages("lamp"):
            with self.assertRaises(culver.StreamClosed) as closed:
                next(first)
        self.assertEqual((closed.exception.reason, closed.exception.code), ("taken-over", -32075))

    def test_events_go_on_behind_a_restart(self):
        with self.board.events("start", "contact", timeout=PATIENCE) as events:
            self.board.request("contact.add", {"did": HULK})
            self.assertEqual(next(events).kind, "contact")
            self.garden.kill()
            self.garden.start()
            # It is one row with the start before, within a minute: older than the newest one, and told of all the same.
            event = next(events)
            self.assertEqual(event.kind, "start")
        self.assertEqual(self.board.log(kind="start")[-1].n, event.n)
        self.assertEqual(self.board.status()["identities"][0]["did"], self.garden.did)

    def test_a_contact_is_seen_to_come_and_go(self):
        self.board.wait(self.board.send(self.porch.did, "hello").id)
        seen = eventually(lambda: (found := self.board.presence(self.porch.did)).is_online and found, what="online")
        self.assertEqual((seen.did, seen.culver), (self.porch.did, True))
        self.assertIn(self.porch.did, [one.did for one in self.board.presences()])
        with self.board.events("presence", timeout=PATIENCE) as events:
            self.porch.stop()
            self.assertEqual((next(events).reason, self.board.presence(self.porch.did).state), ("gone", "gone"))

    def test_a_daemon_that_is_away_is_waited_for_and_then_given_up(self):
        self.garden.stop()
        with self.assertRaises(culver.Unreachable) as gone:
            self.client(self.garden, patience=0.2).send(self.porch.did, "hello", ref="mine")
        self.assertEqual((gone.exception.code, gone.exception.ref), (-32069, "mine"))
        self.assertIn("mine", str(gone.exception))
        with self.assertRaises(culver.Unreachable):
            next(self.client(self.garden, patience=0.2).messages("lamp"))
        self.garden.launch()
        self.assertEqual(self.board.send(self.porch.did, "hello", ref="mine").repeat, False)


class Kills(Story):
    """Both daemons are killed again and again in the middle of both streams."""

    COUNT, EACH = 240, 40

    def setUp(self):
        super().setUp()
        broker = self.broker()
        self.left = self.daemon("left", broker, sections=HASTE)
        self.right = self.daemon("right", broker, sections=HASTE)
        self.sent: list[str] = []
        self.got: list[tuple[str, bool]] = []
        self.errors: list[BaseException] = []

    def watched(self, work) -> threading.Thread:
        def run():
            try:
                work()
            except BaseException as error:
                self.errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def kill_while(self, threads: list[threading.Thread]) -> int:
        """Kills whenever so many more have gone through; a daemon begun by another thread than this would end with it."""
        kills, mark = 0, self.EACH
        while any(thread.is_alive() for thread in threads):
            if len(self.sent) + len(self.got) >= mark:
                mark += self.EACH
                for daemon in (self.left, self.right):
                    daemon.kill()
                    daemon.launch()
                kills += 1
            threads[0].join(0.01)
        for thread in threads:
            thread.join()
        return kills

    def check(self, kills: int) -> None:
        self.assertEqual(self.errors, [])
        self.assertGreaterEqual(kills, 5)
        wanted = [str(number) for number in range(self.COUNT)]
        self.assertEqual(sorted(self.sent, key=int), wanted)
        self.assertEqual(sorted(self.got, key=int), wanted)
        eventually(self.right._answers)
        self.assertEqual(sorted(self.right.texts(), key=int), wanted)

    def test_nothing_is_lost_and_nothing_comes_twice(self):
        did = self.right.did

        def send():
            with culver.Client(self.left.socket) as board:
                for number in range(self.COUNT):
                    board.send(did, str(number))
                    self.sent.append(str(number))

        def read():
            with culver.Client(self.right.socket) as board, board.messages("lamp", timeout=PATIENCE) as messages:
                for message in messages:
                    self.got.append(message.text)
                    if len(self.got) == self.COUNT:
                        return

        self.check(self.kill_while([self.watched(send), self.watched(read)]))

    def test_nothing_is_lost_and_nothing_comes_twice_in_asyncio(self):
        did = self.right.did

        async def send():
            async with culver.AsyncClient(self.left.socket) as board:
                async def some(first):
                    for number in range(first, self.COUNT, 4):
                        await board.send(did, str(number))
                        self.sent.append(str(number))
                await asyncio.gather(*[some(first) for first in range(4)])

        async def read():
            async with culver.AsyncClient(self.right.socket) as board:
                async with board.messages("lamp", timeout=PATIENCE) as messages:
                    async for message in messages:
                        self.got.append(message.text)
                        if len(self.got) == self.COUNT:
                            return

        async def both():
            await asyncio.gather(send(), read())

        self.check(self.kill_while([self.watched(lambda: asyncio.run(both()))]))


class Asyncio(Story):
    def test_it_speaks_as_the_other_client_does(self):
        broker = self.broker()
        garden, porch = self.daemon("garden", broker), self.daemon("porch", broker)
        did = porch.did

        async def story():
            async with culver.AsyncClient(garden.socket) as board, culver.AsyncClient(porch.socket) as other:
                async with board.events("contact", timeout=PATIENCE) as events:
                    await board.request("contact.add", {"did": HULK})
                    self.assertEqual((await events.__anext__()).kind, "contact")
                first = await board.send(did, "hello", ref="one")
                # More wait than one connection may ask for, and a call is answered beside them.
                waits = [asyncio.ensure_future(board.wait((await board.send(HULK, "x", ref="x")).id, timeout=2)) for _ in range(80)]
                self.assertTrue((await board.wait(first.id)).is_delivered)
                ended = await asyncio.gather(*waits, return_exceptions=True)
                self.assertEqual({type(one) for one in ended}, {culver.NotNow})
                with self.assertRaises(culver.SomeRefused):
                    await board.send_to_all([did, "nobody"], "hello", ref="one")
                self.assertEqual([row.text for row in await other.inbox()], ["hello"])
                # A task that is cancelled while it waits leaves the stream as it was.
                stream = other.messages("lamp", timeout=PATIENCE)
                self.assertEqual((await stream.__anext__()).text, "hello")
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(stream.__anext__(), 0.2)
                await board.send(did, "again")
                self.assertEqual((await stream.__anext__()).text, "again")
                stream.close()
                self.assertIn("version", await board.status())
                self.assertEqual((await board.presence(did)).did, did)
                self.assertIn(did, [one.did for one in await board.presences()])
                self.assertEqual((await board.show(first.id)).state, "delivered")
                self.assertEqual((await board.log(kind="start"))[-1].kind, "start")

        asyncio.run(asyncio.wait_for(story(), PATIENCE))


class Script:
    """A daemon that says what a test wants: a list of functions from a request to lines, or None to hang up."""

    def __init__(self, path: str, *answers):
        self.requests: list[dict] = []
        self.path = path
        self.answers = list(answers)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while self.answers:
            connection, _ = self.socket.accept()
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    self.requests.append(json.loads(line))
                    answer = self.answers.pop(0)(self.requests[-1]) if self.answers else None
                    if answer is None:
                        break
                    connection.sendall(answer)


def result(value, *before: dict):
    def answer(request: dict) -> bytes:
        notes = [{"jsonrpc": "2.0", **note} for note in before]
        return b"".join(json.dumps(line).encode() + b"\n" for line in [*notes, {"jsonrpc": "2.0", "id": request["id"], "result": value}])
    return answer


def hang_up(_: dict) -> None:
    return None


def message(seq: int, consumer: str = "lamp") -> dict:
    return {"method": "inbox.message", "params": {"consumer": consumer, "seq": seq, "id": f"m{seq}", "content": {"text": str(seq)}}}


class Lost(unittest.TestCase):
    """Answers that are lost at the worst moment, and bytes that no daemon sends."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="culver-")
        self.addCleanup(shutil.rmtree, self.directory)

    def script(self, *answers) -> Script:
        script = Script(f"{self.directory}/s", *answers)
        self.addCleanup(script.socket.close)
        return script

    def test_a_lost_answer_is_asked_for_again_under_the_same_ref(self):
        for client in (self.blocking, self.asynchronous):
            with self.subTest(client.__name__):
                script = self.script(hang_up, hang_up, result({"id": "x", "sn": 1, "state": "queued", "repeat": True}))
                self.assertTrue(client(script.path, lambda board: board.send("porch", "hello")).repeat)
                self.assertEqual(len({json.dumps(request["params"]) for request in script.requests}), 1)
                self.assertEqual(len(script.requests), 3)
                self.assertRegex(script.requests[0]["params"]["ref"], r"^[0-9a-f]{32}$")
                os.unlink(script.path)

    def test_what_may_not_be_asked_twice_is_not(self):
        for client in (self.blocking, self.asynchronous):
            with self.subTest(client.__name__):
                script = self.script(hang_up, result({}))
                with self.assertRaises(culver.Unreachable) as lost:
                    client(script.path, lambda board: board.request("identity.create", {"name": "x"}))
                self.assertEqual((lost.exception.reason, len(script.requests)), ("connection-closed", 1))
                os.unlink(script.path)

    def test_a_daemon_that_ends_says_so_and_is_asked_again(self):
        stopping = {"code": -32075, "message": "the daemon is ending", "data": {"reason": "stopping"}}
        script = self.script(lambda request: json.dumps({"id": request["id"], "error": stopping}).encode() + b"\n", result({"a": 1}))
        self.assertEqual(self.blocking(script.path, lambda board: board.status()), {"a": 1})

    def test_an_acknowledgement_that_is_lost_doubles_nothing(self):
        script = self.script(
            result({"cursor": 0}), hang_up,  # the acknowledgement of 1, which comes after both messages
            result({"cursor": 0}, message(1), message(2)), result({"cursor": 1}), result({"cursor": 2}))
        script.answers[0] = result({"cursor": 0}, message(1))
        with culver.Client(script.path).messages("lamp", timeout=1) as messages:
            self.assertEqual([one.text for one in messages], ["1", "2"])
        asked = [(request["method"], request["params"].get("seq")) for request in script.requests]
        self.assertEqual(asked, [
            ("inbox.subscribe", None), ("inbox.ack", 1), ("inbox.subscribe", None), ("inbox.ack", 1), ("inbox.ack", 2)])

    def test_what_was_handed_out_and_kept_comes_once_and_a_seek_shows_it_again(self):
        script = self.script(
            result({"cursor": 0}, message(1), message(2)),
            result({"cursor": 0}, message(1), message(2), message(3)), result({"cursor": 1}),
            result({"cursor": 1}, message(2), message(3)), result({"cursor": 3}),
            result({"cursor": 0}, message(1), message(2)))
        messages = culver.Client(script.path).messages("lamp", timeout=0.3, acknowledge=False)
        self.assertEqual([one.text for one in messages], ["1", "2"])  # each loop ends with its connection
        messages.acknowledge(1)
        self.assertEqual([one.text for one in messages], ["3"])
        messages.acknowledge()
        messages.close()
        self.assertEqual([one.text for one in messages], ["1", "2"])  # somebody sought back meanwhile

    def test_bytes_that_are_no_answer_are_an_error_with_a_reason(self):
        for line in [b"{\n", b"[]\n", b'{"id": 1}\n', b'{"id": null, "result": 1}\n', b"[" * 100_000 + b"\n", b'\xff\n']:
            for client in (self.blocking, self.asynchronous):
                with self.subTest(line=line[:40], client=client.__name__):
                    script = self.script(lambda _: line)
                    with self.assertRaises(culver.CulverError) as wrong:
                        client(script.path, lambda board: board.status())
                    self.assertEqual(wrong.exception.reason, "not-understood")
                    os.unlink(script.path)

    def test_no_line_is_endless(self):
        lines = wire.Wire()
        self.assertEqual(lines.receive(b" " * wire.LONGEST_ANSWER), [])
        with self.assertRaises(culver.CulverError):
            lines.receive(b" ")
        with self.assertRaises(culver.CulverError) as long:
            lines.ask(requests.raw("message.send", {"text": "x" * wire.LONGEST_REQUEST}, True))
        self.assertEqual(long.exception.reason, "line-too-long")

    def test_lines_may_come_in_any_pieces(self):
        whole = b'{"id": 7, "result": {"a": "\xc3\xa4"}}\n{"method": "event", "params": {"n": 1}}\n'
        for size in range(1, len(whole)):
            lines, found = wire.Wire(), []
            for place in range(0, len(whole), size):
                found += lines.receive(whole[place:place + size])
            self.assertEqual(found, [wire.Answer(7, {"a": "ä"}, None), wire.Notice("event", {"n": 1})])

    def blocking(self, path: str, ask):
        with culver.Client(path, patience=30) as board:
            return ask(board)

    def asynchronous(self, path: str, ask):
        async def run():
            async with culver.AsyncClient(path, patience=30) as board:
                return await ask(board)
        return asyncio.run(run())


class Files(Story):
    """Of any size, there and back, through kills."""

    def setUp(self):
        super().setUp()
        broker = self.broker()
        self.left = self.daemon("left", broker, sections=HASTE)
        self.right = self.daemon("right", broker, sections=HASTE)
        self.board, self.other = culver.Client(self.left.socket), culver.Client(self.right.socket)
        self.addCleanup(self.board.close)
        self.addCleanup(self.other.close)
        self.board.wait(self.board.send(self.right.did, "hello").id)  # a file in pieces goes to whom is known to take it

    def file(self, size: int) -> tuple[pathlib.Path, bytes]:
        path = self.directory / f"file-{size}.bin"
        path.write_bytes(data := os.urandom(size))
        return path, data

    def fetched(self, filename: str) -> bytes:
        def whole():
            found = [file for file in self.other.files() if file.filename == filename]
            self.assertLessEqual(len(found), 1)
            return found and found[0].state == "whole" and found[0]

        file = eventually(whole, what=filename)
        place = self.directory / f"fetched-{filename}"
        self.assertEqual(self.other.fetch_file(file.id, place), file.size)
        self.assertEqual([path for path in self.directory.iterdir() if path.suffix == ".part"], [])
        return place.read_bytes()

    def test_files_of_all_sizes_come_as_they_went(self):
        for size in (0, 1, 60_000, 300_000, 1_000_000):
            path, data = self.file(size)
            sent = self.board.send_file(self.right.did, path, text="look", ref=f"file {size}")
            self.assertEqual(self.board.send_file(self.right.did, path, text="look", ref=f"file {size}").id, sent.id)
            self.assertEqual(self.fetched(path.name), data)
        path, data = self.file(2)
        self.board.send_file(self.right.did, path, name="leaf.jpg", thumbnail=b"small")
        self.assertEqual(self.fetched("leaf.jpg"), data)
        self.assertEqual(self.other.inbox(limit=1)[0].content["thumbnail"], "c21hbGw=")
        with self.assertRaises(culver.Refused):
            self.other.fetch_file("nothing", self.directory / "nothing")
        self.assertFalse((self.directory / "nothing").exists())

    def test_a_file_goes_once_through_kills_of_both(self):
        path, data = self.file(8_000_000)
        states = []
        thread = threading.Thread(target=lambda: states.append(self.board.send_file(self.right.did, path).state), daemon=True)
        thread.start()
        for _ in range(3):
            eventually(lambda: not thread.is_alive() or self.begun(), what="a piece")
            for daemon in (self.left, self.right):
                daemon.kill()
                daemon.start()
        thread.join(PATIENCE)
        self.assertEqual(len(states), 1)
        self.assertEqual(self.fetched(path.name), data)

    def begun(self) -> bool:
        """Whether some of the file is on the sender's disk."""
        return any(part.is_file() and part.stat().st_size > 100_000 for part in (self.left.state / "files").rglob("*"))

    def test_a_file_that_shrinks_is_not_sent(self):
        path, _ = self.file(2_000_000)
        with open(path, "rb") as source:
            upload = Upload(source, {"to": self.right.did, "name": "x"})
            path.write_bytes(b"")
            upload._answered({"file": "x", "offset": 0, "piece": 1000})
            with self.assertRaises(culver.CulverError) as wrong:
                upload.pending()
        self.assertEqual(wrong.exception.reason, "cannot-read")

    def test_in_asyncio(self):
        path, data = self.file(400_000)

        async def story():
            async with culver.AsyncClient(self.left.socket) as board:
                await board.send_file(self.right.did, path)
            async with culver.AsyncClient(self.right.socket) as other:
                while not (found := await other.files()) or found[0].state != "whole":
                    await asyncio.sleep(0.05)
                await other.fetch_file(found[0].id, self.directory / "there")
                await other.drop_file(found[0].id)
                self.assertEqual((await other.files())[0].state, "gone")

        asyncio.run(asyncio.wait_for(story(), PATIENCE))
        self.assertEqual((self.directory / "there").read_bytes(), data)


class Calls(Story):
    """Both ways, between programs that both use the client."""

    def setUp(self):
        super().setUp()
        broker = self.broker()
        self.phone, self.gate = (self.daemon(name, broker, sections=HASTE) for name in ("phone", "gate"))
        for one, other in ((self.phone, self.gate), (self.gate, self.phone)):
            one.call("contact.add", did=other.did, name=other.name)
        self.caller, self.board = culver.Client(self.phone.socket), culver.Client(self.gate.socket)
        self.addCleanup(self.caller.close)
        self.addCleanup(self.board.close)

    def serve(self, answer) -> culver.Served:
        """Answers calls of `own` until the end of the test, in a thread of its own."""
        calls = self.board.serve("own", allow=["phone"], args=[{"type": "string"}])
        self.addCleanup(calls.close)

        def work() -> None:
            try:
                for wanted in calls:
                    answer(calls, wanted)
            except (OSError, ValueError, culver.CulverError):
                pass  # the client was closed

        calls.__enter__()
        threading.Thread(target=work, daemon=True).start()
        return calls

    def test_an_answer_in_parts_and_one_in_whole(self):
        def answer(calls, wanted):
            self.assertTrue(calls.reply(wanted, f"{wanted.name} says ", final=False))
            calls.reply(wanted, " ".join([*wanted.args, wanted.input or ""]), status=3)

        self.serve(answer)
        reply = self.caller.call("gate", "own", "hello", input="there")
        self.assertEqual((reply.output, reply.status, reply.error, reply.is_done), ("phone says hello there", 3, None, False))
        parts = list(self.caller.replies("gate", "own", "again", call="mine"))
        self.assertEqual([(part.part, part.output) for part in parts], [(0, "phone says "), (1, "again ")])
        # Under the same name nothing runs, and all is told again.
        self.assertEqual([part.output for part in self.caller.replies("gate", "own", "again", call="mine")], ["phone says ", "again "])

    def test_what_is_refused_is_an_answer_and_no_answer_is_an_exception(self):
        reply = self.caller.call("gate", "own")
        self.assertEqual((reply.status, reply.error, reply.is_done), (77, "no-such-command", False))
        self.gate.stop()
        with self.assertRaises(culver.NotNow) as error:
            self.caller.call("gate", "own", timeout=1)
        self.assertEqual(error.exception.reason, "no-answer")
        with self.assertRaises(culver.Refused) as error:
            self.caller.call("nobody", "own")
        self.assertEqual(error.exception.reason, "unknown-name")

    def test_a_restart_of_both_daemons_in_the_middle(self):
        begun, ended = [], threading.Event()

        def answer(calls, wanted):
            begun.append(wanted.call)
            if wanted.args == ["slow"]:
                self.gate.kill()
                self.gate.start()
                self.assertFalse(calls.reply(wanted, "too late"))
                ended.set()
            else:
                calls.reply(wanted, "done")

        self.serve(answer)
        replies = []
        waiter = threading.Thread(target=lambda: replies.append(self.caller.call("gate", "own", "slow", timeout=60)))
        waiter.start()
        self.assertTrue(ended.wait(PATIENCE))
        self.phone.kill()
        self.phone.start()
        waiter.join()
        self.assertEqual((replies[0].error, replies[0].status), ("interrupted", 75))
        # It serves on by itself.
        self.assertEqual(self.caller.call("gate", "own", "quick", timeout=60).output, "done")
        self.assertEqual(len(begun), 2)

    def test_in_asyncio(self):
        async def talk() -> list:
            async with culver.AsyncClient(self.gate.socket) as board, culver.AsyncClient(self.phone.socket) as caller:
                async with board.serve("own", allow=["phone"], args=[{}]) as calls:
                    async def work() -> None:
                        async for wanted in calls:
                            await calls.reply(wanted, wanted.args[0].upper())

                    worker = asyncio.create_task(work())
                    replies = await asyncio.gather(*[caller.call("gate", "own", word) for word in ("a", "b", "c")])
                    worker.cancel()
                    return [reply.output for reply in replies]

        self.assertEqual(asyncio.run(talk()), ["A", "B", "C"])


# The jobs that a new user has, as such a user writes them: at most ten lines each.

KEEP = """
import sqlite3, sys, culver
table = sqlite3.connect(sys.argv[1])
table.execute("CREATE TABLE IF NOT EXISTS soil (id TEXT PRIMARY KEY, board TEXT, wet REAL)")
with culver.Client() as board:
    for message in board.messages("soil"):
        with table:
            row = (message.id, message.sender, message.data["soil"])
            table.execute("INSERT OR IGNORE INTO soil VALUES (?, ?, ?)", row)
"""

MEASURE = """
import sys, culver
with culver.Client() as board:
    for number in range(int(sys.argv[2])):
        board.send(sys.argv[1], data={"soil": number}, subject="garden/soil", ref=f"soil {number}")
"""

GATE = """
import pathlib, sys, culver
with culver.Client() as board:
    for message in board.messages("gate"):
        pathlib.Path(sys.argv[1]).write_text("open")
        board.send(message.sender, data={"opened": message.data["open"]}, ref=f"opened {message.id}")
"""

BUTTON = """
import sys, culver
with culver.Client() as board, board.messages("button", start="new", timeout=60) as answers:
    board.send(sys.argv[1], data={"open": sys.argv[2]}, ref=f"open {sys.argv[2]}", expiry=30)
    for answer in answers:
        if answer.data and answer.data.get("opened") == sys.argv[2]:
            sys.exit("the gate is open")
"""

CALLED_GATE = """
import pathlib, sys, culver
with culver.Client() as board, board.serve("open", allow=["hub"]) as calls:
    for wanted in calls:
        pathlib.Path(sys.argv[1]).write_text("open")
        calls.reply(wanted, "the gate is open")
"""

CALLING_BUTTON = """
import culver
with culver.Client() as board:
    print(board.call("far", "open").output)
"""

ALL = """
import sys, culver
with culver.Client() as board:
    sent = board.send_to_all(sys.argv[1:], "reboot at three", ref="reboot 2026-11-24")
    print(*[board.wait(one.id).state for one in sent])
"""


class Jobs(Story):
    """Each in a program of its own, through kills of programs and daemons."""

    def setUp(self):
        super().setUp()
        broker = self.broker()
        self.hub = self.daemon("hub", broker, sections=HASTE)
        self.far = self.daemon("far", broker, sections=HASTE)

    def begin(self, text: str, daemon, *arguments: str) -> subprocess.Popen:
        self.assertLessEqual(len(text.strip().splitlines()), 10)
        environment = {**os.environ, "CULVER_SOCKET": daemon.socket, "PYTHONPATH": str(PACKAGE)}
        with open(self.directory / "log", "ab") as log:
            process = start(
                [sys.executable, "-c", text, *arguments], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.addCleanup(end, process)
        return process

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def test_a_sensor_into_sqlite(self):
        file = self.directory / "soil.sqlite"

        def rows() -> list:
            if not file.exists():
                return []
            table = sqlite3.connect(file)
            try:
                return [row[0] for row in table.execute("SELECT wet FROM soil ORDER BY wet")]
            except sqlite3.OperationalError:  # it has none yet
                return []
            finally:
                table.close()

        keeper = self.begin(KEEP, self.hub, str(file))
        sensor = self.begin(MEASURE, self.far, self.hub.did, "60")
        eventually(lambda: len(rows()) >= 10, what=self.log)
        end(keeper, signal.SIGKILL)
        end(sensor, signal.SIGKILL)
        keeper = self.begin(KEEP, self.hub, str(file))
        sensor = self.begin(MEASURE, self.far, self.hub.did, "60")  # from the beginning, under the same refs
        self.hub.kill()
        self.far.kill()
        self.hub.start()
        self.far.start()
        self.assertEqual(sensor.wait(PATIENCE), 0, self.log)
        eventually(lambda: len(rows()) >= 60, what=self.log)
        self.assertEqual(rows(), list(range(60)))
        self.assertIsNone(keeper.poll(), self.log)

    def test_a_button_opens_a_gate_and_knows_it(self):
        file = self.directory / "gate"
        gate = self.begin(GATE, self.far, str(file))
        button = self.begin(BUTTON, self.hub, self.far.did, "1")
        self.assertEqual(button.wait(PATIENCE), 1)
        self.assertIn("the gate is open", self.log)
        self.assertEqual(file.read_text(), "open")
        # The gate's program and both daemons die while it is asked for again.
        end(gate, signal.SIGKILL)
        file.unlink()
        button = self.begin(BUTTON, self.hub, self.far.did, "2")
        eventually(lambda: any(row["content"].get("data") == {"open": "2"} for row in self.far.inbox()))
        for daemon in (self.hub, self.far):
            daemon.kill()
            daemon.start()
        self.begin(GATE, self.far, str(file))
        self.assertEqual(button.wait(PATIENCE), 1)
        self.assertEqual(file.read_text(), "open")
        self.assertEqual(self.log.count("the gate is open"), 2, self.log)

    def test_a_button_calls_a_gate(self):
        for one, other in ((self.hub, self.far), (self.far, self.hub)):
            one.call("contact.add", did=other.did, name=other.name)
        file = self.directory / "gate"
        self.begin(CALLED_GATE, self.far, str(file))
        eventually(lambda: self.hub.tool("call", "far", "open").out == "the gate is open", what="a gate that serves")
        file.unlink()
        self.assertEqual(self.begin(CALLING_BUTTON, self.hub).wait(PATIENCE), 0, self.log)
        self.assertEqual((self.log, file.read_text()), ("the gate is open\n", "open"))

    def test_one_command_to_ten_boards(self):
        names = [f"board{number}" for number in range(10)]
        dids = [self.far.call("identity.create", name=name, key="ecc")["did"] for name in names]
        for name, did in zip(names, dids):
            self.hub.call("contact.add", did=did, name=name)
        for _ in range(2):  # the second time nothing is sent
            self.assertEqual(self.begin(ALL, self.hub, *names).wait(PATIENCE), 0, self.log)
        self.assertEqual(self.log.split(), ["delivered"] * 20)
        self.assertEqual(sorted(row["receiver"] for row in self.far.inbox()), sorted(dids))


if __name__ == "__main__":
    unittest.main()
