import FoundationEssentials
import Glibc

/// Processes of a cluster that its last owner has left behind.
struct ServerLeftovers: Sendable {
    /// The cluster, without symbolic links.
    let cluster: String

    /// Each process of a server has the cluster as its current directory.
    private func processes() -> [pid_t] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { pid_t($0) }.filter { id in
            Self.target(of: "/proc/\(id)/cwd") == cluster
                && Self.target(of: "/proc/\(id)/exe")?.split(separator: "/").last?.hasPrefix("postgres") ?? false
        }
    }

    private static func target(of link: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &buffer, buffer.count)
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// The process that the cluster's own note names; nil where there is no note.
    private var noted: pid_t? {
        guard let data = FileManager.default.contents(atPath: "\(cluster)/postmaster.pid") else { return nil }
        return String(decoding: data, as: UTF8.self).split(separator: "\n").first.flatMap { pid_t($0) }
    }

    /// Ends them, first politely. Blocks for up to twenty seconds.
    /// - Throws: where one does not end.
    func end(_ progress: (String) -> Void = { _ in }) throws(DatabaseError) {
        let found = processes()
        if let postmaster = noted, found.contains(postmaster) {
            progress("stopping a PostgreSQL server that was left behind (process \(postmaster))")
            kill(postmaster, SIGINT)
            // One that is stopped can not obey.
            kill(postmaster, SIGCONT)
        }
        // Without their postmaster the others notice and end by themselves.
        if !isGone(within: .seconds(10)) {
            for (signal, limit) in [(SIGQUIT, Duration.seconds(5)), (SIGKILL, .seconds(5))] {
                for process in processes() { kill(process, signal) }
                if isGone(within: limit) { break }
            }
        }
        if let left = processes().first {
            throw DatabaseError(.unavailable, "an old PostgreSQL server (process \(left)) does not end")
        }
        // The note's number may belong to another program by now. The server would take that for its predecessor.
        if let noted, kill(noted, 0) == 0 || errno == EPERM { unlink("\(cluster)/postmaster.pid") }
    }

    private func isGone(within limit: Duration) -> Bool {
        let deadline = Moment.now + limit
        while !processes().isEmpty {
            guard Moment.now < deadline else { return false }
            poll(nil, 0, 20)
        }
        return true
    }
}
