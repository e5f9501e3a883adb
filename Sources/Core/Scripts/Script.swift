/// A script: its source, its language and what its author configured.
public struct Script: Sendable, Hashable {
    public var language: ScriptLanguage
    public var source: String
    /// The service's `config` without the source.
    public var config: JSONText

    public init(language: ScriptLanguage, source: String, config: JSONText) {
        self.language = language
        self.source = source
        self.config = config
    }
}
