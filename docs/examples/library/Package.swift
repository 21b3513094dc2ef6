// swift-tools-version: 6.0
import PackageDescription

// Beside a checkout of culver; elsewhere say .package(url:) or another path.
let package = Package(
    name: "hello",
    dependencies: [.package(name: "culver", path: "../../..")],
    targets: [.executableTarget(name: "hello", dependencies: [.product(name: "DIMP", package: "culver")])],
    swiftLanguageModes: [.v6]
)
