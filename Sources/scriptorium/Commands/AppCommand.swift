import ArgumentParser
import Core

/// `scriptorium app`
struct AppCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "app", abstract: "Makes apps of a tenant: API keys.", subcommands: [Create.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes an app and prints its API key, this once.",
            discussion: """
                It is made by an admin of the tenant: the one in the credentials, or the one that is named here.

                Examples:
                  scriptorium app create website
                  scriptorium app create website --tenant acme --email admin@acme.local --password-file password.txt
                """)

        @Argument(help: "Unique within the tenant.")
        var name: String
        @Option(help: "The role of who calls with the key, by name or number; else that of the tenant's first app.")
        var role: String?
        @Option(help: "What it is for.")
        var description: String?
        @Option(help: "The tenant, where it is not the one in the credentials.")
        var tenant: String?
        @Option(help: "The admin's email.")
        var email: String?
        @Option(help: "A file whose first line is the admin's password.", completion: .file())
        var passwordFile: String?
        @OptionGroup var format: FormatOptions
        @OptionGroup var client: ClientOptions

        func run() async throws {
            try await client.connect(json: format.json) { installation in
                let session = try await installation.signIn(try admin(installation.admin))
                let fields: [(String, JSONText)] = [
                    ("name", .string(name)), ("description", .string(description ?? "")), ("is_active", .bool(true)),
                    ("role_id", try await role(installation, session)),
                ]
                let made = try await installation.json(
                    "POST", "/api/v2/system/app?fields=*",
                    .object([("resource", .array([.object(fields)]))]), as: session)
                guard let app = made["resource"]?.elements.first, let key = app["api_key"]?.string else {
                    throw ClientFailure(
                        .failed, "The server has made the app and gives no key. Delete it and try again.")
                }
                guard !format.json else { return say(app.text) }
                say(key)
                progress("This is the API key of '\(name)'. Note it: it is not shown again.")
            }
        }

        private func admin(_ known: Installation.Admin?) throws -> Installation.Admin {
            guard let tenant = tenant ?? known?.tenant else {
                throw ClientFailure(.usage, "There are no credentials: give --tenant, --email and --password-file.")
            }
            if let known, tenant == known.tenant, email == nil, passwordFile == nil { return known }
            guard let email, let passwordFile else {
                throw ClientFailure(
                    .usage, "For an admin who is not in the credentials give both --email and --password-file.")
            }
            guard let password = PrivateFile.line(passwordFile), !password.isEmpty else {
                throw ClientFailure(
                    .usage, "The file '\(passwordFile)' of --password-file can not be read, or is empty.")
            }
            return Installation.Admin(tenant: tenant, email: email, password: password)
        }

        private func role(_ installation: Installation, _ session: Installation.Caller) async throws -> JSONText {
            if let role, let number = Int64(role) { return .integer(number) }
            if let role {
                let roles = try await installation.list("/api/v2/system/role", [("fields", "id,name")], as: session)
                guard let id = roles.first(where: { $0["name"]?.string == role })?["id"] else {
                    throw ClientFailure(
                        .notFound,
                        "There is no role '\(role)'. There are: \(roles.map { Plain.value($0["name"]) }.joined(separator: ", "))."
                    )
                }
                return id
            }
            let apps = try await installation.list("/api/v2/system/app", [("fields", "id,role_id")], as: session)
            // Ids grow: the first app came with the tenant.
            return apps.min { $0["id"]?.integer ?? 0 < $1["id"]?.integer ?? 0 }?["role_id"] ?? .null
        }
    }
}
