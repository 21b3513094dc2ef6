/// The version that `culver --version` prints.
let version = "0.1.0"
