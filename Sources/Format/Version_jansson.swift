import CJansson

/// The library below, as it was loaded.
package enum Jansson {
    package static var version: String { String(cString: jansson_version_str()) }
}
