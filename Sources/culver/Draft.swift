import ArgumentParser
import Format

/// `--content FILE`: what a message holds when it is more than a text.
enum Draft {
    static func content(of path: TextArgument) throws -> JSON {
        let content = try Input.json(of: path.text)
        guard content.object != nil else {
            throw Failure(.badData, "not-an-object", "a content is a JSON object, and \(path.text) holds none")
        }
        return content
    }
}
