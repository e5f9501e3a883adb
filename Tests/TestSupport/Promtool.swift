import FoundationEssentials
import Glibc

/// Prometheus' own judge of what is scraped.
public enum Promtool {
    /// Nil where it is missing.
    public static let path: String? = ["/opt/scriptorium/promtool", "/usr/bin/promtool"].first {
        access(String($0), X_OK) == 0
    }

    /// `promtool check metrics`: its exit code and what it has to say.
    public static func check(_ metrics: String, with promtool: String) async throws -> (code: Int32?, text: String) {
        let file = TestFolder.path(for: "metrics")
        try metrics.write(toFile: file, atomically: true, encoding: .utf8)
        let program = try await TestProgram(path: "/bin/sh", ["-c", "exec \(promtool) check metrics < \(file)"])
        let code = try await program.end()
        return (code, program.text)
    }
}
