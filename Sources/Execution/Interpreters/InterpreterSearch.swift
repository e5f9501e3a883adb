import Core
import Glibc

/// Finds a language's program and tries it as the scripts' user.
@PollThread
struct InterpreterSearch {
    let language: ScriptLanguage
    /// The operator's choice; nothing else is tried where there is one.
    let configured: String?
    let cell: Cell
    let directory: RunDirectory

    /// The first program that works, or a report that says why there is none.
    func find() async -> (Interpreter?, InterpreterReport) {
        var firstProblem: InterpreterReport?
        for candidate in candidates() {
            let report = await attempt(candidate)
            if report.problem == nil, let path = report.path {
                return (Interpreter(language: language, path: path, cell: cell, directory: directory), report)
            }
            if firstProblem == nil { firstProblem = report }
        }
        let name = language.programs[0]
        return (
            nil,
            firstProblem
                ?? InterpreterReport(
                    language: language,
                    problem: "No \(name) was found: install it in /usr/bin or configure its path.")
        )
    }

    /// Files that exist, in the order in which they are tried.
    private func candidates() -> [String] {
        if let configured { return [configured] }
        let folders =
            ["/usr/bin"] + (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map(String.init)
            + language.ownFolders
        var found: [String] = []
        for folder in folders where folder.hasPrefix("/") {
            for name in language.programs {
                let path = "\(folder)/\(name)"
                if access(path, F_OK) == 0, !found.contains(path) { found.append(path) }
            }
        }
        return found
    }

    private func attempt(_ candidate: String) async -> InterpreterReport {
        var report = InterpreterReport(language: language)
        guard let resolved = realpath(candidate, nil) else {
            report.problem = "\(candidate) can not be found: \(String(cString: strerror(errno)))."
            return report
        }
        let path = String(cString: resolved)
        free(resolved)
        report.path = path
        if isShellScript(path) {
            report.problem = "\(path) is a script that starts something else: configure the path of the real program."
            return report
        }
        if cell.sandbox.hasNamespaces,
            let hidden = ["/tmp", "/var/tmp", "/dev/shm"].first(where: { path.hasPrefix("\($0)/") })
        {
            report.problem =
                "\(path) can not be seen by scripts, who have a \(hidden) of their own: install it elsewhere."
            return report
        }
        let interpreter = Interpreter(language: language, path: path, cell: cell, directory: directory)
        let trial = await Trial.run(interpreter, language.versionArguments, within: .seconds(10))
        guard let version = trial.output, trial.hasSucceeded else {
            let why = trial.lastErrorLine ?? "it gave no version"
            report.problem = "\(path) does not run as the scripts' user: \(why)."
            return report
        }
        let text = version.hasPrefix("v") ? String(version.dropFirst()) : version
        report.version = text
        let numbers = text.split(whereSeparator: { $0 == "." || $0 == "-" || $0 == "+" }).prefix(3).map { Int($0) ?? 0 }
        if numbers.lexicographicallyPrecedes(language.minimumVersion) {
            let needed = language.minimumVersion.map(String.init).joined(separator: ".")
            report.problem = "\(path) is version \(text), and \(needed) or newer is needed."
        } else if let successor = language.successor, !numbers.lexicographicallyPrecedes(successor) {
            let needed = language.minimumVersion.map(String.init).joined(separator: ".")
            report.problem = "\(path) is version \(text), and \(needed) is needed."
        }
        report.missingLibraries = language.missingLibraries(in: language.libraryFolders)
        return report
    }

    private func isShellScript(_ path: String) -> Bool {
        let file = Descriptor(open(path, O_RDONLY | O_CLOEXEC))
        var start: (UInt8, UInt8) = (0, 0)
        return read(file.number, &start, 2) == 2 && start == (UInt8(ascii: "#"), UInt8(ascii: "!"))
    }
}
