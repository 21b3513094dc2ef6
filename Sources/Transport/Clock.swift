import CLinux
import Glibc

/// Seconds since the machine started, sleep included; unmoved by whoever sets the clock.
func elapsed() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
