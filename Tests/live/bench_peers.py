"""What others do with the same count and size in the same run."""

import os
import subprocess
import threading
import time

from bench_figures import show_median, show_ratio
from harness import PATIENCE, Mosquitto, end, start

# Messages a second of LXMF 0.9.8 at its best on one of these machines, and of mosquitto_pub to mosquitto_sub with QoS 1
# beside it. LXMF needs packages that cannot be presumed: the second figure says how fast the machine is now.
LXMF, MOSQUITTO_BESIDE_LXMF = 1363.0, 24595.0


class MosquittoClients:
    """mosquitto_pub and mosquitto_sub, QoS 1: nothing is signed, nothing is on disk, nobody answers."""

    def __init__(self, broker: Mosquitto):
        address = ["-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-t", "bench"]
        self.reader = start(["mosquitto_sub", *address], stdout=subprocess.PIPE)
        self.writer = start(["mosquitto_pub", *address, "-l"], stdin=subprocess.PIPE)
        self._meet()

    def _meet(self) -> None:
        """What is published before the other has subscribed reaches nobody: repeated until it comes."""
        os.set_blocking(self.reader.stdout.fileno(), False)
        give_up = time.monotonic() + PATIENCE
        while not self.reader.stdout.read():
            if time.monotonic() > give_up:
                raise RuntimeError("mosquitto_sub hears nothing of mosquitto_pub")
            self._write(b"hello\n")
            time.sleep(0.2)
        self._write(b"last\n")
        heard = b""
        while not heard.endswith(b"last\n"):
            heard += self.reader.stdout.read() or b""
            time.sleep(0.01)
        os.set_blocking(self.reader.stdout.fileno(), True)

    def _write(self, data: bytes) -> None:
        self.writer.stdin.write(data)
        self.writer.stdin.flush()

    def close(self) -> None:
        for process in (self.writer, self.reader):
            process.kill()
            end(process)
        self.writer.stdin.close()
        self.reader.stdout.close()

    def pipelined(self, size: int, count: int) -> float:
        """Lines a second, as fast as mosquitto_pub reads them."""
        line = b"x" * size + b"\n"
        feeder = threading.Thread(target=self._write, args=(line * count,), daemon=True)
        begun = time.monotonic()
        feeder.start()
        left = count * len(line)
        while left > 0:
            piece = os.read(self.reader.stdout.fileno(), 1 << 20)
            if not piece:
                raise RuntimeError("mosquitto_sub lost a message")
            left -= len(piece)
        taken = time.monotonic() - begun
        feeder.join(PATIENCE)
        return count / taken

    def windowed(self, size: int, width: int, count: int) -> float:
        """Lines a second, `width` of them on their way."""
        line = b"x" * size + b"\n"
        begun = time.monotonic()
        for number in range(count + width - 1):
            if number < count:
                self._write(line)
            if number >= width - 1 and len(self.reader.stdout.readline()) != len(line):
                raise RuntimeError("mosquitto_sub lost a message")
        return count / (time.monotonic() - begun)


def show_beside(ours: float, theirs: list[float], goal: float | None = None, lxmf: float | None = None) -> None:
    """`theirs`: of mosquitto's clients, in the same run."""
    rate = show_median("mosquitto_pub to mosquitto_sub, QoS 1", theirs, "messages/s")
    show_ratio("    now / mosquitto", ours / rate, goal)
    show_ratio("    now / LXMF, by mosquitto's rate", ours / (LXMF * rate / MOSQUITTO_BESIDE_LXMF), lxmf)
