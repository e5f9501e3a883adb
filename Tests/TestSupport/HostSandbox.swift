import Core

/// What the sandbox does on this machine, as `doctor` finds out by trying.
public enum HostSandbox {
    private static let look = Task { () throws -> SandboxTier in
        let doctor = try await TestProgram(["doctor"])
        _ = try await doctor.end()
        guard let found = doctor.text.firstMatch(of: /(?m)^(?:ok|!!|--)  sandbox +(?:tier ([ABC])|none)/) else {
            throw NeverHappened(description: "doctor says nothing of the sandbox: \(doctor.text)")
        }
        return found.output.1.flatMap { SandboxTier(demanded: String($0)) } ?? .none
    }

    /// The best tier that works.
    public static func tier() async throws -> SandboxTier { try await look.value }
}
