import Core

/// What became of a language at the start.
public struct InterpreterReport: Sendable, Hashable {
    public var language: ScriptLanguage
    /// The interpreter's real file; nil where none was found.
    public var path: String?
    /// Such as `3.11.2`; nil where the interpreter did not tell.
    public var version: String?
    /// Why the language is absent, in one sentence that says what to do; nil where it works.
    public var problem: String?
    /// A sentence for each library that scripts may expect and that is not installed. The language works without.
    public var missingLibraries: [String] = []

    public init(language: ScriptLanguage, path: String? = nil, version: String? = nil, problem: String? = nil) {
        self.language = language
        self.path = path
        self.version = version
        self.problem = problem
    }
}
