"""culverd under systemd: what it says, what it takes over, and the units themselves.

From issue 4: Type=notify with a watchdog, socket activation, credentials, the whole hardening, a score of 1.2 at most; a
daemon that works with culver.socket and without. The last class starts a systemd of its own, as process 1 of its own
namespaces, and runs the units as they are installed.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import unittest

from harness import HERE, TOP, Control, Daemon, Mosquitto, Story, end, eventually, program, rows, start, tool
from test_disk import BrokenDisk

CONFIG = TOP / "config"
STOPS = -1  # for faulty_files.c: changes of files wait


class Ear:
    """Listens at NOTIFY_SOCKET."""

    def __init__(self, address: str | bytes):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.heard: list[str] = []

    def listen(self, seconds: float = 0) -> list[str]:
        """Everything heard so far, and within so many seconds from now."""
        until = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(until - time.monotonic(), 0.001))
            try:
                self.heard += self.socket.recv(65536).decode().splitlines()
            except TimeoutError:
                return self.heard

    def hears(self, pattern: str, after: int = 0) -> int:
        """Waits for a line and returns how many were heard by then."""

        def position():
            for place, line in enumerate(self.listen()):
                if place >= after and re.fullmatch(pattern, line):
                    return place + 1
            return None

        return eventually(position, what=f"{pattern} after {self.heard[after:]}")

    def count(self, line: str) -> int:
        return self.listen().count(line)


class Watched(Daemon):
    """A daemon that somebody like systemd started: with NOTIFY_SOCKET, a watchdog, or descriptors from 3 on."""

    handed: list[int] = []

    def launch(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CULVER")}
        environment.update(self.environment)
        # The number of the process is known only in it.
        script = "LISTEN_PID=$$ WATCHDOG_PID=$$; export LISTEN_PID WATCHDOG_PID; "
        moves = " ".join(f"{3 + place}<&{number}" for place, number in enumerate(self.handed))
        command = ["sh", "-c", f'{script if "LISTEN_PID" not in environment else ""}exec "$@" {moves}', "sh"]
        with open(self.home / "log", "ab") as log:
            self.process = start(
                [*command, program("culverd"), "--config", str(self.configuration)],
                stdout=log, stderr=log, env=environment, pass_fds=self.handed,
            )


class Supervised(Story):
    def watched(self, name: str, broker=None, begin: bool = False, **options) -> Watched:
        daemon = Watched(self.directory, name, broker.url if broker else "mqtt://127.0.0.1:9", begin=False, **options)
        self.addCleanup(self._ended, daemon)
        if begin:
            daemon.start()
        return daemon

    def ear(self, daemon: Daemon, abstract: bool = False) -> Ear:
        path = str(self.directory / f"ear-{daemon.name}")
        daemon.environment["NOTIFY_SOCKET"] = "@" + path if abstract else path
        ear = Ear(b"\0" + path.encode() if abstract else path)
        self.addCleanup(ear.socket.close)
        return ear


class Notifying(Supervised):
    def test_it_is_ready_when_the_socket_answers_though_no_broker_does(self):
        for abstract in (False, True):
            board = self.watched(f"board{abstract:d}")
            ear = self.ear(board, abstract)
            board.launch()
            ear.hears("READY=1")
            self.assertIn("version", board.call("hello"))
            ear.hears("STATUS=0 of 1 broker connected.*")
            self.assertEqual(board.stop(), 0)
            ear.hears("STOPPING=1")
            self.assertEqual(ear.count("READY=1"), 1)

    def test_its_status_follows_brokers_and_messages(self):
        broker = self.broker()
        left, right = self.watched("left", broker), self.daemon("right", broker)
        ear = self.ear(left)
        left.start()
        ear.hears("STATUS=1 of 1 broker connected")
        to = right.did
        right.stop()
        place = len(ear.listen())
        left.call("message.send", to=to, text="waits")
        place = ear.hears("STATUS=1 of 1 broker connected, 1 message on the way", place)
        right.start()
        place = ear.hears("STATUS=1 of 1 broker connected", place)
        broker.kill()
        place = ear.hears("STATUS=0 of 1 broker connected.*", place)
        # Nothing changes, so nothing is said.
        self.assertEqual(len(ear.listen(3)), place)

    def test_a_reload_is_told_and_an_error_in_it_too(self):
        board = self.watched("board")
        ear = self.ear(board)
        board.start()
        place = ear.hears("READY=1")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        board.process.send_signal(signal.SIGHUP)
        place = ear.hears("RELOADING=1", place)
        told = int(next(line for line in ear.heard[place:] if line.startswith("MONOTONIC_USEC=")).split("=")[1])
        self.assertTrue(before <= told <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
        place = ear.hears("READY=1", place)
        good = board.configuration.read_text()
        board.configuration.write_text(good + "[nonsense]\n")
        board.process.send_signal(signal.SIGHUP)
        ear.hears("STATUS=.*the configuration has errors.*", ear.hears("RELOADING=1", place))
        place = ear.hears("READY=1", place)
        board.configuration.write_text(good)
        board.process.send_signal(signal.SIGHUP)
        ear.hears("READY=1", place)
        ear.hears("STATUS=0 of 1 broker connected[^,]*", place)

    def test_the_watchdog_hears_of_a_daemon_whose_disk_fails_but_not_of_one_whose_disk_hangs(self):
        disk = BrokenDisk(self, 5)
        board = self.watched("board")
        board.configuration.write_text(
            board.configuration.read_text().replace(f"state = {board.state}", f"state = {disk.path / 'state'}"))
        board.environment.update(disk.environment, WATCHDOG_USEC="1000000")
        ear = self.ear(board)
        board.start()
        count = ear.count("WATCHDOG=1")
        eventually(lambda: ear.count("WATCHDOG=1") >= count + 2, what="the watchdog's food")
        disk.fail()
        with self.assertRaises(Exception):
            board.call("identity.create", name="other")
        count = ear.count("WATCHDOG=1")
        eventually(lambda: ear.count("WATCHDOG=1") >= count + 4, what="the watchdog's food on a disk that fails")
        self.assertTrue(any("the disk fails" in line for line in ear.heard), ear.heard)
        disk.heal()
        eventually(lambda: board.call("identity.create", name="third", ensure=True), what="a disk that works again")

        disk.code = STOPS
        disk.fail()
        with board.control() as client:
            client.send_line(b'{"jsonrpc":"2.0","id":1,"method":"identity.create","params":{"name":"fourth"}}')
            ear.listen(3)  # what was on its way
            count = ear.count("WATCHDOG=1")
            ear.listen(3)
            self.assertEqual(ear.count("WATCHDOG=1"), count)
            disk.heal()
            eventually(lambda: ear.count("WATCHDOG=1") >= count + 2, what="the watchdog's food again")
            self.assertIn("fourth", client.read()["result"]["name"])

    def test_a_watchdog_of_another_process_hears_nothing(self):
        board = self.watched("board")
        board.environment.update(WATCHDOG_USEC="200000", WATCHDOG_PID="1", LISTEN_PID="1", LISTEN_FDS="1")
        ear = self.ear(board)
        board.start()
        ear.hears("READY=1")
        self.assertEqual([line for line in ear.listen(2) if line.startswith("WATCHDOG")], [])

    def test_an_idle_daemon_sleeps(self):
        board = self.watched("board", self.broker())
        board.environment["WATCHDOG_USEC"] = "180000000"
        ear = self.ear(board)
        board.start()
        ear.hears("STATUS=1 of 1 broker connected")
        time.sleep(3)

        def wakeups() -> int:
            tasks = pathlib.Path(f"/proc/{board.process.pid}/task").glob("*/status")
            return sum(int(n) for task in tasks for n in re.findall(r"^voluntary.*\s(\d+)", task.read_text(), re.MULTILINE))

        # The connection is looked after each 15 s; waking up is one switch or two.
        before = wakeups()
        time.sleep(20)
        self.assertLessEqual(wakeups() - before, 8)


class Activated(Supervised):
    def listener(self) -> tuple[socket.socket, pathlib.Path]:
        path = self.directory / "handed"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        path.chmod(0o640)
        listener.listen(16)
        self.addCleanup(listener.close)
        return listener, path

    def activated(self, listener: socket.socket, path: pathlib.Path) -> Watched:
        board = self.watched("board")
        board.environment.update(LISTEN_FDS="1", LISTEN_FDNAMES="culver.socket")
        board.handed = [listener.fileno()]
        board.socket = str(path)
        return board

    def test_it_serves_who_connected_before_it_ran_and_leaves_the_file_alone(self):
        listener, path = self.listener()
        before = path.stat()
        board = self.activated(listener, path)
        with Control(str(path)) as early:
            early.send_line(b'{"jsonrpc":"2.0","id":7,"method":"hello"}')
            board.launch()
            self.assertIn("version", early.read()["result"])
        self.assertIn(board.did, self.succeeds(board.tool("status")).out)
        self.assertFalse((board.home / "s").exists(), "a socket of its own")
        self.assertEqual(board.stop(), 0)
        after = path.stat()
        self.assertEqual((after.st_ino, after.st_mode), (before.st_ino, before.st_mode))
        # Who comes between two runs waits, and is served by the second.
        with Control(str(path)) as between:
            between.send_line(b'{"jsonrpc":"2.0","id":8,"method":"status"}')
            board.start()
            self.assertIn("uptime", between.read()["result"])

    def test_what_is_no_listening_socket_is_refused(self):
        board = self.watched("board")
        board.environment["LISTEN_FDS"] = "1"
        board.environment["LISTEN_FDNAMES"] = "x"
        with open("/dev/null") as nothing:
            board.handed = [nothing.fileno()]
            board.launch()
            self.assertNotIn(board.process.wait(20), (0, None))
        self.assertIn("descriptor 3", board.log)

    def test_what_is_meant_for_another_process_is_not_taken(self):
        listener, path = self.listener()
        board = self.activated(listener, path)
        board.environment["LISTEN_PID"] = "1"
        board.socket = str(board.home / "s")
        board.start()
        self.assertIn("version", board.call("hello"))


class Complaints(Supervised):
    """Whatever goes wrong, and however early: journald is told how bad each line is."""

    def ends(self, *arguments: str, configuration: str = "", **environment: str) -> tuple[int, str]:
        file = self.directory / "culver.conf"
        file.write_text(configuration)
        names = {key: value for key, value in os.environ.items() if not key.startswith("CULVER")}
        ended = subprocess.run(
            [program("culverd"), "--config", str(file), *arguments],
            capture_output=True, text=True, timeout=60, env={**names, **environment},
        )
        self.assertNotEqual(ended.stderr, "")
        for line in ended.stderr.splitlines():
            self.assertRegex(line, r"^<[3467]>")
        return ended.returncode, ended.stderr

    def test_every_line_of_an_early_end_has_a_priority(self):
        agent = f"[agent]\nstate = {self.directory}/state\nsocket = {self.directory}/s\n"
        self.assertEqual(self.ends("--nonsense")[0], 64)
        code, words = self.ends(configuration=agent + "nonsense = 1\n[none]\n[broker]\nurl = x\n")
        self.assertEqual(code, 78)
        self.assertEqual(len(words.splitlines()), 3)
        self.assertEqual(self.ends("--state", "/dev/null/state", configuration=agent)[0], 74)
        self.assertEqual(self.ends("--socket", "/dev/null", configuration=agent)[0], 78)
        self.assertEqual(self.ends(configuration=agent, CULVER_AGENT_LOG="loud")[0], 78)
        made = tool("--state", f"{self.directory}/state", "id", "new", "board", "--ensure", "--json")
        self.succeeds(made)
        secret = next((self.directory / "state/identities").glob("*/secret.json"))
        secret.chmod(0o644)
        code, words = self.ends(configuration=agent)
        self.assertEqual(code, 78)
        self.assertIn("chmod", words)

    def test_every_line_of_a_life_has_a_priority(self):
        board = self.daemon("board", self.broker(), begin=False)
        board.start()
        board.process.send_signal(signal.SIGHUP)
        board.configuration.write_text(board.configuration.read_text() + "[nonsense]\n")
        board.process.send_signal(signal.SIGHUP)
        eventually(lambda: "is kept" in board.log)
        board.stop()
        for line in board.log.splitlines():
            self.assertRegex(line, r"^<[3467]>\S")


class Reloading(Supervised):
    def hup(self, board: Daemon) -> None:
        """Reads the configuration again and waits until it is in effect."""
        count = self.reloads(board)
        board.process.send_signal(signal.SIGHUP)
        eventually(lambda: self.reloads(board) > count, what="a reload")

    def reloads(self, board: Daemon) -> int:
        events = rows(board.call("event.list", kind="config", limit=1000))
        return sum(row["count"] for row in events if row["reason"] == "reloaded")

    def broker_names(self, board: Daemon) -> dict[str, str]:
        return {row["name"]: row["state"] for row in board.call("status")["brokers"]}

    def write(self, board: Daemon, url: str, rest: str = "", log: str = "info") -> None:
        board.configuration.write_text(
            f"[agent]\nstate = {board.state}\nsocket = {board.socket}\nstrangers = open\nlog = {log}\n"
            f"[identity]\nname = {board.name}\n[broker]\nurl = {url}\n{rest}\n")

    def connected(self, board: Daemon, *names: str) -> None:
        wanted = {name: "connected" for name in names}
        eventually(lambda: self.broker_names(board) == wanted, what=f"connections to {names}")

    def test_brokers_come_and_go_and_change_at_sighup(self):
        first = self.broker()
        second = Mosquitto(self.another_directory())
        self.addCleanup(second.stop)
        board, peer = self.daemon("board", first), self.daemon("peer", second)
        self.connected(board, "default")
        connections = first.log.count("New client connected")
        self.write(board, first.url, f"[broker other]\nurl = {second.url}")
        self.hup(board)
        self.connected(board, "default", "other")
        self.succeeds(board.tool("send", peer.did, "by the new one", "--wait", "delivered"))
        # What did not change was left alone.
        self.assertEqual(first.log.count("New client connected"), connections)

        self.write(board, second.url)
        self.hup(board)
        self.connected(board, "default")
        eventually(lambda: re.search(r"Client culver-\S+ disconnected", first.log), what="a farewell to the first")
        self.succeeds(board.tool("send", peer.did, "by the other address", "--wait", "delivered"))
        self.assertEqual(peer.texts(), ["by the new one", "by the other address"])

        # One that cannot be used as it is written stays as it was.
        self.write(board, second.url, "username = x\npassword_file = /nonexistent")
        self.hup(board)
        self.assertIn("default stays as it was: cannot read the password file /nonexistent: no such file", board.log)
        self.succeeds(board.tool("send", peer.did, "still", "--wait", "delivered"))
        self.write(board, second.url, "username = x\npassword_file = word")
        self.hup(board)
        self.assertIn("nobody handed us a credential word", board.log)
        self.assertIn("LoadCredential=word:", board.tool("doctor").out + board.tool("doctor").err)

    def test_nothing_is_lost_and_nothing_comes_twice_while_brokers_come_and_go(self):
        first = self.broker()
        second = Mosquitto(self.another_directory())
        self.addCleanup(second.stop)
        haste = "[delivery]\nreceipt_timeout = 1s"
        other = f"[broker other]\nurl = {second.url}\n{haste}"
        board, peer = self.daemon("board", first, sections=haste), self.daemon("peer", first, sections=other)
        texts = [f"number {number}" for number in range(300)]
        for number, text in enumerate(texts):
            if number % 20 == 0:
                url, rest = [(first.url, other), (second.url, haste), (first.url, haste)][number // 20 % 3]
                self.write(board, url, rest)
                board.process.send_signal(signal.SIGHUP)
            board.call("message.send", to=peer.did, text=text, ref=text)
            peer.call("message.send", to=board.did, text=text, ref=text)
        for one, two in ((board, peer), (peer, board)):
            for text in texts:
                sent = one.call("message.send", to=two.did, text=text, ref=text)
                self.assertIs(sent["repeat"], True)
                one.reaches(sent["id"], "delivered", patience=120)
            self.assertEqual(sorted(two.texts()), sorted(texts))

    def another_directory(self) -> pathlib.Path:
        directory = self.directory / "another"
        directory.mkdir()
        return directory

    def test_a_broker_that_is_away_is_dialled_at_once(self):
        broker = self.broker()
        board = self.daemon("board", None, url="mqtt://127.0.0.1:9")
        eventually(lambda: self.broker_names(board) == {"default": "away"})
        self.write(board, broker.url)
        self.hup(board)
        self.connected(board, "default")

    def test_what_the_files_of_a_broker_hold_belongs_to_the_configuration(self):
        passwords, word = self.directory / "passwords", self.directory / "word"

        def at_both(text: str) -> None:
            subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "board", text], check=True, capture_output=True)
            word.write_text(f"{text}\n")

        at_both("one")
        broker = self.broker(lines=["allow_anonymous false", f"password_file {passwords}"])
        board = self.daemon("board", broker, broker_lines=["username = board", f"password_file = {word}"])
        self.connected(board, "default")
        count = broker.log.count("New client connected")
        self.hup(board)
        at_both("two")
        broker.process.send_signal(signal.SIGHUP)
        self.assertEqual(broker.log.count("New client connected"), count)
        self.hup(board)
        eventually(lambda: broker.log.count("New client connected") == count + 1, what="a connection by the new password")
        self.connected(board, "default")
        # What cannot be read now changes nothing; it is dialled anew neither then nor when it is there again.
        text = word.read_text()
        word.unlink()
        self.hup(board)
        self.assertIn(f"default stays as it was: cannot read the password file {word}", board.log)
        self.assertRegex(board.tool("status").out, "last problem .*stays as it was")
        word.write_text(text)
        self.hup(board)
        self.assertNotIn("last problem", board.tool("status").out)
        self.assertEqual(broker.log.count("New client connected"), count + 1)

    def test_the_log_level_changes_while_it_runs(self):
        board = self.daemon("board", self.broker())
        for level, shows in (("error", False), ("debug", True), ("info", False), ("debug", True)):
            self.write(board, "mqtt://127.0.0.1:9", log=level)
            self.hup(board)
            before = len(board.log)
            self.hup(board)
            self.assertEqual("read the configuration" in board.log[before:], level != "error", level)

    def test_what_a_good_file_says_in_vain_is_in_the_log(self):
        board = self.daemon("board", None, url="mqtt://127.0.0.1:9")
        own, other = board.did, "porch@12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM"
        third = "garden@1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx"
        board.call("contact.add", did=third, name="gate")
        self.write(
            board, "mqtt://127.0.0.1:9",
            f"[access]\nsender = @nosuch nobody-here\n[contact me]\nid = {own}\n[contact gate]\nid = {other}")
        self.hup(board)
        for words in (
            "[access] @nosuch: this machine has no such", "[access] nobody-here:", f"[contact me] is not used: {own}",
            f"{third} is no longer gate",
        ):
            eventually(lambda: f"<4>{words}" in board.log, what=words)
        name = rows(board.call("identity.list"))[0]["name"]
        self.write(board, "mqtt://127.0.0.1:9", f"[contact {name}]\nid = {other}")
        self.hup(board)
        eventually(lambda: f"{name} goes on meaning our own {own}" in board.log, what=board.log)

    def test_the_metrics_go_to_another_file_at_once(self):
        board = self.daemon("board", None, url="mqtt://127.0.0.1:9")
        for name in ("first", "nonexistent/second", "third", "nonexistent/fourth"):
            file = self.directory / name
            self.write(board, "mqtt://127.0.0.1:9", f"[agent]\nmetrics_file = {file}")
            self.hup(board)
            eventually(lambda: file.exists() or f"cannot write {file}" in board.log, what=f"{file}: {board.log}")

    def test_the_environment_beats_the_files_at_a_reload_too(self):
        board = self.daemon("board", None, url="mqtt://127.0.0.1:9", begin=False)
        board.environment.update(CULVER_AGENT_STRANGERS="closed", CULVER_BROKER_URL="mqtt://127.0.0.1:11")
        board.start()
        self.assertEqual(board.call("status")["strangers"], "closed")
        self.write(board, "mqtt://127.0.0.1:13", "[limits]\nclients = 7")
        self.hup(board)
        shown = board.call("status")
        self.assertEqual((shown["strangers"], shown["brokers"][0]["url"]), ("closed", "mqtt://127.0.0.1:11"))
        self.assertIn("limits wait for a restart", board.log)


class Installing(Supervised):
    def installed(self, prefix: str = "/usr") -> pathlib.Path:
        tree = self.directory / "tree"
        built = pathlib.Path(program("culverd")).parent
        command = ["make", "-s", "-o", "build", "install", f"BUILT={built}", f"PREFIX={prefix}", f"DESTDIR={tree}"]
        subprocess.run(command, cwd=TOP, check=True, capture_output=True, timeout=60)
        return tree


class Units(Installing):
    """The files as `make install` leaves them."""

    def test_the_score(self):
        unit = str(self.installed() / "usr/lib/systemd/system/culver.service")
        said = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
            capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        score = re.search(r"Overall exposure level for culver.service: ([0-9.]+)", said.stdout)
        self.assertIsNotNone(score, said)
        self.assertLessEqual(float(score[1]), 1.2, said.stdout)

    def test_there_is_a_place_for_what_the_documents_put_beside_the_configuration(self):
        self.assertTrue((self.installed() / "etc/culver/culver.conf.d").is_dir())

    def test_python_finds_the_module_below_the_prefix(self):
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        for prefix, place in (("/usr", "usr/lib/python3/dist-packages"), ("/usr/local", f"usr/local/lib/python{version}/dist-packages")):
            found = self.installed(prefix) / place
            program = f"import sys; sys.path.insert(0, {str(found)!r}); import culver; print(culver.__file__)"
            said = subprocess.run([sys.executable, "-IBc", program], check=True, capture_output=True, text=True, timeout=60).stdout
            self.assertEqual(said.strip(), str(found / "culver/__init__.py"))
            self.assertEqual(
                sorted(path.name for path in (found / "culver").iterdir()),
                sorted(path.name for path in (TOP / "clients/python/culver").iterdir() if path.is_file()))

    def test_a_package_for_this_machine_needs_nothing_for_others(self):
        for board, others in (("native", False), ("trixie", True)):
            said = subprocess.run(
                ["make", "-n", "deb", f"BOARD={board}"], cwd=TOP, check=True, capture_output=True, text=True, timeout=60).stdout
            self.assertEqual(bool(re.search("need .*(qemu|aarch64)", said)), others, said)

    def test_everybody_may_read_them_whatever_the_umask_of_who_installs(self):
        before = os.umask(0o077)
        try:
            tree = self.installed()
        finally:
            os.umask(before)
        files = [path for path in tree.rglob("*") if path.is_file()]
        self.assertGreater(len(files), 12)
        self.assertEqual([path for path in files if path.stat().st_mode & 0o044 != 0o044], [])

    def test_purging_names_every_identity_whose_key_it_destroys(self):
        script = (CONFIG / "debian/culver.postrm").read_text()
        for place in ("/var/lib/culver", "/etc/culver"):
            script = script.replace(place, f"{self.directory}{place}")
        identities = self.directory / "var/lib/culver/identities"
        for address, visa in (("1Huf", '{"did":"garden@1Huf","data":"{\\"did\\":\\"x\\"}"}'), ("12Pq", None)):
            (identities / address).mkdir(parents=True)
            (identities / address / "secret.json").write_text("{}")
            if visa:
                (identities / address / "visa.json").write_text(visa)
        said = subprocess.run(["sh", "-c", script, "postrm", "purge"], capture_output=True, text=True, timeout=20)
        self.assertEqual((said.returncode, said.stdout), (0, ""), said)
        self.assertEqual(said.stderr.splitlines()[1:], ["  12Pq", "  garden@1Huf"])
        self.assertFalse((self.directory / "var/lib/culver").exists())

    def test_systemd_finds_nothing_to_say_about_them(self):
        for prefix in ("/usr", "/usr/local"):
            tree = self.installed(prefix)
            units = tree / prefix[1:] / "lib/systemd/system"
            # What every system has.
            for name in ("sysinit", "basic", "sockets", "shutdown", "network", "nss-lookup", "multi-user"):
                shutil.copy(f"/lib/systemd/system/{name}.target", units)
            (tree / "bin").mkdir(exist_ok=True)
            shutil.copy("/bin/kill", tree / "bin/kill")
            names = [f"{prefix}/lib/systemd/system/{name}" for name in ("culver.service", "culver.socket")]
            command = ["systemd-analyze", "verify", "--man=no", f"--root={tree}", *names]
            said = subprocess.run(command, capture_output=True, text=True, timeout=60)
            self.assertEqual((said.returncode, said.stdout, said.stderr), (0, "", ""))
            (units / "culver.service").write_text((units / "culver.service").read_text() + "Nonsense=1\n")
            said = subprocess.run(command, capture_output=True, text=True, timeout=60)
            self.assertIn("Nonsense", said.stderr)

    def test_the_sample_of_every_credential_is_named_in_the_configuration_as_the_unit_says(self):
        service = (CONFIG / "culver.service").read_text()
        names = re.findall(r"^#LoadCredential=([^:]+):(/etc/culver/\S+)$", service, re.MULTILINE)
        self.assertGreaterEqual(len(names), 3)
        self.assertIn(f"password_file = {names[0][0]}", service)


class System:
    """A systemd of our own, with the units as installed; see own_systemd."""

    def __init__(self, story: Installing, unit: str = "", configuration: str = ""):
        self.story = story
        self.directory = story.directory / "system"
        self.directory.mkdir()
        story.installed().rename(self.directory / "tree")
        units = self.directory / "units"
        units.mkdir()
        for name in ("sysinit", "basic", "sockets", "shutdown", "network", "nss-lookup", "multi-user"):
            shutil.copy(f"/lib/systemd/system/{name}.target", units)
        for name in ("culver.service", "culver.socket"):
            shutil.copy(self.directory / "tree/usr/lib/systemd/system" / name, units)
        # Who keeps a journal is not there, and a debug build's libraries may be where the unit sees nothing.
        libraries = self.directory / "tree/usr/lib/culver-test"
        libraries.mkdir()
        needed = subprocess.run(["ldd", program("culverd")], check=True, capture_output=True, text=True).stdout
        for path in re.findall(r"=> (/\S+)", needed):
            if not path.startswith(("/lib", "/usr/lib")):
                shutil.copy(path, libraries)
        (units / "culver.service.d").mkdir()
        (units / "culver.service.d/test.conf").write_text(
            f"[Service]\nStandardError=append:/run/culver.log\nEnvironment=LD_LIBRARY_PATH=/usr/lib/culver-test\n{unit}\n")
        (self.directory / "tree/etc/culver/culver.conf.d/test.conf").write_text(configuration)
        self.log = self.directory / "log"
        with open(self.log, "ab") as log:
            self.process = start(["sh", str(HERE / "own_systemd"), str(self.directory)], stdout=log, stderr=log)
        story.addCleanup(self._end)
        self.pid = eventually(self._one, 20, "a systemd of our own")
        eventually(lambda: (self.root / "run/systemd/private").exists(), 20, f"systemd's start: {self.log.read_text()}")

    def _end(self) -> None:
        end(self.process, signal.SIGKILL)
        sweep = ["sh", str(HERE / "own_systemd"), str(self.directory), "swept", str(self.process.pid)]
        # Its processes end a moment after it.
        eventually(lambda: subprocess.run(sweep, capture_output=True).returncode == 0, what="the end of its processes")

    def _one(self) -> int | None:
        """The number of its process 1, out here."""
        if self.process.poll() is not None:
            raise AssertionError("systemd of our own ended: " + self.log.read_text())
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            if pathlib.Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                return int(child)
        return None

    @property
    def root(self) -> pathlib.Path:
        return pathlib.Path(f"/proc/{self.pid}/root")

    @property
    def socket(self) -> str:
        return str(self.root / "run/culver/culver.sock")

    @property
    def words(self) -> str:
        file = self.root / "run/culver.log"
        return self.log.read_text() + (file.read_text() if file.exists() else "no words of culverd")

    def inside(self, *command: str) -> str:
        """What a command says that runs in there."""
        said = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--cgroup", *command],
            capture_output=True, text=True, timeout=120,
        )
        if said.returncode != 0:
            raise AssertionError(f"{command}: {said}\n{self.words}")
        return said.stdout

    def control(self, *command: str) -> str:
        return self.inside("systemctl", *command)

    def shows(self, name: str, unit: str = "culver.service") -> str:
        return self.control("show", "--value", f"--property={name}", unit).strip()

    def call(self, method: str, **params):
        with Control(self.socket) as client:
            return client.call(method, **params)


def may_have_namespaces() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "--pid", "true"], capture_output=True).returncode == 0


@unittest.skipUnless(may_have_namespaces(), "a systemd of one's own takes root and namespaces")
class Running(Installing):
    """The installed units under a real systemd, with all that they forbid."""

    def test_the_service_alone(self):
        broker = self.broker()
        credential = "LoadCredential=broker.password:/etc/culver/secret"
        system = System(self, credential, f"[broker]\nurl = mqtt://localhost:{broker.port}\nusername = {{hostname}}\npassword_file = broker.password\n")
        # Type=notify: who is back from this has seen READY.
        (system.root / "etc/culver/secret").write_text("sesame")
        system.control("start", "culver.service")
        self.assertEqual(system.shows("ActiveState"), "active")
        did = eventually(lambda: rows(system.call("identity.list")), what=system.words)[0]["did"]
        eventually(lambda: system.shows("StatusText") == "1 of 1 broker connected", what=system.words)

        # The files are culver's alone, the socket the group's.
        user = int(system.inside("id", "-u", "culver"))
        for path, mode in (("var/lib/culver", 0o40700), ("run/culver", 0o40755), ("run/culver/culver.sock", 0o140660)):
            found = (system.root / path).stat()
            self.assertEqual((found.st_uid, found.st_mode), (user, mode), path)
        pid = int(system.shows("MainPID"))
        status = system.inside("cat", f"/proc/{pid}/status")
        for line in ("Seccomp:\t2", "NoNewPrivs:\t1", f"CapBnd:\t{0:016x}", f"Uid:\t{user}"):
            self.assertIn(line, status)

        # It does its work: both ways, over a broker, with a board that nobody restrains.
        peer = self.daemon("peer", broker)
        with Control(system.socket) as client:
            sent = client.call("message.send", to=peer.did, text="from within")["id"]
            eventually(lambda: client.call("message.show", id=sent)["state"] == "delivered", what=system.words)
            self.succeeds(peer.tool("contact", "list"))
        asked = peer.call("message.send", to=did, text="into it")["id"]
        peer.reaches(asked, "delivered")
        self.assertEqual(peer.texts(), ["from within"])
        self.assertNotRegex(system.words, r"<[34]>")

        (system.root / "etc/culver/culver.conf.d/test.conf").write_text("[broker]\nurl = mqtt://127.0.0.1:9\n")
        system.control("reload", "culver.service")
        eventually(lambda: system.shows("StatusText") == "0 of 1 broker connected", what=system.words)
        with self.assertRaises(AssertionError):
            (system.root / "etc/culver/culver.conf.d/more.conf").write_text("[nonsense]\n")
            system.control("reload", "culver.service")
        self.assertIn("there is no such section", system.words)
        self.assertIn("version", system.call("hello"))
        self.assertEqual(int(system.shows("MainPID")), pid)
        (system.root / "etc/culver/culver.conf.d/more.conf").unlink()

        system.control("stop", "culver.service")
        self.assertEqual(system.shows("Result"), "success")
        self.assertFalse((system.root / "run/culver/culver.sock").exists())
        self.assertIn("identities", os.listdir(system.root / "var/lib/culver"))
        system.control("start", "culver.service")
        self.assertEqual(rows(system.call("identity.list"))[0]["did"], did)

    def test_the_socket_starts_the_service_and_outlives_it(self):
        system = System(self)
        system.control("start", "culver.socket")
        self.assertEqual(system.shows("ActiveState"), "inactive")
        file = (system.root / "run/culver/culver.sock").stat()
        self.assertEqual(stat.S_IMODE(file.st_mode), 0o660)
        self.assertIn("version", system.call("hello"))
        self.assertEqual(system.shows("ActiveState"), "active")
        system.control("restart", "culver.service")
        self.assertEqual((system.root / "run/culver/culver.sock").stat().st_ino, file.st_ino)
        self.assertIn("version", system.call("hello"))
        # Users of the board who are not in the group are kept out; those who are may ask and send.
        ask = """echo '{"jsonrpc":"2.0","id":1,"method":"METHOD"}' | socat -t 5 - UNIX-CONNECT:/run/culver/culver.sock"""

        def answer(group: str, method: str) -> str:
            user = ["setpriv", "--reuid=1234", f"--regid={group}", "--clear-groups"]
            return system.inside(*user, "sh", "-c", ask.replace("METHOD", method))

        with self.assertRaisesRegex(AssertionError, "Permission denied"):
            answer("1234", "status")
        self.assertIn("uptime", answer("culver", "status"))
        self.assertIn("admin", answer("culver", "identity.default"))
        system.control("stop", "culver.service", "culver.socket")
        self.assertFalse((system.root / "run/culver/culver.sock").exists())

    def test_a_daemon_that_hangs_is_started_again(self):
        system = System(self, "WatchdogSec=2\nRestartSec=0")
        system.control("start", "culver.service")
        time.sleep(5)
        self.assertEqual(system.shows("NRestarts"), "0")
        pid = system.shows("MainPID")
        system.inside("kill", "-STOP", pid)
        eventually(lambda: system.shows("NRestarts") == "1" and system.shows("ActiveState") == "active", what="a new start")
        self.assertNotEqual(system.shows("MainPID"), pid)
        self.assertIn("version", system.call("hello"))

    def test_a_wrong_configuration_is_not_tried_again(self):
        system = System(self, "RestartSec=0", "[nonsense]\n")
        with self.assertRaises(AssertionError):
            system.control("start", "culver.service")
        self.assertEqual((system.shows("NRestarts"), system.shows("ExecMainStatus")), ("0", "78"))

    def test_one_who_knocks_does_not_have_a_wrong_configuration_tried_for_ever(self):
        # As on a slow board: by systemd's own limit, 20 in 2 s, it would never end.
        system = System(self, "ExecStartPre=/bin/sleep 0.15", "[nonsense]\n")
        system.control("start", "culver.socket")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(system.socket)
        eventually(lambda: system.shows("ActiveState", "culver.socket") == "failed", what=system.words)
        self.assertLessEqual(system.words.count("there is no such section"), 5)
        (system.root / "etc/culver/culver.conf.d/test.conf").write_text("")
        system.control("start", "culver.service")
        self.assertIn("version", system.call("hello"))


if __name__ == "__main__":
    unittest.main()
