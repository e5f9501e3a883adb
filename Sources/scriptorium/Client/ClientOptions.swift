import ArgumentParser
import Core
import FoundationEssentials
import Outbound

/// Which installation a client's verb talks to.
struct ClientOptions: ParsableArguments {
    @Option(help: "The file that 'scriptorium dev' wrote.", completion: .file(extensions: ["json"]))
    var credentials: String = Credentials.standardPath

    @Option(help: "The installation's URL; else from the credentials, else SCRIPTORIUM_URL.")
    var url: String?

    @Option(
        help:
            "The API key; else from the credentials, else SCRIPTORIUM_API_KEY. Better not on a shared machine: others can see it."
    )
    var apiKey: String?

    /// Connects, lends the installation, and turns what goes wrong into a message and an exit code.
    /// - Parameter json: whether the message is a JSON object.
    func connect(json: Bool, _ body: (Installation) async throws -> Void) async throws {
        do {
            let installation = try installation()
            do {
                try await body(installation)
            } catch {
                await installation.http.close()
                throw error
            }
            await installation.http.close()
        } catch let failure as ClientFailure {
            progress(json ? failure.json.text : "Error: \(Plain.text(failure.message, lines: true))")
            throw failure.status.exitCode
        }
    }

    private func installation() throws(ClientFailure) -> Installation {
        let file = Credentials(file: credentials)
        guard file != nil || credentials == Credentials.standardPath else {
            throw ClientFailure(
                .usage, "'\(credentials)' of --credentials is not there, or is not a file that 'scriptorium dev' wrote."
            )
        }
        let environment = ProcessInfo.processInfo.environment
        guard let url = url ?? file?.url ?? environment["SCRIPTORIUM_URL"] else {
            throw ClientFailure(
                .usage,
                "There is no '\(credentials)'. Start 'scriptorium dev' first, or give --credentials FILE, or set"
                    + " SCRIPTORIUM_URL and SCRIPTORIUM_API_KEY.")
        }
        // The file's secrets belong to the file's installation: they are not sent to another one.
        let known = self.url == nil || self.url == file?.url ? file : nil
        return Installation(
            url: String(url.trimming { $0 == "/" }),
            apiKey: apiKey ?? known?.apiKey ?? environment["SCRIPTORIUM_API_KEY"],
            operatorToken: known?.operatorToken ?? environment["SCRIPTORIUM_OPERATOR_TOKEN"],
            admin: known.map { Installation.Admin(tenant: $0.tenant, email: $0.adminEmail, password: $0.adminPassword) }
        )
    }
}
