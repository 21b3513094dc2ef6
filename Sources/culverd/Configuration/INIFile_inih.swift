import CInih
import Glibc
import System

extension INIFile {
    /// Reads the text with inih, through our own lines. `name` is what problems call the file.
    init(_ bytes: [UInt8], name: String) {
        var lines = INILines(bytes, name: name)
        withUnsafeMutablePointer(to: &lines) { lines in
            // The answer is the first line that the parser did not like; our lines know them all.
            _ = ini_parse_stream(readLine, lines, takeEntry, lines)
        }
        self = lines.file
    }
}

private func readLine(_ buffer: UnsafeMutablePointer<CChar>?, _ size: Int32, _ stream: UnsafeMutableRawPointer?)
    -> UnsafeMutablePointer<CChar>?
{
    guard let buffer, let stream, size > 0 else { return nil }
    let lines = stream.assumingMemoryBound(to: INILines.self)
    guard let line = lines.pointee.next() else { return nil }
    let count = min(line.count, Int(clamping: size) - 1)
    for index in 0..<count { buffer[index] = CChar(bitPattern: line[index]) }
    buffer[count] = 0
    return buffer
}

private func takeEntry(
    _ user: UnsafeMutableRawPointer?, _ section: UnsafePointer<CChar>?, _ key: UnsafePointer<CChar>?,
    _ value: UnsafePointer<CChar>?
) -> Int32 {
    guard let user, let key, let value else { return 0 }
    user.assumingMemoryBound(to: INILines.self).pointee.take(key: String(cString: key), value: String(cString: value))
    return 1
}

/// The bytes of a configuration file, at most 256 KiB; `nil` when there is none.
func configurationBytes(_ path: String) throws(InvalidValue) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
        if errno == ENOENT { return nil }
        throw .lastCall
    }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 256 << 10)
    var filled = 0
    while filled < bytes.count {
        let count = bytes.withUnsafeMutableBytes {
            read(descriptor, $0.baseAddress.map { $0 + filled }, $0.count - filled)
        }
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw .lastCall }
        if count == 0 { return Array(bytes[..<filled]) }
        filled += count
    }
    throw InvalidValue("the file has more than 256 KiB")
}

/// The names of `*.conf` in a directory, sorted; none when there is no directory.
func configurationNames(in directory: String) throws(InvalidValue) -> [String] {
    guard let open = opendir(directory) else {
        if errno == ENOENT { return [] }
        throw .lastCall
    }
    defer { closedir(open) }
    var found: [String] = []
    while let entry = readdir(open) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name.hasSuffix(".conf") && !name.hasPrefix(".") { found.append(name) }
    }
    return found.sorted()
}

extension InvalidValue {
    /// The system's words about the call just made.
    fileprivate static var lastCall: InvalidValue {
        InvalidValue("cannot be read: \(Errno.last)")
    }
}
