"""Disks that are full, read-only or broken under a daemon that goes on living.

From issue 3: what cannot be written down is refused with its reason, receipts still flow, and when the disk works again
so does the daemon, without a restart: nothing lost, nothing twice.

A full disk is a small file system in memory, where mounting is allowed. Faults that cannot be had while files are open
for writing come from faulty_files.c, which is loaded into the daemon.
"""

import errno
import os
import pathlib
import shutil
import struct
import subprocess
import time
import unittest

from harness import HERE, Refused, Story, eventually, rows

DELIVERY = "[delivery]\nreceipt_timeout = 2s"
WORDS = {
    errno.ENOSPC: ("no space left on device", "database or disk is full"),
    errno.EROFS: ("read-only file system", "attempt to write a readonly database"),
    errno.EIO: ("input/output error",),
}


class SmallDisk:
    """A file system in memory, with the state directory on it."""

    code = errno.ENOSPC

    def __init__(self, story: Story, size: str = "12m"):
        self.path = story.directory / "disk"
        self.path.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(self.path)]
        tried = subprocess.run(mount, capture_output=True, text=True) if shutil.which("mount") else None
        if tried is None or tried.returncode != 0:
            raise RuntimeError(f"nothing may be mounted here: {tried.stderr if tried else 'no mount'}")
        story.addCleanup(self._unmount)
        self.environment: dict[str, str] = {}

    def _unmount(self) -> None:
        self.remount("rw")
        subprocess.run(["umount", str(self.path)], check=True)

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.path)], check=True)

    def fail(self) -> None:
        with open(self.path / "ballast", "ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def heal(self) -> None:
        (self.path / "ballast").unlink()


class BrokenDisk:
    """A directory whose changes fail with `code` in a daemon with this environment."""

    def __init__(self, story: Story, code: int):
        self.path = story.directory / "disk"
        self.path.mkdir()
        self.code = code
        library, self.control = story.directory / "faulty_files.so", story.directory / "control"
        compiler = shutil.which("cc") or shutil.which("clang") or "gcc"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "faulty_files.c")]
        subprocess.run(command, check=True)
        self.heal()
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAULTY_DIRECTORY": str(self.path),
            "FAULTY_CONTROL": str(self.control),
        }

    def fail(self) -> None:
        self._set(self.code)

    def heal(self) -> None:
        self._set(0)

    def _set(self, code: int) -> None:
        with open(self.control, "r+b" if self.control.exists() else "wb") as file:
            file.write(struct.pack("i", code))


class DiskStory(Story):
    def board(self, name: str, disk, broker, begin: bool = True):
        """A daemon whose state is on this disk."""
        board = self.daemon(name, broker, sections=DELIVERY, begin=False)
        text = board.configuration.read_text().replace(f"state = {board.state}", f"state = {disk.path / 'state'}")
        board.configuration.write_text(text)
        board.state = disk.path / "state"
        board.environment.update(disk.environment)
        if begin:
            board.start()
        return board

    def cpu(self, board) -> float:
        """Seconds of the processor that the daemon has used."""
        fields = pathlib.Path(f"/proc/{board.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Files(DiskStory):
    """Large files for a board that has no room for them, or may not write them: their sender hears why, and all else goes on."""

    def setUp(self):
        super().setUp()
        self.disk = SmallDisk(self, "48m")
        mosquitto = self.broker()
        self.left = self.daemon("left", mosquitto, sections=DELIVERY)
        self.right = self.board("right", self.disk, mosquitto)
        self.talk("hello")

    def talk(self, text: str) -> None:
        for one, other in [(self.left, self.right), (self.right, self.left)]:
            self.succeeds(one.tool("send", other.did, text, "--wait", "delivered"))

    def send(self) -> dict:
        path = self.directory / "film.mp4"
        path.write_bytes(os.urandom(4 << 20))
        self.succeeds(self.left.tool("send", self.right.did, "--file", str(path)))
        return eventually(lambda: self.ended(), what="the end of the file")

    def ended(self) -> dict | None:
        last = self.left.call("file.list")["sending"][-1]
        return last if last["state"] != "going" else None

    def refused(self, reason: str) -> None:
        row = self.send()
        self.assertEqual((row["state"], row["reason"]), ("refused", reason))
        events = self.left.call("event.list", kind="file")["events"]
        self.assertEqual(events[-1]["reason"], "file-refused")
        self.assertIn(reason, events[-1]["text"])
        self.assertEqual(self.right.call("file.list")["files"][-1]["state"], "gone")
        self.talk(f"after {reason}")

    def test_a_disk_without_room(self):
        # Of what is left a part is for messages.
        with open(self.disk.path / "ballast", "wb") as ballast:
            ballast.write(bytes(30 << 20))
        self.refused("disk-full")
        self.disk.heal()
        self.assertEqual(self.send()["state"], "whole")

    def test_a_directory_that_may_not_be_written(self):
        place = self.right.state / "files"
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,mode=0700", "none", str(place)], check=True)
        self.addCleanup(subprocess.run, ["umount", str(place)])
        self.refused("not-written")
        subprocess.run(["umount", str(place)], check=True)
        self.assertEqual(self.send()["state"], "whole")


class WhileRunning(DiskStory):
    def test_a_full_disk(self):
        self.exchange(SmallDisk(self))

    def test_a_disk_that_says_it_is_full(self):
        self.exchange(BrokenDisk(self, errno.ENOSPC))

    def test_a_disk_that_becomes_read_only(self):
        self.exchange(BrokenDisk(self, errno.EROFS))

    def test_a_disk_with_input_output_errors(self):
        self.exchange(BrokenDisk(self, errno.EIO))

    def exchange(self, disk) -> None:
        self.disk = disk
        self.mosquitto = self.broker()
        self.left = self.board("left", disk, self.mosquitto)
        self.right = self.daemon("right", self.mosquitto, sections=DELIVERY)
        self.accepted = {self.left: [], self.right: []}  # texts, by who sent them
        identifiers = [self.send(self.left, f"before {n}") for n in range(5)]
        identifiers += [self.send(self.right, f"before {n}") for n in range(5)]
        for board, identifier in identifiers:
            board.reaches(identifier, "delivered")
        # On its way when the disk fails: sent, and the receipt is still to come.
        self.assertEqual(self.right.stop(), 0)
        on_the_way = [self.send(self.left, f"on the way {n}") for n in range(3)]

        disk.fail()
        refused = self.refusals()
        self.right.start()
        waiting = [self.send(self.right, f"meanwhile {n}") for n in range(5)]
        self.lives_quietly()
        for board, identifier in waiting:
            self.assertNotEqual(board.message(identifier)["state"], "delivered")
        disk.heal()

        for reference in refused:
            board, identifier = eventually(lambda: self.try_again(reference), what="room again")
            on_the_way.append((board, identifier))
        on_the_way += [self.send(self.left, "after"), self.send(self.right, "after")]
        for board, identifier in on_the_way + waiting:
            board.reaches(identifier, "delivered", patience=120)
        failed, recovered = eventually(self.disk_events, what="events about the disk")
        self.assertEqual((failed["level"], failed["reason"], recovered["reason"]), ("error", "failed", "recovered"))
        self.assertTrue(any(word in failed["text"].lower() for word in WORDS[disk.code]), failed)
        self.assertLess(failed["time"], recovered["time"])
        self.nothing_lost_nothing_twice()
        # All of it was on disk.
        self.left.kill()
        self.left.start()
        self.nothing_lost_nothing_twice()

    def send(self, board, text: str):
        other = self.right if board is self.left else self.left
        sent = board.call("message.send", to=other.did, text=text, ref=text)
        self.accepted[board].append(text)
        return board, sent["id"]

    def refusals(self) -> list[str]:
        """What is sent to a disk that has failed is refused with the reason, by the socket and by the tool."""
        texts = []
        for number in range(20):
            text = f"refused {number}"
            try:
                self.send(self.left, text)  # what fits into the last corner of the disk is accepted
                continue
            except Refused as error:
                texts.append(text)
                is_full = self.disk.code == errno.ENOSPC
                self.assertEqual((error.code, error.reason == "disk-full"), (-32075 if is_full else -32074, is_full), error)
                self.assertTrue(any(word in error.message.lower() for word in WORDS[self.disk.code]), error.message)
            if len(texts) == 5:
                break
        self.assertEqual(len(texts), 5)
        result = self.left.tool("send", self.right.did, "by the tool")
        self.fails(75 if self.disk.code == errno.ENOSPC else 74, result)
        self.assertTrue(any(word in result.err.lower() for word in WORDS[self.disk.code]), result)
        return texts

    def try_again(self, text: str):
        try:
            return self.send(self.left, text)
        except Refused as error:
            self.assertIn(error.code, (-32075, -32074))
            return None

    def lives_quietly(self) -> None:
        """It answers and does not spin, though peers repeat and nothing can be written."""
        used, begun = self.cpu(self.left), time.monotonic()
        while time.monotonic() < begun + 8:
            self.assertTrue(self.left.alive, self.left.log[-2000:])
            self.left.call("status")
            self.assertEqual(self.left.texts(), self.accepted[self.right][:5])
            time.sleep(0.5)
        self.assertLess(self.cpu(self.left) - used, 4)

    def disk_events(self) -> list:
        return [row for row in rows(self.left.call("event.list", limit=1000)) if row["kind"] == "disk"]

    def nothing_lost_nothing_twice(self) -> None:
        self.assertEqual(sorted(self.right.texts()), sorted(self.accepted[self.left]))
        self.assertEqual(sorted(self.left.texts()), sorted(self.accepted[self.right]))


class AtTheStart(DiskStory):
    def test_a_daemon_on_a_full_disk_shows_what_it_has_and_takes_nothing_until_there_is_room(self):
        disk = SmallDisk(self)
        board = self.board("left", disk, self.broker())
        sent = board.call("message.send", to=board.did, text="kept")["id"]
        board.reaches(sent, "delivered")
        self.assertEqual(board.stop(), 0)
        disk.fail()
        board.start()
        self.assertEqual(board.message(sent)["state"], "delivered")
        self.assertEqual(board.texts(), ["kept"])
        with self.assertRaises(Refused) as refused:
            board.call("message.send", to=board.did, text="too much")
        self.assertEqual(refused.exception.reason, "disk-full")
        disk.heal()
        # Nobody has to ask for anything: it finds out by itself.
        eventually(lambda: [row for row in rows(board.call("event.list")) if row["kind"] == "disk"])
        board.call("message.send", to=board.did, text="more")
        eventually(lambda: board.texts() == ["kept", "more"])

    def test_a_daemon_that_cannot_even_open_its_messages_says_why_and_starts_when_that_is_cured(self):
        disk = SmallDisk(self)
        board = self.board("left", disk, self.broker())
        sent = board.call("message.send", to=board.did, text="kept")["id"]
        board.reaches(sent, "delivered")
        self.assertEqual(board.stop(), 0)
        (disk.path / "state/messages.sqlite-shm").unlink(missing_ok=True)  # made anew, which takes room
        disk.fail()
        self.ends(board, "no space left on device", "database or disk is full")
        disk.heal()
        disk.remount("ro")
        self.ends(board, "read-only file system")
        disk.remount("rw")
        board.start()
        self.assertEqual(board.texts(), ["kept"])

    def test_a_first_start_on_a_full_or_read_only_disk(self):
        disk = SmallDisk(self)
        disk.fail()
        board = self.board("left", disk, None, begin=False)
        self.ends(board, "no space left on device")
        disk.remount("ro")
        self.ends(board, "read-only file system")
        disk.remount("rw")
        disk.heal()
        board.start()
        self.assertEqual(rows(board.call("identity.list"))[0]["did"], board.did)

    def ends(self, board, *words: str) -> None:
        log = board.home / "log"
        log.unlink(missing_ok=True)
        board.launch()
        eventually(lambda: not board.alive, what=f"the end of {board.name}")
        said = board.log
        self.assertEqual(board.process.returncode, 74, said)
        self.assertTrue(any(word in said.lower() for word in words), said)
        self.assertLess(said.count("\n"), 4, said)


if __name__ == "__main__":
    unittest.main()
