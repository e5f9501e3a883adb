import Core
import Execution
import Glibc

/// A name that a script gives its process, by which it is found among those of the machine: inside its sandbox, its number
/// is another one, and says nothing out here.
struct Mark: Sendable {
    let name = "t" + String(UInt64.random(in: 0 ... .max), radix: 36)

    /// Takes the name, as the first line of a script.
    func line(_ language: ScriptLanguage) -> String {
        switch language {
        case .nodejs: "process.title = '\(name)';\n"
        case .php: "FFI::cdef('int prctl(int, const char *);')->prctl(15 /* PR_SET_NAME */, '\(name)');\n"
        case .python, .python3: "import ctypes\nctypes.CDLL(None).prctl(15, b'\(name)')  # PR_SET_NAME\n"
        case .v8js: ""
        }
    }

    /// The script's process and those that it has started, as this machine numbers them.
    var pids: [Int] {
        names(in: "/proc").compactMap { Int($0) }.filter { pid in
            // A thread that is not the first one keeps its name, a name of 15 bytes.
            text(of: "/proc/\(pid)/comm")?.split(separator: "\n").first.map(String.init) == name && isAlive(pid)
        }
    }

    var pid: Int? { pids.first }

    /// The init that holds the script.
    var initial: Int? { pid.flatMap(parent(of:)) }

    /// Who has forked the script's init: a zygote; of a script that can not be forked it is `cell`.
    var zygote: Int? { initial.flatMap(parent(of:)) }
}

/// The folder in which one executor has its run directory: by it, its processes are told from those of other tests.
struct Place: Sendable {
    let folder: String

    init() throws {
        var template = Array("/tmp/scriptorium-place-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw NoPlace() }
        folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        chmod(folder, 0o755)
    }

    struct NoPlace: Error {}

    /// The program `cell`.
    var cell: Int? {
        descendants(of: Int(getpid())).first {
            text(of: "/proc/\($0)/cmdline")?.hasPrefix("cell\0\(folder)/") == true && parent(of: $0) == Int(getpid())
        }
    }

    /// All processes of the executor.
    var processes: [Int] { cell.map { [$0] + descendants(of: $0) } ?? [] }

    /// Those that run a harness: `harness.js` of parked processes, `harness.py` of zygotes and their children.
    func running(_ harness: String) -> [Int] {
        processes.filter {
            text(of: "/proc/\($0)/cmdline")?.contains("/\(harness)\0") == true
                || text(of: "/proc/\($0)/cmdline")?.hasSuffix("/\(harness)") == true
        }
    }

    func remove() { rmdir(folder) }
}

/// An executor of the test's own, and where it is.
func withPlace<Value: Sendable>(
    _ options: ExecutionOptions = ExecutionOptions(zygotes: 1, parked: 1),
    _ body: @Sendable (ScriptExecutor, Place) async throws -> Value
) async throws -> Value {
    let place = try Place()
    defer { place.remove() }
    var options = options
    options.runDirectory = place.folder
    return try await withExecutor(options) { try await body($0, place) }
}
