import Core
import Database

/// A line of a script's output and when it came.
public struct LogEntry: Sendable {
    /// Microseconds since 1970.
    public let at: Int64
    public let line: LogLine

    /// A line that comes now.
    public init(_ line: LogLine) {
        at = Timestamp.now.microseconds
        self.line = line
    }

    /// The form that is sealed: an array of `{"at","stream","text"}`.
    public static func json(_ entries: some Sequence<LogEntry>) -> JSONText {
        .array(
            entries.lazy.map { entry in
                .object([
                    ("at", .string(Timestamp(microseconds: entry.at).description)),
                    ("stream", .string(entry.line.stream.rawValue)), ("text", .string(entry.line.text)),
                ])
            })
    }
}
