import Format
import Foundation
import Testing

@Suite("Base64")
struct Base64Tests {
    @Test("writes and reads the samples of RFC 4648")
    func samples() {
        let samples = [
            "": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "fooba": "Zm9vYmE=",
            "foobar": "Zm9vYmFy",
        ]
        for (plain, text) in samples {
            #expect(Base64.encode(Array(plain.utf8)) == text)
            #expect(Base64.decode(text) == Array(plain.utf8))
        }
    }

    @Test("agrees with Foundation about every length and every byte")
    func agrees() {
        for count in 0...300 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ count) }
            let text = Data(bytes).base64EncodedString()
            #expect(Base64.encode(bytes) == text)
            #expect(Base64.encode(bytes[...]) == text)
            #expect(Base64.decode(text) == bytes)
        }
    }

    @Test("white space inside is skipped, wherever it stands")
    func whiteSpace() {
        for text in ["Zm9v\nYmFy", " Zm9vYmFy ", "Z m\t9\r\nv Y m F y", "\nZm9v\nYmFy\n"] {
            #expect(Base64.decode(text) == Array("foobar".utf8))
        }
        #expect(Base64.decode("Zg\n=\n=\n") == Array("f".utf8))
        let lines = Data((0..<200).map { UInt8($0) }).base64EncodedString(options: .lineLength64Characters)
        #expect(Base64.decode(lines) == (0..<200).map { UInt8($0) })
    }

    @Test("a data URI and the prefix base64, are read")
    func prefixes() {
        for text in [
            "data:image/png;base64,Zm9v", "data:text/plain;charset=UTF-8;filename=a.txt;base64,Zm9v", "base64,Zm9v",
        ] {
            #expect(Base64.decode(text) == Array("foo".utf8))
        }
    }

    @Test(
        "whatever is not whole, padded and canonical is refused",
        arguments: [
            "Z", "Zg", "Zg=", "Zm8", "Zm9vY", "=", "==", "====", "Z===", "Zg===", "Zg==Zg==", "Zg=v", "Zm9v=",
            "Zm9v====",
            "Zh==", "Zm9=", "Zm-_", "Zm9v!", "Zm9v\0", "Zm\u{E9}v", "Zm9v,", "xdata:;base64,Zm9v", "data:Zm9v",
            "data:text/plain,Zm9v", "data:;base64", "=Zm9v", "Zm9v\u{B}",
        ])
    func refused(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }
}
