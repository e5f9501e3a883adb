import Core

/// What the installation says of itself to its tenants.
public struct PlatformSettings: Sendable {
    /// The program's version.
    public static let version = "0.1.0"

    /// `PUBLIC_URL` without a slash at its end; nil where it is not set. Absolute URLs below it are internal calls.
    public var publicURL: String?

    public init(publicURL: String? = nil) {
        self.publicURL = publicURL.map { url in String(url.trimming { $0 == "/" }) }
    }
}
