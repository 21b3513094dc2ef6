"""What the kernel knows of a process."""

import pathlib
import threading
import time


def rollup(pid: int) -> dict[str, int]:
    """KiB by the names of smaps_rollup."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":", 1)
        found[name] = int(value.split()[0])
    return found


def dirty(pid: int) -> float:
    """MiB that the process alone has written to."""
    return rollup(pid)["Private_Dirty"] / 1024


class DirtyPeak(threading.Thread):
    """Watches the private dirty memory of processes, five times a second: reading it stops them for a moment."""

    def __init__(self, pids: list[int]):
        super().__init__(daemon=True)
        self.highest = {pid: dirty(pid) for pid in pids}
        self._is_over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._is_over.wait(0.2):
            self.look()

    def look(self) -> None:
        for pid in self.highest:
            self.highest[pid] = max(self.highest[pid], dirty(pid))

    def end(self) -> dict[int, float]:
        """MiB by process."""
        self._is_over.set()
        self.join()
        self.look()
        return self.highest


def threads(pid: int) -> int:
    return len(list(pathlib.Path(f"/proc/{pid}/task").iterdir()))


def switches(pid: int) -> int:
    """How often any of its threads left the processor, by itself or not: each time it had been woken."""
    count = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if "ctxt_switches" in line:
                count += int(line.split()[1])
    return count


def cpu(pid: int) -> float:
    """Seconds of processor time, user's and system's, of all threads, dead ones too: the same as in /proc/PID/stat, which
    counts it in hundredths. The kernel numbers the clock of a process like this (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def quantile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
