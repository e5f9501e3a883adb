import ArgumentParser
import Core
import Execution
import Logging

/// The flags of commands that run scripts; they go before the settings of the same names.
struct SandboxOptions: ParsableArguments {
    @Option(help: "The best tier of the sandbox that is tried: auto, A, B or C.")
    var sandboxTier: String?

    @Flag(help: "Run scripts where no tier of the sandbox works: only those that you trust.")
    var unsafeNoSandbox = false

    /// By their variables.
    var settings: [String: String] {
        var values: [String: String] = [:]
        values[Setting.sandboxTier.variable] = sandboxTier
        if unsafeNoSandbox { values[Setting.unsafeNoSandbox.variable] = "on" }
        return values
    }
}

extension Settings {
    /// The best tier that is tried.
    func mostTier() throws -> SandboxTier {
        guard let text = text(.sandboxTier), text != "auto" else { return .a }
        guard let tier = SandboxTier(demanded: text) else {
            throw Invalid(
                description: "\(Setting.sandboxTier.variable) (--sandbox-tier) must be auto, A, B or C, not '\(text)'.")
        }
        return tier
    }

    /// Lets a worker begin with this tier, and says so where there is none.
    /// - Parameter notes: what the better tiers lack.
    /// - Throws: ``Invalid`` where nothing would contain the scripts and nobody has allowed that.
    func checkSandbox(_ tier: SandboxTier, _ notes: [String], logger: Logger) throws {
        guard tier == .none else { return }
        guard try isOn(.unsafeNoSandbox, default: false) else {
            let lacks = notes.isEmpty ? "" : " " + notes.map { "\($0)." }.joined(separator: " ")
            throw Invalid(
                description:
                    "No tier of the sandbox works on this machine, so a worker would run scripts with nothing to"
                    + " contain them.\(lacks) 'scriptorium doctor' says what each tier lacks. Give the worker that, or,"
                    + " where you trust every script, start it with --unsafe-no-sandbox"
                    + " (\(Setting.unsafeNoSandbox.variable)=on).")
        }
        logger.warning(
            "no sandbox contains the scripts, as --unsafe-no-sandbox allows: run only scripts that you trust")
    }
}
