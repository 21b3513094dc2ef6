package import Control
package import Records

extension RPCError {
    /// Why a local program is not served, with the exit code of culver(1) in its number.
    package init(_ refusal: Refusal) {
        let exit: ExitCode =
            switch refusal.kind {
            case .badData: .badData
            case .noInput: .noInput
            case .unknownName: .unknownName
            case .exists: .exists
            case .inputOutput: .io
            case .notNow: .notNow
            case .ended: .undelivered
            case .notPermitted: .notPermitted
            }
        self.init(exit: exit, reason: refusal.reason, message: refusal.text)
    }
}
