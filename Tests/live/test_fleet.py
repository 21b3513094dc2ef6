"""Many boards from one image: one configuration, what differs comes from the host's name, the identity and credentials.

From issue 4: one configuration for 500 boards, idempotent provisioning without prompts, `id new --ensure`, client
certificates; a card moved to another board is reported. Configuration and script are those of docs/fleet.md. A board here is
a process with mounts and a host name of its own: all have their state in /var/lib/culver.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

from certificates import Authority
from harness import TOP, Daemon, Story, address_of, eventually, program, rows, start
from test_broker_samples import SampleBroker

GUIDE = (TOP / "docs/fleet.md").read_text()


def block(language: str) -> str:
    """The first block in this language of the guide."""
    return re.search(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)[1]


MACHINE = """
hostname "$1"
mount -t tmpfs -o mode=0755 none /var/lib
mount -t tmpfs -o mode=0755 none /run
mkdir /var/lib/culver
mount --bind "$2/state" /var/lib/culver
mount --bind "$3/machine-id" /etc/machine-id
shift 3
exec "$@"
"""


def apart() -> list[str]:
    mine = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *mine, "--mount", "--uts"]


def may_be_apart() -> bool:
    return subprocess.run([*apart(), "true"], capture_output=True).returncode == 0


class Machine:
    """A board without its card: what tells it from others."""

    def __init__(self, directory: pathlib.Path, number: int):
        self.directory = directory / f"machine-{number}"
        self.directory.mkdir()
        (self.directory / "machine-id").write_text(f"{number:032x}\n")


class Board(Daemon):
    """A card with the fleet's image, in a machine."""

    def __init__(self, directory: pathlib.Path, name: str, image: pathlib.Path, machine: Machine):
        self.home = directory / name
        self.name, self.machine, self.image = name, machine, image
        self.state, self.credentials = self.home / "state", self.home / "credentials"
        for place in (self.home, self.state, self.credentials):
            place.mkdir(mode=0o700)
        self.environment = {}
        self.process = self._did = None

    @property
    def programs(self) -> pathlib.Path:
        return pathlib.Path(program("culver")).parent

    def command(self, *command: str) -> list[str]:
        return [
            *apart(), "sh", "-euc", MACHINE, "machine", self.name, str(self.home), str(self.machine.directory), *command]

    @property
    def socket(self) -> str:
        return f"/proc/{self.process.pid}/root/run/culver/culver.sock"

    def launch(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CULVER")}
        environment["CREDENTIALS_DIRECTORY"] = str(self.credentials)
        with open(self.home / "log", "ab") as log:
            self.process = start(
                self.command(program("culverd"), "--config", str(self.image)), stdout=log, stderr=log, env=environment)

    def provision(self) -> dict:
        """As a script of the first boot does it: nobody is there to answer a question."""
        done = subprocess.run(
            self.command("sh", "-euc", block("sh")), env={**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, start_new_session=True,
        )
        if done.returncode != 0 or len(done.stdout.splitlines()) != 1:
            raise AssertionError(done)
        return json.loads(done.stdout)


@unittest.skipUnless(may_be_apart(), "boards of their own take namespaces")
class Fleet(Story):
    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority(self.directory)
        self.broker = SampleBroker(
            self.directory / "broker", self.authority, **{"#require_certificate": "require_certificate"})
        self.addCleanup(self.broker.stop)
        self.site = SampleBroker(self.directory / "site", self.authority, **{"acl_file": "#acl_file"})
        self.addCleanup(self.site.stop)
        self.image = self.directory / "culver.conf"
        self.hub = self.daemon("hub", None, url=self.site.url, begin=False, broker_lines=[
            f"ca_file = {self.authority.certificate}", "username = hub", f"password_file = {self.directory}/hub.password"])
        (self.directory / "hub.password").write_text("hub\n")
        self.site.admit("hub", "hub")
        self.hub.start()
        text = block("ini").replace("mqtts://broker.example:8883", self.broker.url)
        text = text.replace("mqtts://site.example:8883", self.site.url)
        text = re.sub(r"id = hub@\w+", f"id = {self.hub.did}", text) + "[delivery]\nreceipt_timeout = 2s\n"
        self.image.write_text(text)
        self.machines = [Machine(self.directory, number) for number in range(4)]

    def board(self, number: int) -> Board:
        board = Board(self.directory, f"board-{number}", self.image, self.machines[number])
        certificate, key = self.authority.signs(board.name, f"DNS:{board.name}")
        for source, name in ((self.authority.certificate, "broker.ca"), (certificate, "board.crt"), (key, "board.key")):
            shutil.copy(source, board.credentials / name)
        (board.credentials / "broker.password").write_text(f"word of {board.name}\n")
        for file in board.credentials.iterdir():
            file.chmod(0o400)
        self.site.admit(board.name, f"word of {board.name}")
        self.addCleanup(self._ended, board)
        return board

    def states(self, board: Board) -> dict[str, str]:
        return {row["name"]: row["state"] for row in board.call("status")["brokers"]}

    def connected(self, board: Board) -> None:
        eventually(lambda: self.states(board) == {"default": "connected", "site": "connected"}, what=f"both brokers: {board.log}")

    def test_boards_with_one_configuration_talk_to_their_hub(self):
        boards = []
        for number in range(3):
            board = self.board(number)
            first, second = board.provision(), board.provision()
            self.assertEqual((first["created"], second["created"]), (True, False))
            self.assertEqual((first["did"], first["name"]), (second["did"], board.name))
            self.broker.admit(address_of(first["did"]), f"word of {board.name}")
            board.start()
            # The one that was made, and no other.
            self.assertEqual([row["did"] for row in rows(board.call("identity.list"))], [first["did"]])
            boards.append(board)
        self.assertEqual(len({board.did for board in boards}), 3)
        for board in boards:
            self.connected(board)
            self.succeeds(board.tool("send", "hub", f"from {board.name}", "--wait", "delivered"))
            self.succeeds(self.hub.tool("send", board.did, f"to {board.name}", "--wait", "delivered"))
            self.assertEqual(board.texts(), [f"to {board.name}"])
            again = self.succeeds(board.tool("id", "new", board.name, "--ensure", "--json")).json
            self.assertEqual((again["did"], again["created"]), (board.did, False))
        self.assertEqual(sorted(self.hub.texts()), [f"from board-{number}" for number in range(3)])
        # Signed in as what the configuration says, each with its certificate.
        for board in boards:
            self.assertIn(f"u'{address_of(board.did)}'", self.broker.log)
            self.assertIn(f"u'{board.name}'", self.site.log)
        self.fails(73, boards[0].tool("id", "new", boards[0].name))

    def test_a_board_that_nobody_provisioned_makes_its_identity_and_is_admitted_later(self):
        board = self.board(0)
        board.start()
        eventually(lambda: self.states(board)["default"] == "away", what="a refusal")
        self.assertRegex(self.succeeds(board.tool("status")).out, "(?i)not authori[sz]ed|user name or password")
        self.broker.admit(address_of(board.did), f"word of {board.name}")
        board.process.send_signal(signal.SIGHUP)
        self.connected(board)
        made = rows(board.call("identity.list"))
        self.assertEqual([row["name"] for row in made], [board.name])

    def test_a_board_without_a_good_certificate_is_told_why_it_is_not_let_in(self):
        board = self.board(0)
        self.broker.admit(address_of(board.provision()["did"]), f"word of {board.name}")
        certificate, key = board.credentials / "board.crt", board.credentials / "board.key"
        certificate.rename(board.credentials / "kept.crt")
        board.start()
        self.connected_to_site(board)
        self.explains(board, "board.crt: no such file")
        stranger = Authority(self.directory, "stranger")
        for source, target in zip(stranger.signs("fake", "DNS:fake"), (certificate, key)):
            target.unlink(missing_ok=True)
            shutil.copy(source, target)
        board.process.send_signal(signal.SIGHUP)
        self.explains(board, "certificate|unknown ca")

    def explains(self, board: Board, words: str) -> None:
        try:
            eventually(lambda: re.search(words, self.succeeds(board.tool("status")).out), what=f"{words} in the status")
        except AssertionError as error:
            raise AssertionError(board.tool("status").out + board.log) from error

    def test_a_card_in_another_board_is_reported(self):
        board = self.board(0)
        board.provision()
        board.start()
        self.connected_to_site(board)
        self.assertEqual(self.clone_events(board), [])
        did = board.did
        self.assertEqual(board.stop(), 0)
        board.machine = self.machines[1]
        board.start()
        self.assertEqual(board.did, did)
        self.assertEqual(eventually(lambda: self.clone_events(board), what="the report"), ["foreign-board"])
        self.assertIn("<4>the state directory was made on another board", board.log)
        # It is reported, and the board does its work.
        self.connected_to_site(board)
        self.succeeds(board.tool("send", "hub", "moved", "--wait", "delivered"))

    def connected_to_site(self, board: Board) -> None:
        eventually(lambda: self.states(board)["site"] == "connected", what=f"the site's broker: {board.log}")

    def clone_events(self, board: Board) -> list[str]:
        return [row["reason"] for row in rows(board.call("event.list", kind="clone", limit=1000))]


if __name__ == "__main__":
    unittest.main()
