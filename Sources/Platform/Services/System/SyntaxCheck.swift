import Core
import Execution

/// Parses a script before it is stored.
struct SyntaxCheck {
    let platform: Platform

    /// - Parameters:
    ///   - name: the script's name in its interpreter's messages.
    ///   - owner: what the author calls it.
    ///   - kind: the error's context has the owner under this key.
    /// - Throws: ``ServiceError`` 400 with the author's line and, where the language gives one, the column.
    func check(
        _ source: String, _ language: ScriptLanguage, name: String, owner: String, kind: String
    ) async throws(ServiceError) {
        guard let error = await platform.executor.check(source, language: language, name: name) else { return }
        guard error.kind == .syntax else {
            throw ServiceError(503, "The script could not be checked: \(error.message)", retryAfter: 2)
        }
        var context: [(String, JSONText)] = [(kind, .string(owner)), ("line", .integer(error.line))]
        var place = error.line.map { " at line \($0)" } ?? ""
        if let column = error.column {
            context.append(("column", .integer(column)))
            place += ", column \(column)"
        }
        throw ServiceError(400, "The script of '\(owner)' does not parse\(place): \(error.message)", context: context)
    }
}
