"""Real brokers, real daemons, real stock peers, each in a temporary directory and ended by its process id.

A test class is a `Story`; it asks for what it needs and everything is cleaned up, whatever happens:

    class Greeting(Story):
        def test_a_board_greets_another(self):
            broker = self.broker()
            left, right = self.daemon("left", broker), self.daemon("right", broker)
            left.tool("send", right.did, "hello")
"""

import atexit
import ctypes
import getpass
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
VECTORS = pathlib.Path(os.environ.get("CULVER_VECTORS", TOP / "Tests/Vectors"))
PATIENCE = 60.0  # seconds until a thing that should happen is given up; nothing is asserted about speed


def program(name: str, own: pathlib.Path | None = None) -> str:
    """`culverd` or `culver`: of the test's own directory, of CULVER_BIN, else the debug build, else the release build."""
    places = [os.environ["CULVER_BIN"]] if "CULVER_BIN" in os.environ else []
    for place in [own] if own else [*places, TOP / ".build/debug", TOP / ".build/release"]:
        path = pathlib.Path(place) / name
        if path.exists():
            return str(path)
    raise FileNotFoundError(f"{name} is not built")


def python(generation: str) -> str:
    """The interpreter of the environment with the stock packages of `generation`: "2.5", "2.4", "2.2", "1.0" or "0.4"."""
    return os.environ.get(f"CULVER_PYTHON_{generation.replace('.', '')}", str(TOP / f".build/python-{generation}/bin/python"))


MEMBER = 65534  # a user and a group that own nothing here


def as_member() -> list[str]:
    """What stands before a command that root has run by an ordinary user."""
    return ["setpriv", f"--reuid={MEMBER}", f"--regid={MEMBER}", "--clear-groups"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def address_of(did: str) -> str:
    return did.split("/", 1)[0].rsplit("@", 1)[-1]


def eventually(question, patience: float = PATIENCE, what: str = "it"):
    """Asks until the answer is true, and returns the answer."""
    end = time.monotonic() + patience
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {patience:.0f} s; last answer: {answer!r}")
        time.sleep(0.05)


# Processes

_alive: set[subprocess.Popen] = set()
_libc = ctypes.CDLL(None)  # not loaded between fork and exec, where a lock may be held by another thread


def _die_with_parent() -> None:
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: also when the test run is killed


def start(command: list[str], **options) -> subprocess.Popen:
    process = subprocess.Popen(command, preexec_fn=_die_with_parent, **options)
    _alive.add(process)
    return process


def end(process: subprocess.Popen | None, sign: int = signal.SIGTERM) -> int | None:
    """Ends this one process, with force after 10 s, and returns its status."""
    if process is None:
        return None
    if process.poll() is None:
        process.send_signal(sign)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _alive.discard(process)
    return process.returncode


@atexit.register
def _end_all() -> None:
    for process in list(_alive):
        end(process, signal.SIGKILL)


class Mosquitto:
    """Debian's broker on a free loopback port, with a configuration of its own."""

    def __init__(
        self, directory: pathlib.Path, persistence: bool = False, lines: list[str] = (), listener: str = "", port: int = 0
    ):
        self.directory = directory / "broker"
        self.directory.mkdir()
        self.port = port or free_port()
        self.listener = listener
        self.lines = [
            f"user {getpass.getuser()}",  # else it changes to a user who cannot write here
            "allow_anonymous true",
            "log_dest file " + str(self.directory / "log"),
            "log_type error",
            "log_type warning",
            "log_type notice",
            "max_queued_messages 100000",
            f"persistence {'true' if persistence else 'false'}",
            f"persistence_location {self.directory}/",
            # Only what a broker has on disk survives kill -9; it writes after each change here.
            *(["autosave_on_changes true", "autosave_interval 1"] if persistence else []),
            *lines,
        ]
        self.process = None
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def start(self) -> None:
        self.launch()
        eventually(self._answers, 15, "mosquitto's start")

    def launch(self) -> None:
        """Starts it and does not wait until it listens."""
        configuration = self.directory / "mosquitto.conf"
        listener = self.listener or f"listener {self.port} 127.0.0.1"
        own = [line for line in self.lines if not (self._overridden(line))]
        configuration.write_text("\n".join([listener, *own]) + "\n")
        command = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = start([command, "-c", str(configuration)], stderr=subprocess.DEVNULL)

    def configure(self, **settings: str) -> None:
        """Other values from the next start on."""
        self.lines = [line for line in self.lines if line.split()[0] not in settings]
        self.lines += [f"{name} {value}" for name, value in settings.items()]

    def _overridden(self, line: str) -> bool:
        return line == "allow_anonymous true" and "allow_anonymous false" in self.lines

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError("mosquitto ended at once:\n" + self.log)
        if self.listener.startswith("listener 0 "):
            return pathlib.Path(self.listener.split(" ", 2)[2]).exists()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        end(self.process)

    def kill(self) -> None:
        end(self.process, signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()


class Result:
    """What a command printed and how it ended."""

    def __init__(self, command: list[str], code: int, out: bytes, err: bytes):
        self.command, self.code = command, code
        self.out, self.err = out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self) -> list:
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self) -> str:
        return f"$ {' '.join(self.command)[:400]}\n[{self.code}]\n{self.out[:2000]}{self.err[:2000]}"


def tool(
    *arguments: str, input: str | bytes | None = None, timeout: float = PATIENCE, home: pathlib.Path | None = None,
    programs: pathlib.Path | None = None,
):
    """Runs `culver`; its environment has nothing of ours but a home."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CULVER", "XDG"))}
    environment["LC_ALL"] = "C.UTF-8"
    if home is not None:
        environment["HOME"] = environment["XDG_RUNTIME_DIR"] = str(home)
    command = [program("culver", programs), *arguments]
    text = input.encode() if isinstance(input, str) else input
    process = start(
        command,
        stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    try:
        out, err = process.communicate(text, timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"no end within {timeout} s: {Result(command, -9, out, err)!r}") from None
    finally:
        end(process, signal.SIGKILL)
    return Result(["culver", *arguments], process.returncode, out, err)


class Refused(Exception):
    """A JSON-RPC error of the daemon."""

    def __init__(self, error: dict):
        super().__init__(json.dumps(error))
        self.code = error["code"]
        self.reason = (error.get("data") or {}).get("reason")
        self.message = error.get("message", "")


class Closed(AssertionError):
    """The daemon ended the connection."""


class Control:
    """A client of the daemon's socket. Notifications are kept in `notifications` until somebody asks."""

    def __init__(self, path: str):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.buffer = bytearray()
        self.notifications: list[dict] = []
        self.serial = 1000  # not a number that a test would write by hand

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send_line(self, line: bytes) -> None:
        self.socket.sendall(line + b"\n")

    def read(self, patience: float = PATIENCE) -> dict | list | None:
        """The next line, or None at the end of the connection."""
        self.socket.settimeout(patience)
        while b"\n" not in self.buffer:
            piece = self.socket.recv(65536)
            if not piece:
                return None
            self.buffer += piece
        line, _, rest = bytes(self.buffer).partition(b"\n")
        self.buffer = bytearray(rest)
        return json.loads(line)

    def call(self, method: str, **params):
        """The result; the trailing underscore of `from_` goes, because `from` is a word of Python's."""
        self.serial += 1
        params = {name.rstrip("_"): value for name, value in params.items()}
        request = {"jsonrpc": "2.0", "id": self.serial, "method": method, "params": params}
        self.send_line(json.dumps(request).encode())
        while True:
            answer = self.read()
            if answer is None:
                raise Closed(f"the daemon closed the connection during {method}")
            if answer.get("id") == self.serial:
                break
            self.notifications.append(answer)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def notified(self, method: str, patience: float = PATIENCE, **wanted) -> dict:
        """The params of the first notification of `method` that has these members."""
        end = time.monotonic() + patience
        seen = 0
        while True:
            for place in range(seen, len(self.notifications)):
                note = self.notifications[place]
                params = note.get("params", {})
                if note.get("method") == method and all(params.get(name) == value for name, value in wanted.items()):
                    del self.notifications[place]
                    return params
            seen = len(self.notifications)
            try:
                note = self.read(max(0.01, end - time.monotonic()))
            except TimeoutError:
                raise AssertionError(f"no {method} {wanted} within {patience} s") from None
            if note is None:
                raise Closed(f"the daemon closed the connection while {method} was awaited")
            self.notifications.append(note)


def rows(result: dict) -> list:
    """The list of a list method's result, whatever its plural."""
    lists = [value for value in result.values() if isinstance(value, list)]
    if len(lists) != 1:
        raise AssertionError(f"not a list result: {result}")
    return lists[0]


class Daemon:
    """One culverd with a state directory, a socket and a configuration of its own, and the tool for it."""

    def __init__(
        self,
        directory: pathlib.Path,
        name: str,
        url: str | None,
        strangers: str = "open",
        broker_lines: list[str] = (),
        sections: str = "",
        begin: bool = True,
        programs: pathlib.Path | None = None,
    ):
        self.programs = programs
        self.home = directory / name
        self.home.mkdir()
        self.name = name
        self.state = self.home / "state"
        self.socket = str(self.home / "s")
        self.configuration = self.home / "culver.conf"
        broker = "" if url is None else "\n".join(["[broker]", f"url = {url}", *broker_lines])
        self.configuration.write_text(
            f"[agent]\nstate = {self.state}\nsocket = {self.socket}\nstrangers = {strangers}\nlog = debug\n"
            f"[identity]\nname = {name}\n{broker}\n{sections}\n"
        )
        self.environment: dict[str, str] = {}  # added to the daemon's
        self.process = None
        self._did = None
        if begin:
            self.start()

    def start(self) -> None:
        self.launch()
        eventually(self._answers, what="culverd's start")

    def launch(self) -> None:
        """Starts it and does not wait until it answers."""
        log = open(self.home / "log", "ab")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CULVER")}
        environment.update(self.environment)
        self.process = start(
            [program("culverd", self.programs), "--config", str(self.configuration)], stdout=log, stderr=log, env=environment
        )
        log.close()

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"culverd ended with {self.process.returncode}:\n{self.log[-4000:]}")
        try:
            with Control(self.socket) as client:
                # At its first start the daemon makes its identity after the socket is there.
                return "version" in client.call("hello") and bool(rows(client.call("identity.list")))
        except OSError:
            return False

    def stop(self) -> int | None:
        return end(self.process)

    def kill(self) -> None:
        end(self.process, signal.SIGKILL)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    @property
    def rss(self) -> int:
        """Resident bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the daemon is gone")

    def control(self) -> Control:
        return Control(self.socket)

    def call(self, method: str, **params):
        with self.control() as client:
            return client.call(method, **params)

    def tool(self, *arguments: str, **options) -> Result:
        return tool("--socket", self.socket, *arguments, home=self.home, programs=self.programs, **options)

    @property
    def did(self) -> str:
        """The default identity, which the daemon makes at its first start."""
        if self._did is None:
            self._did = eventually(lambda: rows(self.call("identity.list")), what="the first identity")[0]["did"]
        return self._did

    def connected(self) -> bool:
        """Whether the daemon's card can be read back from the broker, so whether its session is up."""
        return "online" in json.dumps(self.call("status"))

    def inbox(self) -> list[dict]:
        """All that arrived, oldest first."""
        found, start = [], 0
        while True:
            page = self.call("inbox.list", limit=1000, start=start)
            found += rows(page)
            start = page.get("next")
            if start is None:
                return sorted(found, key=lambda row: row["seq"])

    def texts(self) -> list[str]:
        return [row["content"].get("text") for row in self.inbox() if "text" in row["content"]]

    def message(self, identifier: str) -> dict:
        return self.call("message.show", id=identifier)

    def reaches(self, identifier: str, *states: str, patience: float = PATIENCE) -> dict:
        """Waits until a message is in one of the states and shows it."""

        def reached():
            shown = self.message(identifier)
            return shown if shown["state"] in states else None

        return eventually(reached, patience, f"state {states} of {identifier}: {self.message(identifier)}")


class Peer:
    """A stock DIMP peer in a process of its own; see peers/postbox.py for the lines."""

    def __init__(self, generation: str, broker: Mosquitto, log: pathlib.Path, *options: str):
        script = {"0.4": "peer_048.py"}.get(generation, f"peer_{generation.replace('.', '')}.py")
        self.events: list[dict] = []
        self.lines: queue.Queue = queue.Queue()
        self.log = log
        with open(log, "ab") as errors:
            self.process = start(
                [python(generation), str(HERE / "peers" / script), "--port", str(broker.port), *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        threading.Thread(target=self._read, daemon=True).start()
        ready = self.event("ready")
        self.did, self.address = ready["did"], ready["address"]

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def command(self, name: str, **fields) -> None:
        self.process.stdin.write(json.dumps({"cmd": name, **fields}).encode() + b"\n")
        self.process.stdin.flush()

    def send(self, to: str, text: str, attach: bool = False, repeat: int = 1) -> list[dict]:
        self.command("send", to=to, text=text, attach=attach, repeat=repeat)
        return [self.event("sent", to=to) for _ in range(repeat)]

    def learn(self, did: str) -> None:
        """Waits until the retained meta and visa of `did` were read."""
        self.command("learn", did=did)
        self.event("learnt", did=did, visa=True)

    def event(self, kind: str, patience: float = PATIENCE, **wanted) -> dict:
        """The first event of this kind with these members; others stay for later questions."""
        end_of_patience = time.monotonic() + patience
        seen = 0
        while True:
            for place in range(seen, len(self.events)):
                event = self.events[place]
                if event["event"] == kind and all(event.get(name) == value for name, value in wanted.items()):
                    return self.events.pop(place)
            seen = len(self.events)
            try:
                event = self.lines.get(timeout=max(0.01, end_of_patience - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind} {wanted} within {patience} s, but {self._summary()}") from None
            if event is None:
                raise AssertionError(f"the peer ended before {kind}:\n{self.log.read_text(errors='replace')[-3000:]}")
            self.events.append(event)

    def text(self, text: str, patience: float = PATIENCE) -> dict:
        """The event of the arrival of this text. Other texts stay for later questions: nobody says which comes first."""
        end_of_patience = time.monotonic() + patience
        others = []
        try:
            while True:
                event = self.event("message", max(0.01, end_of_patience - time.monotonic()))
                if "command" in event["content"]:
                    continue  # a receipt has a text, too
                if event["content"].get("text") == text:
                    return event
                others.append(event)
        finally:
            self.events[:0] = others

    def _summary(self) -> str:
        return json.dumps(self.events)[:2000]

    def stop(self) -> None:
        end(self.process, signal.SIGKILL)
        self.process.stdin.close()
        self.process.stdout.close()


class Story(unittest.TestCase):
    """A test with servers. The directory is short because the path of a Unix socket must be."""

    maxDiff = 4000

    def setUp(self) -> None:
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="culver-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def broker(self, **options) -> Mosquitto:
        broker = Mosquitto(self.directory, **options)
        self.addCleanup(broker.stop)
        return broker

    def daemon(self, name: str, broker: Mosquitto | None, **options) -> Daemon:
        daemon = Daemon(self.directory, name, broker.url if broker else options.pop("url", None), **options)
        self.addCleanup(self._ended, daemon)
        return daemon

    def _ended(self, daemon: Daemon) -> None:
        alive = daemon.alive
        status = daemon.stop()
        if alive and status != 0:
            print(f"\n--- {daemon.name} ended with {status}:\n{daemon.log[-3000:]}", file=sys.stderr)
            raise AssertionError(f"SIGTERM did not end culverd cleanly, but with {status}")

    def peer(self, generation: str, broker: Mosquitto, *options: str) -> Peer:
        peer = Peer(generation, broker, self.directory / f"peer-{len(_alive)}.log", *options)
        self.addCleanup(peer.stop)
        return peer

    def succeeds(self, result: Result) -> Result:
        self.assertEqual(result.code, 0, result)
        return result

    def fails(self, code: int, result: Result) -> Result:
        self.assertEqual(result.code, code, result)
        self.assertNotEqual(result.err, "", result)
        return result
