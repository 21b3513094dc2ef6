package import Format

/// The meaning of a content. `opaque` is everything that we hand on without understanding it.
package indirect enum Body: Sendable, Equatable {
    case text(String)
    /// Also image, audio and video: the type tells.
    case file(FileReference)
    case page(url: String?, title: String, description: String?, html: String?)
    case card(ID, name: String?, avatar: JSON?)
    case quote(text: String, origin: JSONObject)
    case money(currency: String, amount: Double)
    case transfer(currency: String, amount: Double, remitter: ID?, remittee: ID?)
    case command(Command)
    case history(GroupCommand)
    /// Application and customized contents.
    case customized(app: String, module: String, act: String)
    /// Contents inside one; each is read when it is handled.
    case array([JSON])
    /// Messages that somebody shows, not to be verified.
    case combine(title: String, messages: [JSON])
    /// ReliableMessages inside, each with its own sender and signature.
    case forward([JSON])
    case opaque

    init(type: Int64, _ object: JSONObject) {
        self = Self.read(ContentType(rawValue: type), object) ?? .opaque
    }

    private static func read(_ type: ContentType?, _ object: JSONObject) -> Body? {
        switch type {
        case .text: object["text"]?.string.map(Body.text)
        case .file, .image, .audio, .video: FileReference(object).map(Body.file)
        case .page:
            object["title"]?.string.map {
                .page(
                    url: object["URL"]?.string, title: $0, description: object["desc"]?.string,
                    html: object["HTML"]?.string)
            }
        case .card:
            object.id("did", "ID").map { .card($0, name: object["name"]?.string, avatar: object["avatar"]) }
        case .quote: quote(object)
        case .money: money(object).map { .money(currency: $0, amount: $1) }
        case .transfer:
            money(object).map {
                .transfer(
                    currency: $0, amount: $1, remitter: object.id("remitter"), remittee: object.id("remittee"))
            }
        case .command: Command(object).map(Body.command)
        case .history: GroupCommand(object).map(Body.history)
        case .application, .customized: customized(object)
        case .array: object["contents"]?.array.map(Body.array)
        case .combine:
            object["messages"]?.array.map { .combine(title: object["title"]?.string ?? "", messages: $0) }
        case .forward: forwarded(object).map(Body.forward)
        case .any, .luckyMoney, .claimPayment, .splitBill, nil: nil
        }
    }

    private static func quote(_ object: JSONObject) -> Body? {
        guard let text = object["text"]?.string, let origin = object["origin"]?.object else { return nil }
        return .quote(text: text, origin: origin)
    }

    private static func money(_ object: JSONObject) -> (String, Double)? {
        guard let currency = object["currency"]?.string, let amount = object["amount"]?.double else { return nil }
        return (currency, amount)
    }

    private static func customized(_ object: JSONObject) -> Body? {
        guard let app = object["app"]?.string, let module = object["mod"]?.string, let act = object["act"]?.string
        else { return nil }
        return .customized(app: app, module: module, act: act)
    }

    /// `forward` is one, `secrets` many; with both, `secrets` holds the one again.
    private static func forwarded(_ object: JSONObject) -> [JSON]? {
        if let many = object["secrets"]?.array { return many }
        return object["forward"].map { [$0] }
    }
}
