import Format

/// One request of a line, as JSON-RPC 2.0 section 4 has it.
struct RPCRequest {
    var method: String
    var params: JSONObject
    /// What the reply repeats; `nil` for a notification, which gets none.
    var id: JSON?
}

/// What a line holds.
enum Line {
    case single(Result<RPCRequest, InvalidRequest>)
    case batch([Result<RPCRequest, InvalidRequest>])
    /// White space.
    case blank

    /// A request that is answered without asking anybody. No `id`: not even an error is wanted.
    struct InvalidRequest: Error {
        var error: RPCError
        var id: JSON?
    }
}

extension Line {
    init(_ bytes: [UInt8], limits: ControlLimits) {
        if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
            self = .blank
            return
        }
        do {
            switch try JSON(parsing: bytes, limits: limits.json) {
            case .array(let entries): self = Line.batch(of: entries, limits)
            case let value: self = .single(RPCRequest.read(value))
            }
        } catch {
            self = .refused(.parseError(error.description))
        }
    }

    private static func batch(of entries: [JSON], _ limits: ControlLimits) -> Line {
        guard !entries.isEmpty else { return refused(.invalidRequest("an empty batch asks for nothing")) }
        guard entries.count <= limits.unanswered else {
            let words = "a batch has at most \(limits.unanswered) calls"
            return refused(.invalidRequest(words, reason: "batch-too-large"))
        }
        return .batch(entries.map(RPCRequest.read))
    }

    private static func refused(_ error: RPCError) -> Line {
        .single(.failure(InvalidRequest(error: error, id: .null)))
    }
}

extension RPCRequest {
    static func read(_ value: JSON) -> Result<RPCRequest, Line.InvalidRequest> {
        guard let object = value.object else {
            return .failure(Line.InvalidRequest(error: .invalidRequest("a request is an object"), id: .null))
        }
        let id = object["id"]
        switch id {
        case nil, .null, .string, .integer, .number: break
        default: return .failure(Line.InvalidRequest(error: .invalidRequest("id is a string or a number"), id: .null))
        }
        guard object["jsonrpc"]?.string == "2.0" else {
            return .failure(Line.InvalidRequest(error: .invalidRequest("jsonrpc is not \"2.0\""), id: id ?? .null))
        }
        guard let method = object["method"]?.string else {
            return .failure(
                Line.InvalidRequest(error: .invalidRequest("method is missing or no string"), id: id ?? .null))
        }
        switch object["params"] {
        case nil: return .success(RPCRequest(method: method, params: JSONObject(), id: id))
        case .object(let params): return .success(RPCRequest(method: method, params: params, id: id))
        case .array:
            let error = RPCError.invalidParams("parameters are given by name", reason: "params-by-name")
            return .failure(Line.InvalidRequest(error: error, id: id))
        default:
            return .failure(Line.InvalidRequest(error: .invalidRequest("params is no object"), id: id ?? .null))
        }
    }
}
