"""README and docs/ say what is true: verbs and options exist, configurations are good, commands and examples run.

From issue 4: "a local program in shell and in Python on the socket (both tested)".
"""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest

from harness import MEMBER, TOP, Story, as_member, end, eventually, program, start, tool

PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
EXAMPLES = TOP / "docs/examples"
GARDEN, PORCH = "garden@1HufnkADajevJUWAXNFTbHxNxFHQC7hnpx", "porch@12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM"
PROMPT = re.compile(r"^\w*\$ +")


class Block:
    """A fenced piece of a page, and the comment above it."""

    def __init__(self, page: pathlib.Path, mark: str, language: str, text: str):
        self.page, self.mark, self.language, self.text = page, mark, language, text

    def __repr__(self) -> str:
        return f"{self.page.name}: {self.text[:60]!r}"


def blocks(page: pathlib.Path, *languages: str) -> list[Block]:
    found = re.findall(r"(?:<!-- (.*?) -->\n)?```(\w*)\n(.*?)```\n", page.read_text(), re.DOTALL)
    return [Block(page, *parts) for parts in found if not languages or parts[1] in languages]


def every(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page, *languages)]


def commands(text: str) -> list[list[str]]:
    """The words of everything that begins with `culver` in lines of a shell, `sudo` and what stands before a pipe aside."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        line = PROMPT.sub("", line)
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        command = None
        for word in words:
            if set(word) <= set("|&;()<>"):
                command = None
            elif command is None and word == "culver":
                command = []
                found.append(command)
            elif command is None and word in ("sudo", "exec"):
                continue
            elif command is None:
                command = []  # of another program
            else:
                command.append(word)
    return found


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.verbs = json.loads(tool("--experimental-dump-help").out)["command"]

    def check(self, words: list[str], where: str) -> None:
        """Every verb and every option of a command is one that the tool has."""
        command, words = self.verbs, list(words)
        before = []
        while words and words[0] in ("--socket", "--state", "--config"):  # they may stand before the verb
            before, words = [*before, words[0]], words[2:]
        while words and words[0] in (names := [verb["commandName"] for verb in command.get("subcommands", [])]):
            command = command["subcommands"][names.index(words.pop(0))]
        if command.get("subcommands") and words and not words[0].startswith("-"):
            self.fail(f"{where}: there is no `culver {' '.join(words[:2])}`")
        options = {name["name"] for argument in command["arguments"] for name in argument.get("names") or []}
        for word in [*before, *words]:
            if word == "--":
                return
            if word.startswith("--"):
                self.assertIn(word[2:].split("=")[0], options, f"{where}: culver {command['commandName']} has no {word}")

    def test_a_verb_and_an_option_that_there_are_not_are_found(self):
        for wrong in ("culver snd porch hello", "sudo culver contact greet porch", "culver send porch x --soon"):
            with self.assertRaises(AssertionError, msg=wrong):
                for words in commands(wrong):
                    self.check(words, "here")
        self.assertEqual(commands("a$ x | sudo culver id list && culver send b 'c | d'"), [["id", "list"], ["send", "b", "c | d"]])

    def test_every_verb_and_option_that_is_written_exists(self):
        count = 0
        for page in PAGES:
            text = page.read_text()
            fenced = [block.text for block in blocks(page, "sh", "console")]
            indented = re.findall(r"^ {4}(?=\w*\$ |culver )(.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
            inline = re.findall(r"`((?:sudo )?culver(?: [^`]*)?)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
            for piece in [*fenced, *indented, *inline]:
                for words in commands(re.sub(r"^#.*$", "", piece, flags=re.MULTILINE)):
                    self.check(words, page.name)
                    count += 1
        self.assertGreater(count, 40)

    def test_configurations_are_good(self):
        found = [block for block in every("ini") if "[Service]" not in block.text]
        self.assertGreater(len(found), 3)
        with tempfile.TemporaryDirectory() as directory:
            for block in found:
                self.assertEqual(self.checked(block.text, pathlib.Path(directory)), (0, ""), block)

    def checked(self, text: str, directory: pathlib.Path) -> tuple[int, str]:
        """What the daemon says of a configuration, when the files are there that it names."""
        for name in re.findall(r"^\w+_file = (/etc/\S+)$", text, re.MULTILINE):
            file = directory / name.lstrip("/").replace("/", "-")
            file.write_text("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n")
            text = text.replace(name, str(file))
        done = subprocess.run(
            [program("culverd"), "--check", "--config", "/dev/stdin"], input=text, capture_output=True, text=True,
            env={"PATH": os.environ["PATH"]},
        )
        return done.returncode, done.stderr

    def test_what_is_shown_of_an_example_is_the_example(self):
        shown = {block.mark: block.text for block in every() if block.mark.startswith("docs/examples/")}
        programs = sorted(path for path in EXAMPLES.iterdir() if path.is_file())
        for path in programs:
            self.assertEqual(shown.get(f"docs/examples/{path.name}"), path.read_text(), path.name)
            self.assertTrue(os.access(path, os.X_OK), path)
        self.assertEqual(len(shown), len(programs))

    def test_links_and_files_are_there(self):
        for page in PAGES:
            for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
                self.assertTrue((page.parent / link).exists(), f"{page.name}: {link}")
            for path in re.findall(r"`((?:config|docs|cross|clients|Tests)/[\w./-]+)`", page.read_text()):
                self.assertTrue((TOP / path).exists(), f"{page.name}: {path}")


class Lines(Story):
    """Every line of JSON-RPC that a page shows is one that the daemon answers."""

    LINE = re.compile(r"\{\"jsonrpc\":\"2.0\",\"id\":1.*?\}(?=[`'])", re.DOTALL)

    def test_the_lines_are_answered(self):
        board = self.daemon("board", None, url="mqtt://127.0.0.1:9")
        self.succeeds(board.tool("contact", "add", PORCH, "--name", "porch"))
        self.succeeds(board.tool("contact", "add", GARDEN, "--name", "hub"))
        found = []
        for page in [*PAGES, TOP / "config/man/culver-protocol.7"]:
            text = page.read_text().replace("\\-", "-") if page.suffix == ".7" else page.read_text()
            # Braces that name a method and are no whole call would be refused.
            self.assertNotRegex(text, r'\{"method"', page.name)
            found += [(page.name, json.loads(line)) for line in self.LINE.findall(text)]
        self.assertGreaterEqual(len(found), 4)
        for name, call in found:
            with board.control() as client:
                client.send_line(json.dumps(call).encode())
                answer = client.read()
            self.assertIn("result", answer, f"{name}: {call}: {answer}")
            self.assertEqual(call["method"] != "message.send" or "ref" in call["params"], True, f"{name}: {call}")

    def test_socat_waits_for_the_answer(self):
        count = 0
        for page in [*PAGES, TOP / "config/man/culver-protocol.7"]:
            for line in page.read_text().replace("\\-", "-").splitlines():
                if "socat" in line and "UNIX-CONNECT" in line:
                    self.assertIn(" -t ", line, page.name)
                    count += 1
        self.assertGreaterEqual(count, 3)

    def test_the_contents_that_are_shown_are_taken(self):
        board = self.daemon("board", None, url="mqtt://127.0.0.1:9")
        help_text = self.succeeds(tool("send", "--help")).out
        contents = re.findall(r'(\{"type": ?\d+.*?\})', help_text.replace("\n", " "))
        for page in PAGES:
            contents += re.findall(r"echo '(\{\"type\".*?\})'", page.read_text())
        self.assertGreaterEqual(len(contents), 3)
        for content in contents:
            self.succeeds(board.tool("send", PORCH, "--content", "-", input=re.sub(r" +", " ", content)))


class Session(Story):
    """What stands behind `garden$` and `porch$` is typed on two boards, by a user whom `[access]` lets send and no more, as
    it does the members of the group culver."""

    def test_the_first_conversation(self):
        self.converse(TOP / "docs/first-conversation.md")

    def test_the_session_of_the_readme(self):
        self.converse(TOP / "README.md")

    def converse(self, page: pathlib.Path) -> None:
        broker = self.broker()
        access = f"[access]\nsender = @{MEMBER}"
        boards = {name: self.daemon(name, broker, strangers="ask", sections=access) for name in ("garden", "porch")}
        self.directory.chmod(0o755)
        for board in boards.values():
            board.home.chmod(0o755)
            os.chmod(board.socket, 0o666)
        names = {GARDEN: boards["garden"].did, PORCH: boards["porch"].did}
        typed = 0
        for block in blocks(page, "console"):
            if any("sudo " in line for line in block.text.splitlines()):
                continue  # about a system, not a conversation
            out = ""
            for line in block.text.splitlines():
                for old, new in names.items():
                    line = line.replace(old, new)
                prompt = re.match(r"(garden|porch)\$ +(.*)", line)
                if prompt is None:
                    self.assertIn(line, out, "what the page says that is printed")
                    continue
                board, command = boards[prompt[1]], prompt[2]
                self.await_what_is_shown(board, command)
                done = self.typed(board, command)
                self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")
                out = done.stdout
                typed += 1
        self.assertGreater(typed, 5)

    def await_what_is_shown(self, board, command: str) -> None:
        """A reader of the page is slower than a test."""
        if command.startswith("culver contact requests"):
            eventually(lambda: board.call("status")["requests"], what="the request")
        if command.startswith("culver inbox"):
            eventually(board.inbox, what="the message")

    def typed(self, board, command: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, **board_environment(board)}
        # The daemon's own user may do everything: only root can be somebody else here.
        who = as_member() if os.geteuid() == 0 else []
        return subprocess.run(
            [*who, "sh", "-c", command], capture_output=True, text=True, env=environment, timeout=90,
            stdin=subprocess.DEVNULL,
        )


def board_environment(board) -> dict[str, str]:
    path = f"{pathlib.Path(program('culver')).parent}:{os.environ['PATH']}"
    return {
        "PATH": path, "CULVER_SOCKET": board.socket, "HOME": str(board.home), "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(TOP / "clients/python"),
    }


class Programs(Story):
    """The examples, with everything that happens to programs."""

    def setUp(self):
        super().setUp()
        broker = self.broker()
        self.hub = self.daemon("hub", broker, sections="[delivery]\nreceipt_timeout = 2s")
        self.board = self.daemon("board", broker, sections="[delivery]\nreceipt_timeout = 2s")
        self.lamp = self.directory / "lamp"
        self.lamp.write_text("0\n")

    def begin(self, name: str, *arguments: str) -> subprocess.Popen:
        environment = {**os.environ, **board_environment(self.board), "LAMP": str(self.lamp)}
        log = open(self.directory / "log", "ab")
        process = start([str(EXAMPLES / name), *arguments], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        self.addCleanup(end, process, signal.SIGKILL)
        return process

    def switch(self, text: str) -> None:
        self.succeeds(self.hub.tool("send", self.board.did, text))

    def test_the_lamp_in_shell(self):
        self.switched("lamp.sh")

    def test_the_lamp_in_python(self):
        self.switched("lamp.py")

    def test_what_the_sensors_say_is_in_the_table_once(self):
        file = self.directory / "soil.sqlite"

        def rows() -> list:
            with contextlib.closing(sqlite3.connect(file)) as table:
                return table.execute("SELECT data FROM soil ORDER BY id").fetchall()

        process = self.begin("soil.py", str(file))
        for number in range(3):
            self.switch(str(number))
        eventually(lambda: file.exists() and len(rows()) == 3, what="three rows")
        end(process, signal.SIGKILL)
        self.succeeds(self.board.tool("consumer", "seek", "soil", "1"))
        self.begin("soil.py", str(file))
        self.board.kill()
        self.board.start()
        self.switch("3")
        eventually(lambda: len(rows()) >= 4, what="the fourth row")
        self.assertEqual(sorted(rows()), [(str(number),) for number in range(4)])

    def test_what_else_a_page_shows_in_python_runs(self):
        self.succeeds(self.board.tool("contact", "add", self.hub.did, "--name", "porch"))
        pieces = [block for block in every("python") if not block.mark]
        self.assertGreaterEqual(len(pieces), 2)
        for block in pieces:
            environment = {**os.environ, **board_environment(self.board)}
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", block.text], env=environment, capture_output=True, text=True, timeout=120)
            self.assertEqual((done.returncode, done.stderr), (0, ""), block)
            self.assertNotEqual(done.stdout, "", block)
        eventually(lambda: len(self.hub.inbox()) == 101, what="everything that was sent")

    def switched(self, name: str) -> None:
        answers = []

        def follows(text: str) -> None:
            answers.append(f"the lamp is {text}")
            eventually(lambda: self.hub.texts() == answers, what=f"{answers}; {(self.directory / 'log').read_text()}")
            self.assertEqual(self.lamp.read_text(), "1\n" if text == "on" else "0\n")

        process = self.begin(name)
        self.switch("on")
        follows("on")
        self.switch("how are you?")  # nothing for a lamp
        # The program dies; what came meanwhile waits for it.
        end(process, signal.SIGKILL)
        self.switch("off")
        process = self.begin(name)
        follows("off")
        # The daemon goes and comes back under it.
        self.board.stop()
        self.switch("on")
        self.board.start()
        follows("on")
        # It died before it acknowledged anything: all comes again, and nothing is answered twice.
        end(process, signal.SIGKILL)
        self.succeeds(self.board.tool("consumer", "seek", "lamp", "1"))
        process = self.begin(name)
        self.switch("off")
        follows("off")
        self.assertIsNone(process.poll())

    def test_the_thermometer_says_each_minute_once(self):
        minutes = self.directory / "bin"
        minutes.mkdir()
        (minutes / "date").write_text("#!/bin/sh\ncat " + str(minutes / "now") + "\n")
        (minutes / "date").chmod(0o755)
        degrees = self.directory / "thermometer"

        def report(minute: str, millidegrees: int) -> int:
            (minutes / "now").write_text(minute)
            degrees.write_text(f"{millidegrees}\n")
            environment = {**os.environ, **board_environment(self.board), "THERMOMETER": str(degrees)}
            environment["PATH"] = f"{minutes}:{environment['PATH']}"
            return subprocess.run(
                [EXAMPLES / "report.sh", self.hub.did], env=environment, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, timeout=60,
            ).returncode

        self.assertEqual(report("2026-11-24T04:00", 48312), 0)
        self.assertEqual(report("2026-11-24T04:00", 48312), 0)
        self.assertEqual(report("2026-11-24T04:00", 50000), 0)
        self.assertEqual(report("2026-11-24T04:01", -5200), 0)
        eventually(lambda: len(self.hub.texts()) >= 2, what="two reports")
        self.assertEqual(self.hub.texts(), ["48.3", "-5.2"])
        self.board.stop()
        self.assertEqual(report("2026-11-24T04:02", 48312), 69)


class OwnBroker(Story):
    """The page about one's own broker: its commands make the certificates, its samples the broker, its sections boards."""

    def test_authority_broker_and_boards(self):
        page = TOP / "docs/broker.md"
        for block in blocks(page, "sh"):
            if block.mark == "run":
                self.run_here(block.text, HOST="localhost", ADDRESS="nobody")
        samples = TOP / "config/mosquitto"
        access = self.directory / "culver.acl"
        access.write_text((samples / "culver.acl").read_text())
        lines = [
            line.replace("/etc/mosquitto/certs", str(self.directory)).replace("/etc/mosquitto", str(self.directory))
            for line in (samples / "culver.conf").read_text().splitlines()
            if line and not line.startswith(("#", "listener", "persistence", "autosave"))
        ]
        (self.directory / "culver.passwords").touch(mode=0o600)
        broker = self.broker(lines=lines)
        section = [block for block in blocks(page, "ini")][0].text
        boards = []
        for name in ("garden", "porch"):
            board = self.daemon(name, None, url=f"mqtts://localhost:{broker.port}", broker_lines=self.lines(section, name))
            password = self.directory / f"{name}.password"
            password.write_text("sesame\n")
            password.chmod(0o600)
            self.run_here(f"mosquitto_passwd -b culver.passwords {board.did.split('@')[1]} sesame")
            boards.append(board)
        broker.process.send_signal(signal.SIGHUP)
        for board in boards:
            board.stop()
            board.start()
            eventually(lambda: board.call("status")["brokers"][0]["state"] == "connected", what=board.log)
        garden, porch = boards
        self.succeeds(garden.tool("send", porch.did, "hello", "--wait", "delivered"))
        self.assertEqual(porch.texts(), ["hello"])

    def lines(self, section: str, name: str) -> list[str]:
        """What stands in the page, with this test's files."""
        text = section.replace("/etc/culver/private/broker.password", str(self.directory / f"{name}.password"))
        text = text.replace("/etc/culver", str(self.directory))
        return [line for line in text.splitlines() if line and not line.startswith(("[", "url"))]

    def run_here(self, text: str, **variables: str) -> None:
        done = subprocess.run(
            ["sh", "-e", "-c", text], cwd=self.directory, env={**os.environ, **variables}, capture_output=True, text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, f"{text}\n{done.stderr}")


if __name__ == "__main__":
    unittest.main()
