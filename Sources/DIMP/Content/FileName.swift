/// The name of a file that somebody else chose, and what it says about the file.
package enum FileName {
    /// Bytes of a name at the most, so that others fit beside it in a directory: ` (2)`, `.part`.
    static let longest = 200

    /// The same name as one that can be a file's in any directory: no path, no control characters and no marks that turn
    /// the direction of writing, not hidden and no option, at most 200 bytes with its ending kept. `file` where nothing is
    /// left.
    package static func safe(_ name: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in name.unicodeScalars {
            switch scalar.value {
            case 0x2F, 0x5C: scalars.removeAll()
            case 0..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF: continue
            default: scalars.append(scalar)
            }
        }
        while let first = scalars.first, first == "." || first == "-" || first == " " { scalars.removeFirst() }
        while let last = scalars.last, last == "." || last == " " { scalars.removeLast() }
        return scalars.isEmpty ? "file" : cut(String(scalars))
    }

    private static func cut(_ name: String) -> String {
        guard name.utf8.count > longest else { return name }
        let ending = name.lastIndex(of: ".").map { String(name[$0...]) } ?? ""
        let kept = ending.utf8.count <= 16 ? ending : ""
        var start = name.unicodeScalars.prefix(longest)
        while String(start).utf8.count + kept.utf8.count > longest { start = start.dropLast() }
        return String(start) + kept
    }

    /// What kind of content a file of this name is, by its ending: image, audio, video, or else a file.
    package static func type(of name: String) -> ContentType {
        guard let dot = name.lastIndex(of: ".") else { return .file }
        switch name[name.index(after: dot)...].lowercased() {
        case "jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff", "heic", "avif", "svg": return .image
        case "mp3", "ogg", "oga", "opus", "wav", "m4a", "aac", "flac", "amr": return .audio
        case "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "3gp": return .video
        default: return .file
        }
    }
}
