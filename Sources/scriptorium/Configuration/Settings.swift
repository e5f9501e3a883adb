import ArgumentParser
import Configuration
import Core
import Database
import Execution
import FoundationEssentials
import Glibc
import Ingress
import Logging
import Platform
import Worker

/// The program's settings, from flags, the environment and a file of the same keys; the first that has one wins.
struct Settings: Sendable {
    /// A value that can not be used. It stops the start, and its text never holds a secret.
    struct Invalid: Error, CustomStringConvertible {
        let description: String
    }

    private let reader: ConfigReader

    /// - Parameters:
    ///   - file: see ``SettingsFile``.
    ///   - flags: values from the command line, by their variables.
    /// - Throws: ``Invalid``
    init(file: String?, flags: [String: String] = [:]) async throws {
        Self.tellOfUnknown(ProcessInfo.processInfo.environment)
        var providers: [any ConfigProvider] = [
            EnvironmentVariablesProvider(environmentVariables: flags), EnvironmentVariablesProvider(),
        ]
        if let file {
            providers.append(EnvironmentVariablesProvider(environmentVariables: try SettingsFile.values(file)))
        }
        reader = ConfigReader(providers: providers)
    }

    /// Variables that only the clients' verbs read.
    private static let ofClients: Set<String> = ["SCRIPTORIUM_URL", "SCRIPTORIUM_API_KEY"]

    /// A variable may be there for another version of the program, so it stops nothing.
    private static func tellOfUnknown(_ environment: [String: String]) {
        let known = ofClients.union(Setting.all.map(\.variable))
        for name in environment.keys.sorted() where name.hasPrefix("SCRIPTORIUM_") && !known.contains(name) {
            progress("warning: environment: \(Setting.unknown(name))")
        }
    }

    /// Values by their names without prefix, for tests and for `dev`, which makes its own.
    init(values: [String: String]) {
        let pairs = values.map { ("SCRIPTORIUM_" + $0.key, $0.value) }
        reader = ConfigReader(
            provider: EnvironmentVariablesProvider(environmentVariables: Dictionary(uniqueKeysWithValues: pairs)))
    }

    /// A value; nil where it is not set, or empty.
    func text(_ setting: Setting) -> String? {
        let key = ConfigKey(setting.variable.lowercased().split(separator: "_").map(String.init))
        let value = reader.string(forKey: key, isSecret: setting.isSecret)
        return value.flatMap { $0.isEmpty ? nil : $0 }
    }

    func required(_ setting: Setting) throws -> String {
        guard let value = text(setting) else {
            throw Invalid(description: "\(setting.variable) is not set: \(setting.summary).")
        }
        return value
    }

    func integer(_ setting: Setting, _ range: ClosedRange<Int>, default standard: Int) throws -> Int {
        guard let text = text(setting) else { return standard }
        guard let value = Int(text), range.contains(value) else {
            throw Invalid(
                description: "\(setting.variable) must be a whole number from \(range.lowerBound) to"
                    + " \(range.upperBound), not '\(text)'.")
        }
        return value
    }

    func number(_ setting: Setting, _ range: ClosedRange<Double>, default standard: Double) throws -> Double {
        guard let text = text(setting) else { return standard }
        guard let value = Double(text), range.contains(value) else {
            throw Invalid(
                description: "\(setting.variable) must be a number from \(JSONText.number(range.lowerBound)) to"
                    + " \(JSONText.number(range.upperBound)), not '\(text)'.")
        }
        return value
    }

    func seconds(_ setting: Setting, _ range: ClosedRange<Double>, default standard: Double) throws -> Duration {
        guard let text = text(setting) else { return .seconds(standard) }
        guard let value = Double(text), range.contains(value) else {
            throw Invalid(
                description: "\(setting.variable) must be a number of seconds from \(range.lowerBound) to"
                    + " \(range.upperBound), not '\(text)'.")
        }
        return .seconds(value)
    }

    func isOn(_ setting: Setting, default standard: Bool) throws -> Bool {
        switch text(setting)?.lowercased() {
        case nil: return standard
        case "on", "true", "yes", "1": return true
        case "off", "false", "no", "0": return false
        case let other?:
            throw Invalid(description: "\(setting.variable) must be on or off, not '\(other)'.")
        }
    }
}
