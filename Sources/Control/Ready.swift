/// What a watched descriptor is ready for.
struct Ready {
    var isReadable: Bool
    var isWritable: Bool
    /// Both directions are shut, or the descriptor is in error; told whatever it is watched for.
    var isGone: Bool
}
