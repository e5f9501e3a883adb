import CLibPQ
import FoundationEssentials
import Glibc

/// `pgbench`, PostgreSQL's own load generator, which stands beside the server's programs: what it reaches with a statement is
/// the ceiling for whoever sends the same one.
package struct LoadProgram: Sendable {
    private let program: String
    private let setpriv: String
    private let folder: String
    private let target: String

    /// - Parameters:
    ///   - url: of the database.
    ///   - folder: for the files of the runs; the password is in one of them, mode 0600, and never in a command line.
    /// - Throws: `DatabaseError` that says what to install.
    package init(url: String, folder: String) throws(DatabaseError) {
        let programs = try ServerPrograms.find(version: nil)
        program = String(programs.postgres.dropLast("postgres".count)) + "pgbench"
        guard access(program, X_OK) == 0 else {
            throw DatabaseError(.unavailable, "\(program) was not found: install it (apt-get install postgresql)")
        }
        setpriv = programs.setpriv
        self.folder = folder
        var pairs = try Self.pairs(url)
        if let password = pairs.removeValue(forKey: "password") {
            let file = "\(folder)/pgpass"
            let escaped = password.replacing("\\", with: "\\\\").replacing(":", with: "\\:")
            try Self.write("*:*:*:*:\(escaped)\n", to: file)
            pairs["passfile"] = file
        }
        target = pairs.sorted { $0.key < $1.key }.map { key, value in
            "\(key)='\(value.replacing("\\", with: "\\\\").replacing("'", with: "\\'"))'"
        }.joined(separator: " ")
    }

    /// Runs a script, its statements prepared, and returns what the program says of it.
    /// - Parameters:
    ///   - variables: those of the script and what they are at the beginning.
    ///   - clients: how many connections run it, each again and again.
    ///   - seconds: how long.
    /// - Throws: `DatabaseError` with the last lines of what it says, where a statement fails.
    package func run(
        _ script: String, variables: [String: String], clients: Int, seconds: Int
    ) async throws -> String {
        let name = "\(folder)/load-\(UInt32.random(in: 0 ... .max))"
        let (file, log) = ("\(name).sql", "\(name).log")
        try Self.write(script, to: file)
        defer {
            unlink(file)
            unlink(log)
        }
        let command =
            [
                setpriv, "--pdeathsig", "KILL", "--", program, "--no-vacuum", "--protocol=prepared", "--file=\(file)",
                "--client=\(clients)", "--jobs=\(min(clients, 2))", "--time=\(seconds)",
            ] + variables.map { "--define=\($0)=\($1)" } + [target]
        let failure = try await PosixThread.run("pgbench") { try ServerProcess(command, log: log).wait() }
        let said = FileManager.default.contents(atPath: log).map { String(decoding: $0, as: UTF8.self) } ?? ""
        if let failure {
            let lines = said.split(separator: "\n")
            let first = lines.firstIndex { $0.contains("error:") } ?? max(0, lines.count - 4)
            throw DatabaseError(
                .unavailable, "pgbench \(failure): \(lines[first...].prefix(4).joined(separator: " | "))")
        }
        return said
    }

    private static func pairs(_ url: String) throws(DatabaseError) -> [String: String] {
        _ = try DatabaseAddress(url: url)
        guard let options = PQconninfoParse(url, nil) else { return [:] }
        defer { PQconninfoFree(options) }
        var pairs: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { pairs[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        return pairs
    }

    private static func write(_ text: String, to path: String) throws(DatabaseError) {
        unlink(path)
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure(path) }
        defer { close(file) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw failure(path) }
            rest = rest.dropFirst(count)
        }
    }

    private static func failure(_ path: String) -> DatabaseError {
        DatabaseError(.unavailable, "\(path): \(String(cString: strerror(errno)))")
    }
}
