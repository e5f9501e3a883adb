import CHost
import Glibc

/// A program that we have started and must wait for, both on the same thread.
struct ServerProcess {
    let id: pid_t

    /// - Parameter log: where its output is appended.
    init(_ command: [String], log: String) throws(DatabaseError) {
        let output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard output >= 0 else {
            throw DatabaseError(.unavailable, "\(log) can not be written: \(String(cString: strerror(errno)))")
        }
        defer { close(output) }
        // Nothing of our own environment: it may hold secrets, and libpq's variables would change what the server does.
        let environment = ["PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"]
        var id: pid_t = 0
        let failure = withCStrings(command) { arguments in
            withCStrings(environment) { environment in
                host_start_program(command[0], arguments, environment, output, &id)
            }
        }
        guard failure == 0 else {
            throw DatabaseError(.unavailable, "\(command[0]) can not be started: \(String(cString: strerror(failure)))")
        }
        self.id = id
    }

    /// Blocks until it has ended.
    /// - Returns: in words, how; nil: with status 0.
    func wait() -> String? {
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        if signal != 0 { return "ended by signal \(signal)" }
        let code = status >> 8 & 0xFF
        return code == 0 ? nil : "ended with status \(code)"
    }
}
