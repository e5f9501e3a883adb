import ArgumentParser
import Core

/// `KEY=VALUE` of a quota, as the command line has it. Whether there is such a quota is the server's to say.
struct QuotaChange: ExpressibleByArgument {
    let key: String
    let value: JSONText

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
        key = parts[0]
        if let json = try? JSONText(checking: parts[1]) {
            // A number, null, or a list.
            value = json
        } else if parts[1].contains(",") {
            value = .array(parts[1].split(separator: ",").map { .string(String($0)) })
        } else {
            value = .string(parts[1])
        }
    }

    static func object(_ changes: [QuotaChange]) -> JSONText { .object(changes.map { ($0.key, $0.value) }) }

    static let completion = CompletionKind.list(Quotas.keys.map { $0 + "=" })
}
