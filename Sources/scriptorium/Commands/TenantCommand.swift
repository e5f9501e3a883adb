import ArgumentParser
import Core
import Glibc

/// `scriptorium tenant`
struct TenantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant", abstract: "Makes, shows, changes and removes tenants: the operator's verbs.",
        discussion: """
            They need the operator token: from the credentials, else from SCRIPTORIUM_OPERATOR_TOKEN.

            Examples:
              scriptorium tenant create acme --label 'Acme Ltd.' --quota max_concurrent=4
              scriptorium tenant set-quota acme jobs_per_day=10000 max_queued=null
              scriptorium tenant list --json | jq -r .name
            """,
        subcommands: [
            Create.self, List.self, Show.self, SetQuota.self, Suspend.self, Resume.self, Delete.self, Usage.self,
        ])

    /// The path of a tenant on the operator plane.
    static func path(_ name: String) -> String { "/operator/tenants/\(PathText.encoded(name))" }

    private static func show(_ tenant: JSONText, _ format: FormatOptions) {
        say(format.json ? tenant.text : Table.facts(tenant) { $0.hasPrefix("quotas.") ? "no limit" : "-" })
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a tenant. Its admin's password and its API key are shown this once.")

        @Argument(help: "Lower-case letters, digits and hyphens, 3 to 40 of them.")
        var name: String
        @Option(help: "A name as people write it.")
        var label: String?
        @Option(
            name: .customLong("quota"), parsing: .upToNextOption, help: "KEY=VALUE …; null lifts the limit.",
            completion: QuotaChange.completion)
        var quotas: [QuotaChange] = []
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws {
            try await client.connect(json: format.json) { installation in
                var members: [(String, JSONText)] = [("name", .string(name))]
                if let label { members.append(("label", .string(label))) }
                if !quotas.isEmpty { members.append(("quotas", QuotaChange.object(quotas))) }
                let made = try await installation.json(
                    "POST", "/operator/tenants", .object(members), as: .installationOperator)
                guard !format.json else { return say(made.text) }
                say(Table.facts(made))
                progress("Note the password and the key: they are not shown again.")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the tenants.")
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws {
            try await client.connect(json: format.json) { installation in
                let tenants = try await installation.list("/operator/tenants", [], as: .installationOperator)
                say(tenants, format, ["name", "label", "suspended", "created_at"])
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows a tenant with its quotas.")
        @Argument var name: String
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws {
            try await client.connect(json: format.json) { installation in
                show(try await installation.json("GET", path(name), as: .installationOperator), format)
            }
        }
    }

    struct SetQuota: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes quotas of a tenant; those that are not named stay as they are.")
        @Argument var name: String
        @Argument(help: "KEY=VALUE …; null lifts the limit.", completion: QuotaChange.completion)
        var quotas: [QuotaChange]
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws {
            try await client.connect(json: format.json) { installation in
                let change = JSONText.object([("quotas", QuotaChange.object(quotas))])
                show(try await installation.json("PATCH", path(name), change, as: .installationOperator), format)
            }
        }
    }

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Refuses all calls of a tenant until it is resumed.")
        @Argument var name: String
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws { try await setSuspended(true, name, format, client) }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lets a suspended tenant go on.")
        @Argument var name: String
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws { try await setSuspended(false, name, format, client) }
    }

    private static func setSuspended(
        _ isSuspended: Bool, _ name: String, _ format: FormatOptions, _ client: ClientOptions
    ) async throws {
        try await client.connect(json: format.json) { installation in
            let change = JSONText.object([("suspended", .bool(isSuspended))])
            let tenant = try await installation.json("PATCH", path(name), change, as: .installationOperator)
            say(format.json ? tenant.text : "\(name) is \(isSuspended ? "suspended" : "active").")
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Removes a tenant with all that it owns. Its keys stop at once; nothing of it can be brought back.")
        @Argument var name: String
        @Flag(help: "Does not ask.")
        var yes = false
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func validate() throws {
            guard yes || isatty(STDIN_FILENO) != 0 else {
                throw ValidationError("This removes all data of '\(name)'. Without a terminal to ask at, give --yes.")
            }
        }

        func run() async throws {
            if !yes { try confirm() }
            try await client.connect(json: format.json) { installation in
                let gone = try await installation.json("DELETE", path(name), as: .installationOperator)
                say(format.json ? gone.text : "\(name) is deleted.")
            }
        }

        private func confirm() throws {
            progress("This removes '\(name)' with all its data, for good. Type its name to go on:")
            // Nothing else is under way that a blocked thread could hold up.
            guard readLine() == name else {
                progress("Nothing was removed.")
                throw ExitStatus.failed.exitCode
            }
        }
    }

    struct Usage: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows what a tenant has used, by day and service.")
        @Argument var name: String
        @Option(help: "The first day, such as 2026-11-01.")
        var from: String?
        @Option(help: "The last day.")
        var to: String?
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws {
            try await client.connect(json: format.json) { installation in
                let usage = try await installation.list(
                    path(name) + "/usage", [("from", from), ("to", to)], as: .installationOperator)
                say(usage, format, usage.first?.members.map(\.key) ?? ["day", "service", "jobs"])
            }
        }
    }
}
