"""A board's backup: taken while it runs, restored elsewhere, and moved for good.

From issue 4: `backup` while running, `restore`, `--final` retirement. Promise 1 holds over all of them.
"""

import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile
import threading
import time
import unittest

from harness import Daemon, Refused, Story, end, eventually, program, rows, start, tool
from test_disk import SmallDisk


QUICK = "[delivery]\nreceipt_timeout = 1s"


class Backups(Story):
    def deliver(self, sender: Daemon, receiver: Daemon, *texts: str) -> None:
        for text in texts:
            self.succeeds(sender.tool("send", receiver.did, text, "--wait", "delivered", timeout=120))

    def backup(self, board: Daemon, name: str = "backup.tar", *options: str) -> pathlib.Path:
        path = self.directory / name
        self.succeeds(board.tool("backup", str(path), *options))
        return path

    def restore(self, path: pathlib.Path, name: str, broker, **options) -> Daemon:
        """A daemon, not started, on a state directory made from the backup."""
        board = self.daemon(name, broker, begin=False, **options)
        self.succeeds(tool("restore", str(path), "--state", str(board.state)))
        return board

    def reasons(self, board: Daemon, kind: str) -> list[str]:
        return [event.get("reason") for event in rows(board.call("event.list", kind=kind, limit=1000))]

    def is_untroubled(self, *boards: Daemon) -> None:
        """Nobody thinks that messages are missing or that there are two of a board."""
        for board in boards:
            self.assertEqual(self.reasons(board, "clone") + self.reasons(board, "gap"), [], board.name)
            self.assertIsNone(board.call("status").get("standing_back"))

    def refuses_to_start(self, board: Daemon) -> str:
        """Starts it, and returns what it said before it ended with 78."""
        before = len(board.log) if (board.home / "log").exists() else 0
        board.launch()
        self.assertEqual(board.process.wait(30), 78)
        end(board.process)
        return board.log[before:]


class Running(Backups):
    def test_a_board_goes_on_where_its_backup_is_restored(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker), self.daemon("peer", broker)
        self.deliver(board, peer, "1")
        self.deliver(peer, board, "a", "b", "c")
        self.succeeds(board.tool("contact", "rename", peer.did, "friend"))
        read = self.succeeds(board.tool("inbox", "--consumer", "lamp", "--count", "2", "--ack"))
        self.assertEqual(len(read.out.splitlines()), 2)
        kept = self.backup(board)
        self.assertEqual(kept.stat().st_mode & 0o777, 0o600)
        self.assertFalse((board.state / "backup").exists())

        # A person can look into it, and another program.
        names = subprocess.run(["tar", "tf", str(kept)], capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(names[0], "backup.json")
        self.assertIn("messages.sqlite", names)
        self.assertIn(f"identities/{board.did.split('@')[1]}/secret.json", names)
        self.assertEqual([name for name in names if name.startswith(("keys/", "install", "lock"))], [])
        with tarfile.open(kept) as archive:
            about = json.load(archive.extractfile("backup.json"))
            self.assertEqual(about["identities"], [board.did])
            self.assertFalse(about["final"])
        self.assertIn("private keys", self.succeeds(board.tool("backup", str(kept))).err)

        self.fails(75, tool("restore", str(kept), "--state", str(peer.state)))
        peer.stop()
        self.fails(73, tool("restore", str(kept), "--state", str(peer.state)))
        peer.start()
        nonce = json.loads((board.state / "install.json").read_text())["nonce"]
        board.kill()
        other = self.restore(kept, "other", broker)
        self.assertNotEqual(json.loads((other.state / "install.json").read_text())["nonce"], nonce)
        for path in other.state.rglob("*"):
            if path.name == "secret.json" or path.parent.name == "visa-keys":
                self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)
        other.start()
        self.assertEqual(other.did, board.did)
        self.assertEqual(other.texts(), ["a", "b", "c"])
        left = self.succeeds(other.tool("--json", "inbox", "--consumer", "lamp", "--count", "1", "--ack"))
        self.assertEqual([line["content"]["text"] for line in left.lines], ["c"])
        self.deliver(other, peer, "2")
        self.deliver(peer, other, "d")
        self.succeeds(other.tool("send", "friend", "3", "--wait", "delivered"))
        self.assertEqual(peer.texts(), ["1", "2", "3"])
        self.is_untroubled(other, peer)
        self.assertIn("restored", self.reasons(other, "start"))

    def test_an_old_backup_loses_and_doubles_nothing(self):
        """Messages that were sealed, that waited for a key, and that were delivered after the backup was taken."""
        broker = self.broker()
        board, peer = self.daemon("board", broker, sections=QUICK), self.daemon("peer", broker, sections=QUICK)
        late = self.daemon("late", None, url=broker.url)
        self.deliver(board, peer, "first")
        peer.stop()
        did = late.did
        late.stop()
        # Whose card no broker has: the message waits unsealed.
        unknown = self.daemon("unknown", None)
        stranger = unknown.did
        unknown.stop()
        for text in ("queued 1", "queued 2"):
            board.tool("send", peer.did, text)
        board.tool("send", did, "to the late one")
        board.tool("send", stranger, "without a key")
        self.assertEqual(board.call("message.list")["messages"][-1]["state"], "waiting")
        kept = self.backup(board)
        board.tool("send", peer.did, "after the backup")
        peer.start()
        late.start()
        unknown.configuration.write_text(unknown.configuration.read_text() + f"[broker]\nurl = {broker.url}\n")
        unknown.start()
        for row in board.call("message.list")["messages"]:
            board.reaches(row["id"], "delivered")
        board.kill()

        other = self.restore(kept, "other", broker, sections=QUICK)
        other.start()
        for row in other.call("message.list")["messages"]:
            other.reaches(row["id"], "delivered")
        self.deliver(other, peer, "on the new board")
        self.deliver(other, unknown, "once more")
        self.assertEqual(
            peer.texts(), ["first", "queued 1", "queued 2", "after the backup", "on the new board"])
        self.assertEqual(late.texts(), ["to the late one"])
        self.assertEqual(unknown.texts(), ["without a key", "once more"])
        self.is_untroubled(other, peer, late, unknown)

    def test_backups_while_messages_flow(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker, sections=QUICK), self.daemon("peer", broker, sections=QUICK)
        self.deliver(board, peer, "0")
        self.deliver(peer, board, "0")
        ids, stop = [], threading.Event()

        def send():
            with board.control() as client, peer.control() as back:
                number = 0
                while not stop.is_set():
                    number += 1
                    ids.append(client.call("message.send", to=peer.did, text=f"out {number}")["id"])
                    back.call("message.send", to=board.did, text=f"in {number}")
                    time.sleep(0.005)

        flow = threading.Thread(target=send)
        flow.start()
        try:
            kept = [self.backup(board, f"{number}.tar") for number in range(5)]
        finally:
            stop.set()
            flow.join()
        for identifier in ids:
            board.reaches(identifier, "delivered")
        board.stop()
        # What one of them holds, all of it, goes on.
        other = self.restore(kept[2], "other", broker, sections=QUICK)
        other.start()
        with other.control() as client:
            pending = [row["id"] for row in rows(client.call("message.list", limit=1000))]
        for identifier in pending:
            other.reaches(identifier, "delivered")
        self.deliver(other, peer, "end")
        texts = peer.texts()
        self.assertEqual(sorted(set(texts)), sorted(texts))
        self.assertEqual(set(texts), {"0", "end"} | {f"out {number}" for number in range(1, len(ids) + 1)})
        self.assertEqual(len(set(other.texts())), len(other.texts()))
        self.is_untroubled(other, peer)

    def test_one_backup_at_a_time_and_none_is_left_behind(self):
        board = self.daemon("board", None)
        with board.control() as client:
            begun = client.call("backup.begin")
            self.assertTrue((board.state / "backup").exists())
            for wrong in ("../install.json", "install.json", "lock", "/etc/passwd", ""):
                with self.assertRaises(Refused) as refused:
                    client.call("backup.read", backup=begun["backup"], name=wrong)
                self.assertEqual(refused.exception.reason, "unknown-file")
            busy = self.fails(75, board.tool("backup", str(self.directory / "second")))
            self.assertIn("another backup", busy.err)
            self.assertFalse((self.directory / "second").exists())
            with self.assertRaises(Refused):
                board.call("backup.read", backup=begun["backup"], name=begun["files"][0]["name"])
        eventually(lambda: not (board.state / "backup").exists(), what="the end of the backup")
        self.backup(board)

        with board.control() as client:
            client.call("backup.begin")
            board.kill()
        self.assertTrue((board.state / "backup").exists())
        board.start()
        self.assertFalse((board.state / "backup").exists())
        self.assertEqual([path.name for path in self.directory.iterdir() if path.name.endswith(".part")], [])

    def test_a_backup_goes_through_a_pipe_and_without_a_daemon(self):
        board = self.daemon("board", None)
        did = board.did
        piped = self.directory / "piped.tar"
        with open(piped, "wb") as file:
            command = [program("culver"), "--socket", board.socket, "backup", "-"]
            self.assertEqual(subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL).returncode, 0)
        self.fails(75, tool("backup", str(self.directory / "no"), "--state", str(board.state)))
        # More files than one answer names.
        for number in range(4200):
            path = board.state / "groups" / f"g{number}" / "members.json"
            path.parent.mkdir(parents=True)
            path.write_text("[]")
        many = self.backup(board, "many.tar")
        board.stop()
        offline = self.directory / "offline.tar"
        self.succeeds(tool("backup", str(offline), "--state", str(board.state)))
        for path in (many, offline):
            with tarfile.open(path) as archive:
                self.assertEqual(sum(name.startswith("groups/") for name in archive.getnames()), 4200)
        for number, path in enumerate([piped, offline]):
            other = self.restore(path, f"other{number}", None)
            other.start()
            self.assertEqual(other.did, did)
            other.stop()
        self.assertEqual(len(list((other.state / "groups").iterdir())), 4200)
        with open(piped, "rb") as file:
            state = self.directory / "stdin"
            command = [program("culver"), "restore", "-", "--state", str(state)]
            self.assertEqual(subprocess.run(command, stdin=file, capture_output=True).returncode, 0)


    def test_a_backup_has_its_own_end_of_time(self):
        """An identity that is made while the backup is copied is neither in it nor said to be."""
        board, other = self.daemon("board", None), self.daemon("other", None)
        for number in range(1000):
            path = board.state / "groups" / f"g{number}" / "members.json"
            path.parent.mkdir(parents=True)
            path.write_text("[" + "[]," * 2000 + "[]]")
        board_did, exported = board.did, json.loads(self.succeeds(other.tool("id", "export", "other", "-")).out)
        kept = self.directory / "kept.tar"
        process = start([program("culver"), "--socket", board.socket, "backup", str(kept)], stderr=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL)
        eventually(lambda: (board.state / "backup").exists(), what="the backup's moment")
        board.call("identity.import", identity=exported)
        self.assertEqual(process.wait(60), 0)
        end(process)
        again = self.restore(kept, "again", None)
        again.start()
        self.assertEqual([row["did"] for row in rows(again.call("identity.list"))], [board_did])

    def test_a_backup_is_written_to_a_file_and_replaces_nothing_else(self):
        board = self.daemon("board", None)
        board.did
        path = self.directory / "there"
        for make, remove in ((path.mkdir, path.rmdir), (lambda: os.mkfifo(path), path.unlink),
                             (lambda: path.symlink_to("elsewhere"), path.unlink)):
            make()
            kind = path.lstat().st_mode
            for command in (("backup", str(path)), ("backup", str(path), "--final"), ("id", "export", "board", str(path))):
                self.assertIn("cannot write", self.fails(74, board.tool(*command)).err)
            self.assertEqual(path.lstat().st_mode, kind)
            remove()
        self.assertNotIn("retired", board.call("status"))
        path.write_text("old")
        self.succeeds(board.tool("backup", str(path)))
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        locked = self.fails(75, tool("restore", str(path), "--state", str(board.state)))
        self.assertIn("systemctl stop", locked.err)
        board.stop()
        full = self.fails(73, tool("restore", str(path), "--state", f"{board.state}/"))
        self.assertIn(f"mv {board.state} {board.state}.old", full.err)

    def test_a_full_disk_is_said_and_changes_nothing(self):
        disk = SmallDisk(self)
        board = self.daemon("board", None, begin=False)
        shutil.copytree(board.home, disk.path / "home")
        text = board.configuration.read_text().replace(str(board.state), str(disk.path / "state"))
        board.configuration.write_text(text)
        board.state = disk.path / "state"
        board.start()
        did = board.did
        kept = self.backup(board)
        before = kept.read_bytes()
        disk.fail()
        full = self.fails(75, board.tool("backup", str(kept), "--final"))
        self.assertIn("space", full.err)
        self.assertEqual(kept.read_bytes(), before)
        eventually(lambda: "retiring" not in board.call("status"), what="going on")
        # The file's disk is full, too.
        full = self.fails(75, tool("backup", str(disk.path / "b.tar"), "--socket", board.socket))
        self.assertIn("space", full.err)
        self.fails(75, tool("restore", str(kept), "--state", str(disk.path / "other")))
        disk.heal()
        self.assertFalse((board.state / "backup").exists())
        self.backup(board)
        self.assertEqual([path.name for path in disk.path.iterdir() if "b.tar" in path.name], [])
        self.succeeds(tool("restore", str(kept), "--state", str(disk.path / "other")))
        self.assertIn(did, self.succeeds(tool("id", "list", "--state", str(disk.path / "other"))).out)


class Moving(Backups):
    def test_a_board_moves_with_its_queue_and_its_inbox(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker), self.daemon("peer", broker)
        self.deliver(board, peer, "before")
        self.deliver(peer, board, "a", "b", "c")
        self.succeeds(board.tool("inbox", "--consumer", "lamp", "--count", "1", "--ack"))
        peer.stop()
        for number in range(20):
            self.succeeds(board.tool("send", peer.did, f"queued {number}"))
        kept = self.backup(board, "final.tar", "--final")
        shown = self.succeeds(board.tool("status"))
        self.assertIn("retired", shown.out)
        refused = self.fails(78, board.tool("send", peer.did, "too late"))
        self.assertIn("moved", refused.err)
        self.fails(78, board.tool("inbox", "--consumer", "lamp", "--count", "1", "--ack"))
        # Nothing of it lies at the broker, and nothing is sent.
        broker.restart()
        peer.start()
        eventually(lambda: "connected" in str(peer.call("status")["brokers"]), what="the peer's connection")
        time.sleep(1)
        self.assertEqual(peer.texts(), ["before"])
        board.stop()
        words = self.refuses_to_start(board)
        self.assertIn("culver backup --final", words)
        self.fails(78, tool("id", "list", "--state", str(board.state)))

        other = self.restore(kept, "other", broker)
        other.start()
        for row in other.call("message.list")["messages"]:
            other.reaches(row["id"], "delivered")
        self.assertEqual(peer.texts(), ["before"] + [f"queued {number}" for number in range(20)])
        left = self.succeeds(other.tool("--json", "inbox", "--consumer", "lamp", "--count", "2", "--ack"))
        self.assertEqual([line["content"]["text"] for line in left.lines], ["b", "c"])
        self.deliver(peer, other, "d")
        self.is_untroubled(other, peer)

    def test_a_final_backup_that_is_given_up_retires_nobody(self):
        broker = self.broker()
        board, peer = self.daemon("board", broker), self.daemon("peer", broker)
        self.deliver(board, peer, "1")
        with board.control() as client:
            client.call("backup.begin", final=True)
            self.assertTrue(board.call("status")["retiring"])
            self.fails(75, board.tool("send", peer.did, "not now"))
        eventually(lambda: "retiring" not in board.call("status"), what="the end of moving")
        self.deliver(board, peer, "2")
        # Gone before the brokers are left.
        with board.control() as client:
            client.send_line(b'{"jsonrpc":"2.0","id":1,"method":"backup.begin","params":{"final":true}}')
            eventually(lambda: board.call("status").get("retiring"), what="moving")
        eventually(lambda: "retiring" not in board.call("status"), what="the end of moving")
        self.deliver(board, peer, "2a")
        # A file that cannot be written.
        self.assertNotEqual(board.tool("backup", str(self.directory / "no" / "file"), "--final").code, 0)
        self.deliver(board, peer, "3")
        # Dead before the backup was complete: nobody has it.
        with board.control() as client:
            client.call("backup.begin", final=True)
            board.kill()
        board.start()
        self.deliver(board, peer, "4")
        self.assertEqual(peer.texts(), ["1", "2", "2a", "3", "4"])
        self.is_untroubled(peer)

    def test_a_board_that_dies_while_its_final_backup_is_written_goes_on(self):
        board = self.daemon("board", None)
        cut = self.directory / "cut.tar"
        for victim in ("daemon", "tool"):
            writer = start(
                [program("culver"), "--socket", board.socket, "backup", "-", "--final"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            # The pipe is full long before the end, so it waits for us.
            first = writer.stdout.read(1024)
            self.assertTrue(board.call("status")["retiring"])
            if victim == "daemon":
                board.kill()
            else:
                end(writer, signal.SIGKILL)
            cut.write_bytes(first + writer.stdout.read())
            writer.stdout.close()
            self.assertNotEqual(writer.wait(30), 0)
            end(writer)
            self.fails(65, tool("restore", str(cut), "--state", str(self.directory / "fresh")))
            if victim == "daemon":
                board.start()
            eventually(lambda: "retiring" not in board.call("status"), what="going on")
            self.assertFalse((board.state / "retired.json").exists())
            self.assertFalse((board.state / "backup").exists())
            self.succeeds(board.tool("send", "moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk", "accepted"))

    def test_what_has_retired_is_written_out_again(self):
        """Whatever becomes of the file after the board has retired, it is not lost."""
        board = self.daemon("board", None)
        did = board.did
        with board.control() as client:
            begun = client.call("backup.begin", final=True)
            self.assertTrue(client.call("backup.end", backup=begun["backup"], complete=True)["retired"])
        again = self.backup(board, "again.tar")
        board.kill()
        self.assertIn(begun["backup"], self.refuses_to_start(board))
        offline = self.directory / "offline.tar"
        self.succeeds(tool("backup", str(offline), "--state", str(board.state)))
        for number, path in enumerate([again, offline]):
            with tarfile.open(path) as archive:
                about = json.load(archive.extractfile("backup.json"))
            self.assertEqual((about["backup"], about["final"]), (begun["backup"], True))
            other = self.restore(path, f"other{number}", None)
            other.start()
            self.assertEqual(other.did, did)


class Restoring(Backups):
    def setUp(self) -> None:
        super().setUp()
        self.board = self.daemon("board", None)
        self.did = self.board.did
        self.board.call("contact.add", did="moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk", name="moki")
        self.kept = self.backup(self.board)
        self.board.stop()
        self.state = self.directory / "fresh"

    def refused(self, path: pathlib.Path, *words: str, code: int = 65):
        """And nothing is left of it: the next one may begin at once."""
        result = self.fails(code, tool("restore", str(path), "--state", str(self.state)))
        for word in words:
            self.assertIn(word, result.err)
        self.assertEqual([item.name for item in self.state.iterdir() if item.name != "lock"], [])

    def changed(self, change) -> pathlib.Path:
        """The archive with other members: `change` takes and returns a list of (TarInfo, bytes)."""
        with tarfile.open(self.kept) as archive:
            members = [(info, archive.extractfile(info).read()) for info in archive]
        path = self.directory / "changed.tar"
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for info, content in change(members):
                if info.isreg():
                    info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return path

    def extra(self, name: str, content: bytes = b"{}", **fields):
        def change(members):
            info = tarfile.TarInfo(name)
            for field, value in fields.items():
                setattr(info, field, value)
            return [*members, (info, content)]

        return self.changed(change)

    def replaced(self, ending: str, content: bytes):
        def change(members):
            changed = [(info, content if info.name.endswith(ending) else old) for info, old in members]
            self.assertNotEqual(changed, members)
            return changed

        return self.changed(change)

    def test_hostile_archives_are_refused_and_leave_nothing(self):
        outside = self.directory / "outside"
        whole = self.kept.read_bytes()
        for count in (0, 100, 512, 700, len(whole) // 2, len(whole) - 1024, len(whole) - 512, len(whole) - 1):
            cut = self.directory / "cut.tar"
            cut.write_bytes(whole[:count])
            self.refused(cut)
        damaged = bytearray(whole)
        damaged[600] ^= 1
        cut.write_bytes(damaged)
        self.refused(cut)
        for name in (
            "../outside", "/etc/outside", "contacts/../../outside", "contacts//x.json", "contacts/./x.json", ".hidden",
            "install.json", "lock", "retired.json", "backup/x", "restoring.json", "contacts/a/b/c/d.json",
            "contacts/a/x.so", "messages.sqlite-wal", "x",
        ):
            self.refused(self.extra(name), "no file of a state directory")
        self.refused(self.extra("backup.json"))
        self.refused(self.extra("contacts/x/meta.json", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "regular file")
        self.refused(self.extra("contacts/x/meta.json", type=tarfile.LNKTYPE, linkname="backup.json"), "regular file")
        self.refused(self.extra("contacts/x", type=tarfile.DIRTYPE), "regular file")
        self.refused(self.extra("contacts/x/meta.json", type=tarfile.CHRTYPE), "regular file")
        self.refused(self.extra("contacts/x/meta.json", b" " * (1 << 20) + b"{}"), "at most")
        self.refused(self.extra("messages.sqlite"), "twice")
        self.refused(self.extra("contacts/x/meta.json", b"{"), "contacts/x/meta.json")
        self.refused(self.replaced("secret.json", b'{"algorithm": "RSA", "data": "no key"}'))
        self.refused(self.replaced("identities/" + self.address + "/meta.json", b"{}"))
        self.refused(self.replaced("messages.sqlite", b"no database" * 1000), "messages.sqlite")
        self.refused(self.replaced("backup.json", b'{"identities": []}'), "identities")
        self.refused(self.replaced("backup.json", b"[1, 2"), "backup.json")
        self.refused(self.changed(lambda members: members[1:]), "backup.json")
        self.refused(self.changed(lambda members: [one for one in members if "identities/" not in one[0].name]))
        large = bytearray(whole)
        large[124:136] = b"77777777777\0"
        large[148:156] = b" " * 8
        large[148:156] = b"%06o\0 " % sum(large[:512])
        cut.write_bytes(large)
        self.refused(cut)
        self.assertFalse(outside.exists())
        self.fails(66, tool("restore", str(self.directory / "none"), "--state", str(self.state)))
        self.fails(64, tool("restore", str(self.kept)))
        self.succeeds(tool("restore", str(self.kept), "--state", str(self.state)))
        # A new directory below new ones.
        new = self.directory / "not" / "there" / "yet"
        self.succeeds(tool("restore", str(self.kept), "--state", str(new)))
        self.assertIn("identities", [item.name for item in new.iterdir()])

    @property
    def address(self) -> str:
        return self.did.split("@")[1]

    def test_a_restore_that_is_killed_is_begun_again(self):
        whole = self.kept.read_bytes()
        other = self.daemon("other", None, begin=False)
        other.state.mkdir(mode=0o700)
        (other.state / ".restoring.json.1.tmp").touch()  # killed while it made its mark
        for part in (0, 600, len(whole) // 3, len(whole) - 600, len(whole) - 1):
            process = start(
                [program("culver"), "restore", "-", "--state", str(other.state)],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            process.stdin.write(whole[:part])
            process.stdin.flush()
            eventually(lambda: (other.state / "restoring.json").exists() or part < 512, what="the mark")
            time.sleep(0.1)
            end(process, signal.SIGKILL)
            process.stdin.close()
            if (other.state / "restoring.json").exists():
                self.assertIn("culver restore", self.refuses_to_start(other))
                self.fails(78, tool("id", "list", "--state", str(other.state)))
        self.succeeds(tool("restore", str(self.kept), "--state", str(other.state)))
        other.start()
        self.assertEqual(other.did, self.did)
        self.assertEqual([row["name"] for row in rows(other.call("contact.list"))], ["moki"])


if __name__ == "__main__":
    unittest.main()
