import DIMP

#if canImport(Glibc)
import Glibc
#endif

// What the README of the first DIMP library did: register a user named moki, send "Hello world!" to hulk, and read it as
// hulk.

final class Station: MessangerDelegate {
    private(set) var packages: [[UInt8]] = []

    func sendPackage(_ data: [UInt8]) -> Bool {
        packages.append(data)
        return true
    }
}

let now = Double(time(nil))
let keyStore = KeyStore()
let facebook = Facebook(keyStore: keyStore)
let messanger = Messanger(facebook: facebook)
let station = Station()
messanger.delegate = station

@MainActor func register(_ username: String) throws -> Identity {
    let user = try Identity.register(username, bits: 1024, time: now)
    keyStore.save(user)
    guard facebook.saveMeta(user.meta, of: user.id), facebook.saveVisa(user.visa, of: user.id) else {
        fatalError("the meta is of another ID")
    }
    return user
}

let moki = try register("moki")
let hulk = try register("hulk")
guard try messanger.sendText("Hello world!", from: moki.id, to: hulk.id, time: now) else { fatalError("not sent") }
for package in station.packages {
    let message = try messanger.receive(package, as: hulk)
    print("\(message.sender): \(message.content.plainText ?? message.content.jsonText)")
}

// It is for nobody else.
do {
    _ = try messanger.receive(station.packages[0], as: moki)
    fatalError("it is not for moki")
} catch let rejection as Rejection {
    print("refused at \(rejection.stage.rawValue)")
}
