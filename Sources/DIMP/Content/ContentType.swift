/// The numbers of wire.md 7. What stands in no era's table is `opaque` to us.
package enum ContentType: Int64, Sendable, CaseIterable {
    case any = 0
    case text = 1
    case file = 16
    case image = 18
    case audio = 20
    case video = 22
    case page = 32
    case card = 51
    case quote = 55
    case money = 64
    case transfer = 65
    case luckyMoney = 66
    case claimPayment = 72
    case splitBill = 73
    case command = 136
    case history = 137
    case application = 160
    case array = 202
    case customized = 204
    case combine = 207
    case forward = 255

    init?(name: String) {
        switch name {
        case "text": self = .text
        case "file": self = .file
        case "image": self = .image
        case "audio": self = .audio
        case "video": self = .video
        case "page": self = .page
        case "card": self = .card
        case "quote": self = .quote
        case "money": self = .money
        case "transfer": self = .transfer
        case "command": self = .command
        case "history": self = .history
        case "application": self = .application
        case "array": self = .array
        case "customized": self = .customized
        case "combine": self = .combine
        case "forward": self = .forward
        default: return nil
        }
    }
}
