import Core
import Glibc
import Logging

/// Finds the best sandbox that can be had on this machine, by building each.
@PollThread
struct SandboxSearch {
    private let options: ExecutionOptions
    private let logger: Logger
    /// The scripts' first user; nil stands for our own.
    private let user: UInt32?

    init(_ options: ExecutionOptions, logger: Logger) {
        self.options = options
        self.logger = logger
        user = geteuid() == 0 ? options.scriptUID ?? ExecutionOptions.defaultScriptUID : nil
    }

    /// A running `cell`, its directory, and a sentence for each better tier that says what it lacks.
    /// - Throws: ``ExecutionError``; with code `sandbox` where not even system calls can be filtered.
    func find() async throws(ExecutionError) -> (Cell, RunDirectory, [String]) {
        let path: String
        if let configured = options.cellPath { path = configured } else { path = try Self.besideUs("cell") }
        guard access(path, X_OK) == 0 else { throw ExecutionError(.cell, "can not run \(path)", errno: errno) }
        // Where the operator has put `cell`, its library is with it.
        let library = path.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/libsandbox.so"
        guard access(library, R_OK) == 0 else { throw ExecutionError(.cell, "can not read \(library)", errno: errno) }
        var notes: [String] = []
        for tier in SandboxTier.allCases.reversed() {
            if tier > options.mostTier {
                notes.append(
                    "Tier \(tier.rawValue) was not tried: SCRIPTORIUM_SANDBOX_TIER names \(options.mostTier.rawValue)")
                continue
            }
            if tier == .a, user == nil {
                notes.append("Tier A needs root, who alone can give each script a user of its own")
                continue
            }
            let directory = try RunDirectory(in: options.runDirectory ?? "/tmp", library: library)
            let cgroups = tier >= .b ? Cgroups() : nil
            let cell: Cell
            do throws(ExecutionError) {
                cell = try Cell(
                    path: path, runDirectory: directory.path,
                    Sandbox(tier: tier, user: user, cgroups: cgroups, packages: options.packages))
            } catch {
                directory.remove()
                throw error
            }
            let trial = await Trial.run(cell, within: .seconds(10))
            if trial.hasSucceeded {
                if tier >= .b, cgroups == nil {
                    notes.append(
                        "No control group can be made (give the program one, such as a unit's with Delegate=yes): memory is looked"
                            + " at every few milliseconds instead")
                }
                return (cell, directory, notes)
            }
            notes.append("Tier \(tier.rawValue) can not be had: \(trial.lastErrorLine ?? "it gave no reason")")
            await cell.close()
            await cgroups?.close()
            directory.remove()
        }
        throw ExecutionError(.sandbox, (["scripts can not be contained here"] + notes).joined(separator: ". "))
    }

    private static func besideUs(_ name: String) throws(ExecutionError) -> String {
        guard let resolved = realpath("/proc/self/exe", nil) else {
            throw ExecutionError(.cell, "can not find this program's own file", errno: errno)
        }
        defer { free(resolved) }
        let path = String(cString: resolved)
        return "\(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])/\(name)"
    }
}
