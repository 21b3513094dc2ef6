import Control
import Format

/// What every client asks first, and what an operator looks at.
@MainActor struct GeneralMethods {
    let statusReport: StatusReport
    let metricsReport: MetricsReport

    var hello: JSON {
        [
            "version": .string(Release.version),
            "features": ["identity", "contact", "message", "inbox", "event", "consumer", "ref", "messages", "backup"],
        ]
    }

    func status() throws -> JSON { try statusReport.json() }

    func metrics() throws -> JSON { ["text": .string(try metricsReport.text())] }

    /// OpenRPC: every method with the names of its parameters.
    var description: JSON {
        let methods = Method.all.map { method -> JSON in
            let params = method.parameters.map { name -> JSON in ["name": .string(name), "schema": true] }
            return [
                "name": .string(method.name), "paramStructure": "by-name", "params": .array(params),
                "result": ["name": "result", "schema": true], "x-role": .string(method.role.rawValue),
            ]
        }
        return [
            "openrpc": "1.2.6", "info": ["title": "culver", "version": .string(Release.version)],
            "methods": .array(methods),
        ]
    }
}
