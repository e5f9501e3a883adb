/// A language that scripts are written in. The raw values are the names of `script_type` and of the service types.
public enum ScriptLanguage: String, Sendable, CaseIterable {
    case nodejs
    case php
    /// Python 2.7, where there is one.
    case python
    case python3
    /// JavaScript in a bare context, as DreamFactory had it until 4.0.
    case v8js

    /// The label that DreamFactory gives the type.
    public var label: String {
        switch self {
        case .nodejs: "Node.js"
        case .php: "PHP"
        case .python: "Python"
        case .python3: "Python3"
        case .v8js: "V8js"
        }
    }

    /// The description that DreamFactory gives the type.
    public var summary: String {
        switch self {
        case .nodejs: "Server-side JavaScript handler using the Node.js engine."
        case .php: "Script handler using native PHP."
        case .python: "Script handler using native Python."
        case .python3: "Script handler using native Python3."
        case .v8js: "Server-side JavaScript handler using the V8js engine."
        }
    }
}
