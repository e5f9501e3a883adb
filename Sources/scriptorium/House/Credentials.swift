import Core
import FoundationEssentials
import Glibc

/// `credentials.json` of `dev` (contract.md §2): what a client on this machine needs.
struct Credentials {
    var url: String
    var operatorToken: String
    var tenant: String
    var adminEmail: String
    var adminPassword: String
    var apiKey: String
    var databaseURL: String

    /// Where the clients' verbs look for it.
    static let standardPath = ".scriptorium/credentials.json"

    /// Reads a file; nil where there is none or it is damaged.
    init?(file: String) {
        guard let data = FileManager.default.contents(atPath: file), let json = try? JSONText(checking: data),
            let url = json["url"]?.string, let operatorToken = json["operator_token"]?.string,
            let tenant = json["tenant"]?.string, let email = json["admin"]?["email"]?.string,
            let password = json["admin"]?["password"]?.string, let key = json["api_key"]?.string
        else { return nil }
        self.init(
            url: url, operatorToken: operatorToken, tenant: tenant, adminEmail: email, adminPassword: password,
            apiKey: key, databaseURL: json["database_url"]?.string ?? "")
    }

    init(
        url: String, operatorToken: String, tenant: String, adminEmail: String, adminPassword: String, apiKey: String,
        databaseURL: String
    ) {
        self.url = url
        self.operatorToken = operatorToken
        self.tenant = tenant
        self.adminEmail = adminEmail
        self.adminPassword = adminPassword
        self.apiKey = apiKey
        self.databaseURL = databaseURL
    }

    /// Writes the file whole or not at all, for this user only.
    func write(to file: String) throws {
        let json = JSONText.object([
            ("url", .string(url)),
            ("operator_token", .string(operatorToken)),
            ("tenant", .string(tenant)),
            ("admin", .object([("email", .string(adminEmail)), ("password", .string(adminPassword))])),
            ("api_key", .string(apiKey)),
            ("database_url", .string(databaseURL)),
        ])
        try PrivateFile.write(json.text + "\n", to: file)
    }
}

/// Files that only this user may read.
enum PrivateFile {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Replaces `file` in one step.
    static func write(_ text: String, to file: String) throws {
        let temporary = "\(file).\(getpid())"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Failure(description: "'\(file)' can not be written: \(String(cString: strerror(errno))).")
        }
        let bytes = Array(text.utf8)
        let written = Glibc.write(descriptor, bytes, bytes.count)
        fsync(descriptor)
        close(descriptor)
        guard written == bytes.count, rename(temporary, file) == 0 else {
            unlink(temporary)
            throw Failure(description: "'\(file)' can not be written: \(String(cString: strerror(errno))).")
        }
    }

    /// The first line of `file`; nil where the file is missing.
    static func line(_ file: String) -> String? {
        FileManager.default.contents(atPath: file).map { data in
            String(decoding: data, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
        }
    }
}
