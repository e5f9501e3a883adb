import Core

/// A language's program, ready to be started by ``Cell``.
@PollThread
struct Interpreter {
    let language: ScriptLanguage
    /// The program's real file.
    let path: String
    let cell: Cell
    let directory: RunDirectory

    /// Starts the program with its harness; the working directory goes with the process.
    /// - Parameter handler: is told of the start and the end, never before this call returns.
    /// - Returns: the number by which ``Cell`` kills it, and its working directory's name in the run directory.
    func startHarness(
        control: Descriptor, output: Descriptor, error: Descriptor,
        _ handler: @escaping @PollThread (Cell.Event) -> Void
    ) throws(ExecutionError) -> (id: UInt32, directory: String) {
        try start(
            language.harnessOptions + [directory.harness(of: language)], control: control, output: output,
            error: error, handler)
    }

    /// Starts the program with any arguments.
    func start(
        _ arguments: [String], control: Descriptor, output: Descriptor, error: Descriptor,
        _ handler: @escaping @PollThread (Cell.Event) -> Void
    ) throws(ExecutionError) -> (id: UInt32, directory: String) {
        let name = try directory.makeWorkingDirectory()
        let folder = "\(directory.path)/\(name)"
        let order = Cell.Order(
            arguments: [path] + arguments, environment: language.environment(directory: folder), uid: directory.uid,
            forks: !language.isParked, directory: folder, control: control, output: output, error: error)
        let id = cell.start(order) { [cell] event in
            if case .started = event {} else { cell.clear(directory: name) }
            handler(event)
        }
        return (id, name)
    }
}
