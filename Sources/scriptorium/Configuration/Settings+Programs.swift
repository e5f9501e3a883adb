import Core
import Execution
import FoundationEssentials
import Glibc

extension Settings {
    /// The path of a program; nil where none is configured.
    /// - Throws: ``Invalid`` where there is no program at it.
    func program(_ setting: Setting) throws(Invalid) -> String? {
        guard let path = text(setting) else { return nil }
        guard path.hasPrefix("/") else {
            throw Invalid(description: "\(setting.variable) must be an absolute path, not '\(path)'.")
        }
        guard access(path, F_OK) == 0 else {
            throw Invalid(description: "\(setting.variable): '\(path)': \(String(cString: strerror(errno))).")
        }
        guard !Self.isDirectory(path), access(path, X_OK) == 0 else {
            throw Invalid(description: "\(setting.variable): '\(path)' is not a program that can be started.")
        }
        return path
    }

    /// The path of a directory; nil where none is configured.
    /// - Throws: ``Invalid`` where there is none at it.
    func directory(_ setting: Setting) throws(Invalid) -> String? {
        guard let path = text(setting) else { return nil }
        guard path.hasPrefix("/"), Self.isDirectory(path) else {
            throw Invalid(
                description: "\(setting.variable) must be the absolute path of a directory that exists, not '\(path)'.")
        }
        return path
    }

    private static func isDirectory(_ path: String) -> Bool {
        var isDirectory = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory
    }

    /// Refuses programs that were configured and turned out not to work. One that was found by itself may be absent.
    /// - Throws: ``Invalid``, which names the setting.
    func check(_ reports: [InterpreterReport]) throws(Invalid) {
        if let cell = text(.cellPath), !reports.isEmpty, reports.allSatisfy({ $0.problem != nil }) {
            throw Invalid(
                description: "\(Setting.cellPath.variable): nothing can be started by '\(cell)':"
                    + " \(reports.first?.problem ?? "")")
        }
        for report in reports {
            let setting: Setting =
                switch report.language {
                case .nodejs, .v8js: .nodePath
                case .php: .phpPath
                case .python: .python2Path
                case .python3: .python3Path
                }
            if let problem = report.problem, text(setting) != nil {
                throw Invalid(description: "\(setting.variable): \(problem)")
            }
        }
    }

    /// Looks at every setting, also at those of other roles: all processes are given the same.
    /// - Parameter ownServer: `dev` has a server of its own, and makes a key where none is given.
    /// - Throws: ``Invalid``, which names the first that is wrong.
    func check(ownServer: Bool = false) throws {
        if let problem = problems(ownServer: ownServer).first { throw problem }
    }

    /// What is wrong with the settings, each of them looked at by itself.
    func problems(ownServer: Bool = false) -> [any Error] {
        var looks: [() throws -> Void] = [
            { _ = try logger() }, { _ = try database(url: ownServer ? "" : nil, as: "check") }, { _ = try ingress() },
            { _ = try adminPort() },
            { _ = try worker() }, { _ = try platform() }, { _ = try execution(isWorker: true) },
        ]
        if !ownServer || text(.secretKey) != nil { looks.append { _ = try keyRing() } }
        return looks.compactMap { look in
            do {
                try look()
                return nil
            } catch {
                return error
            }
        }
    }
}
