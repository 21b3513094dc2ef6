/// What swift-argument-parser asks of this module, so that nothing of Foundation is built or linked for 32-bit ARM: an
/// error that describes itself, and an encoder for `--experimental-dump-help`, which says nothing here.
public protocol LocalizedError: Error {
    var errorDescription: String? { get }
}

extension LocalizedError {
    public var errorDescription: String? { nil }
}

public struct Data {
    fileprivate let bytes: [UInt8]
}

extension String {
    public enum Encoding {
        case utf8
    }

    public init?(data: Data, encoding: Encoding) {
        self.init(decoding: data.bytes, as: UTF8.self)
    }
}

public final class JSONEncoder {
    public struct OutputFormatting: OptionSet {
        public let rawValue: UInt32

        public static let prettyPrinted = OutputFormatting(rawValue: 1)
        public static let sortedKeys = OutputFormatting(rawValue: 2)

        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }
    }

    private struct Absent: Error {}

    public var outputFormatting: OutputFormatting = []

    public init() {}

    public func encode(_ value: some Encodable) throws -> Data { throw Absent() }
}
