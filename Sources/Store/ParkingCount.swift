/// What became of parked messages since the file was opened.
package struct ParkingCount: Sendable, Equatable {
    package var verified = 0
    package var unverified = 0
    /// Made room for others, by the limits of culver.conf(5).
    package var droppedForRoom = 0
    package var droppedForAge = 0
}
