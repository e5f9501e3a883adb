import Core

/// The least script whose answer tells whose it is: it returns a word that its caller has sent.
enum EchoScript {
    static func source(_ language: ScriptLanguage) -> String {
        switch language {
        case .nodejs, .v8js: "return {word: event.request.parameters.word};"
        case .php: "return ['word' => $event['request']['parameters']['word']];"
        case .python, .python3: "return {'word': event['request']['parameters']['word']}"
        }
    }

    /// What the caller adds to the path.
    static func query(_ word: String) -> String { "?word=\(word)" }

    /// The body that must come back.
    static func answer(_ word: String) -> [UInt8] { Array(#"{"word":"\#(word)"}"#.utf8) }

    static func word() -> String { String(UInt64.random(in: 0 ... .max), radix: 36) }
}
