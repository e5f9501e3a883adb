import Core

/// A language's program, ready to be started by ``Cell``.
@PollThread
struct Interpreter {
    let language: ScriptLanguage
    /// The program's real file.
    let path: String
    let cell: Cell
    let directory: RunDirectory

    var sandbox: Sandbox { cell.sandbox }

    /// The channels of a process, its ends.
    struct Ends {
        /// Descriptor 3 of the process, its standard output, and its standard error.
        var frames: Descriptor
        var output: Descriptor
        var error: Descriptor
        /// The control socket of its init; a zygote has none.
        var control: Descriptor?
    }

    /// Starts the program with its harness.
    /// - Parameters:
    ///   - once: whether it serves one job with nothing done ahead.
    ///   - handler: is told of the start and the end, never before this call returns.
    /// - Returns: the number by which ``Cell`` kills it.
    func startHarness(
        once: Bool = false, _ ends: Ends, _ handler: @escaping @PollThread (Cell.Event) -> Void
    ) -> UInt32 {
        var arguments = language.harnessOptions(in: sandbox) + [directory.harness(of: language, in: sandbox)]
        if !language.isParked {
            arguments += [
                directory.library(in: sandbox), "\(sandbox.tier.rank)",
                sandbox.packageFolders(for: language).joined(separator: ":"),
            ]
        }
        if once { arguments.append("once") }
        return start(arguments, ends, handler)
    }

    /// Starts the program with any arguments.
    func start(
        _ arguments: [String], _ ends: Ends, _ handler: @escaping @PollThread (Cell.Event) -> Void
    ) -> UInt32 {
        let order = Cell.Order(
            kind: ends.control == nil ? .zygote : .program, arguments: [path] + arguments,
            environment: language.environment(of: path, in: sandbox), binds: binds, frames: ends.frames,
            output: ends.output,
            error: ends.error, control: ends.control ?? ends.error)
        return cell.start(order, handler)
    }

    /// All that its processes see of this machine.
    private var binds: [Cell.Bind] {
        var binds =
            (language.files(of: path)).map { Cell.Bind(source: $0, target: $0) } + directory.binds(for: language)
        for part in ["shared", "tenants"] {
            guard let source = sandbox.packages(for: language, part) else { continue }
            // Which tenant's script a process will run is not known when it starts; its init shows it that tenant's alone.
            if sandbox.hasNamespaces || part == "shared" {
                binds.append(Cell.Bind(source: source, target: "/packages/\(part)"))
            }
        }
        return binds
    }
}
