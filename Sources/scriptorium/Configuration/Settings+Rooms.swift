import Core
import Database
import Execution
import FoundationEssentials
import Glibc
import Ingress
import Logging
import Platform
import Telemetry
import Worker

extension Settings {
    /// How many cores this process may use.
    static let cores = max(1, ProcessInfo.processInfo.activeProcessorCount)

    /// - Parameter server: the URL of a server of our own; then those that are configured do not count.
    func database(url server: String? = nil, as role: String) throws -> DatabaseOptions {
        var options = DatabaseOptions(
            url: try server ?? required(.databaseURL), applicationName: "scriptorium-\(role)")
        options.listenURL = server == nil ? text(.listenURL) : nil
        for (setting, url) in [(Setting.databaseURL, options.url), (.listenURL, options.listenURL ?? options.url)] {
            do {
                _ = try DatabaseAddress(url: url)
            } catch {
                throw Invalid(description: "\(setting.variable): \(error.message).")
            }
        }
        options.prepare = try isOn(.prepare, default: true)
        options.connections = try integer(.connections, 2...64, default: 8)
        return options
    }

    func keyRing() throws -> SecretKeyRing {
        do {
            return try SecretKeyRing(base64List: try required(.secretKey))
        } catch let error as SecretKeyRing.Invalid {
            throw Invalid(description: "\(Setting.secretKey.variable): \(error)")
        }
    }

    func ingress() throws -> IngressOptions {
        let token = text(.operatorToken)
        if let token, token.utf8.count < 16 || !token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) {
            throw Invalid(
                description: "\(Setting.operatorToken.variable) must have 16 characters at least, without spaces, for"
                    + " example from: openssl rand -hex 32")
        }
        let domain = text(.tenantDomain)
        if let domain, domain.wholeMatch(of: /[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?/) == nil {
            throw Invalid(
                description: "\(Setting.tenantDomain.variable) must be a domain such as api.example.com, not"
                    + " '\(domain)'.")
        }
        var options = IngressOptions(
            host: text(.host) ?? "127.0.0.1", port: try integer(.port, 0...65535, default: 8080),
            operatorToken: token, tenantDomain: domain)
        options.mostConnections = try integer(.connectionLimit, 1...1_000_000, default: options.mostConnections)
        options.idleTimeout = try seconds(.idleTimeout, 0.1...3600, default: 60)
        options.headerTimeout = try seconds(.headerTimeout, 0.1...3600, default: 15)
        options.bodyTimeout = try seconds(.bodyTimeout, 0.1...3600, default: 30)
        return options
    }

    func platform() throws -> PlatformSettings {
        let url = text(.publicURL)
        if let url, url.wholeMatch(of: /https?:\/\/[^\s\/:?#@]+(:[0-9]{1,5})?(\/[^\s?#]*)?/) == nil {
            throw Invalid(
                description: "\(Setting.publicURL.variable) must be http:// or https:// and a host, with a port and a"
                    + " path perhaps, not '\(url)'.")
        }
        return PlatformSettings(publicURL: url)
    }

    func worker() throws -> WorkerOptions {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return WorkerOptions(
            name: "\(host):\(getpid())",
            slots: try integer(.workerConcurrency, 1...1000, default: 2 * Self.cores),
            synchronousShare: try number(.synchronousShare, 0...1, default: 0.25),
            grace: try seconds(.shutdownGrace, 0...3600, default: 30))
    }

    /// - Parameter isWorker: an ingress only checks the syntax of scripts, and keeps fewer processes ready.
    func execution(isWorker: Bool) throws -> ExecutionOptions {
        var options = ExecutionOptions()
        options.cellPath = try program(.cellPath)
        options.nodePath = try program(.nodePath)
        options.phpPath = try program(.phpPath)
        options.python2Path = try program(.python2Path)
        options.python3Path = try program(.python3Path)
        options.scriptUID = UInt32(try integer(.scriptUID, 1...4_000_000_000, default: 61184))
        options.mostTier = try mostTier()
        options.allowsNoSandbox = try isOn(.unsafeNoSandbox, default: false)
        options.packages = try directory(.packages)
        if !isWorker {
            options.zygotes = 1
            options.parked = 1
        }
        return options
    }

    func logger() throws -> Logger {
        let text = text(.logLevel) ?? "info"
        guard let level = Logger.Level(rawValue: text.lowercased()) else {
            throw Invalid(
                description: "\(Setting.logLevel.variable) must be one of"
                    + " \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")), not '\(text)'.")
        }
        let format = self.text(.logFormat) ?? "text"
        guard ["text", "json"].contains(format) else {
            throw Invalid(description: "\(Setting.logFormat.variable) must be text or json, not '\(format)'.")
        }
        var logger = Logger(label: "scriptorium") { label in
            guard format == "json" else { return StreamLogHandler.standardError(label: label) }
            return JSONLogHandler(label: label, now: { Timestamp.now.description })
        }
        logger.logLevel = level
        return logger
    }

    /// The administration's own port; nil where it shares the API's.
    func adminPort() throws -> Int? {
        guard text(.adminPort) != nil else { return nil }
        return try integer(.adminPort, 0...65535, default: 0)
    }

    /// The list of settings as `--help` shows it.
    static var help: String {
        let width = Setting.all.map(\.variable.count).max() ?? 0
        let lines = Setting.all.map { setting in
            let pad = String(repeating: " ", count: width - setting.variable.count)
            return "  \(setting.variable)\(pad)  \(setting.summary) (\(setting.standard ?? "unset"))"
        }
        return
            "SETTINGS (environment, or lines of the same form in the file given by --config; defaults in brackets):\n"
            + lines.joined(separator: "\n")
    }
}
