extension EmbeddedPostgres {
    /// Makes another database in this server.
    /// - Parameter template: the one to copy, to which nobody is connected.
    /// - Returns: its URL.
    package func makeDatabase(_ name: String, from template: String) async throws -> String {
        let url = url
        return try await PosixThread.run("postgres-new") {
            let link = try Link.open(LinkTarget(url: url, applicationName: "scriptorium-new"))
            try link.command("CREATE DATABASE \(link.quoted(name)) TEMPLATE \(link.quoted(template))")
            return url.replacing("@/scriptorium?", with: "@/\(name)?")
        }
    }
}
