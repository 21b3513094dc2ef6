import Glibc

enum StandardStreams {
    /// What the caller closed stays unusable, and no socket takes its number: reading and writing fail, as they should.
    static func hold() {
        for stream: Int32 in 0...2 where fcntl(stream, F_GETFD) < 0 {
            _ = open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}
