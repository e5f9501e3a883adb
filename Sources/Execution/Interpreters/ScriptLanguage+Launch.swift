import CHost
import Core

/// How each language's interpreter is found and started: the one table.
extension ScriptLanguage {
    /// The program's names, the usual one first.
    var programs: [String] {
        switch self {
        case .nodejs, .v8js: ["node", "nodejs"]
        case .php: ["php"]
        case .python: ["python2.7", "python2"]
        case .python3: ["python3"]
        }
    }

    /// Where the program may be beside `/usr/bin` and the `PATH`: `deploy/python2` puts one there.
    var ownFolders: [String] { self == .python ? ["/opt/scriptorium/python2/bin"] : [] }

    /// Whether one process serves one job only, because the interpreter can not fork.
    var isParked: Bool { self == .nodejs || self == .v8js }

    /// Whether one process is kept ready however many there are of others: few still write it.
    var isRare: Bool { self == .v8js || self == .python }

    /// What makes the interpreter print its version.
    var versionArguments: [String] {
        switch self {
        case .nodejs, .v8js: ["--version"]
        case .php: ["-r", "echo PHP_VERSION;"]
        case .python: ["-E", "-s", "-S", "-B", "-c", Self.pythonVersion]
        case .python3: ["-I", "-S", "-B", "-c", Self.pythonVersion]
        }
    }

    private static let pythonVersion = "import sys; print('%d.%d.%d' % sys.version_info[:3])"

    /// The oldest version that the harness runs on.
    var minimumVersion: [Int] {
        switch self {
        case .nodejs, .v8js: [18]
        case .php: [8, 2]
        case .python: [2, 7]
        case .python3: [3, 9]
        }
    }

    /// The first version that is another language; nil where there is none.
    var successor: [Int]? { self == .python ? [3] : nil }

    /// What stands before the harness's path.
    @PollThread
    func harnessOptions(in sandbox: Sandbox) -> [String] {
        switch self {
        // One helper thread: a script of a request's length has no use for more.
        case .nodejs, .v8js: ["--v8-pool-size=1"]
        case .php:
            // The harness forks by FFI, and has the disabled functions for itself: the command line's `header()` does
            // nothing, and what opens sockets would leave the installation unguarded. A script that takes too much memory
            // gets PHP's own message.
            [
                "-d", "ffi.enable=1", "-d", "display_errors=stderr", "-d", "log_errors=0", "-d", "html_errors=0",
                "-d", "opcache.enable_cli=0", "-d", "memory_limit=256M", "-d",
                "disable_functions=header,header_remove,headers_list,headers_sent,curl_exec,curl_multi_exec,fsockopen,"
                    + "pfsockopen,socket_connect,stream_socket_client", "-d",
                "include_path=\(([".", "/usr/share/php"] + sandbox.packageFolders(for: self)).joined(separator: ":"))",
            ]
        // With the site's packages, for scripts that import them.
        case .python: ["-E", "-s", "-B"]
        case .python3: ["-I", "-B", "-X", "utf8"]
        }
    }

    /// Beside `PATH`, `LANG`, `HOME` and `TMPDIR`.
    private func ownEnvironment(_ packages: [String]) -> [String] {
        guard isParked else { return [] }
        // OpenSSL's configuration costs a start and is of no use without a network.
        return ["OPENSSL_CONF=/dev/null", "NODE_PATH=\((packages + libraryFolders).joined(separator: ":"))"]
    }

    /// Without namespaces there is nothing to write to, and so no place for temporary files.
    @PollThread
    func environment(of path: String, in sandbox: Sandbox) -> [String] {
        ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"]
            // The loader finds them by itself only where there is a /proc.
            + (Self.ownLibrary(of: path).map { ["LD_LIBRARY_PATH=\($0)"] } ?? [])
            + (sandbox.hasNamespaces ? ["HOME=/tmp", "TMPDIR=/tmp"] : ["HOME=/"])
            + ownEnvironment(sandbox.packageFolders(for: self))
    }

    /// The harness's file name in the run directory.
    var harnessName: String {
        switch self {
        case .nodejs: "harness.js"
        case .v8js: "v8js.js"
        case .php: "harness.php"
        case .python: "harness2.py"
        case .python3: "harness.py"
        }
    }

    /// The harness's text.
    var harness: UnsafeRawBufferPointer {
        var length = 0
        let start =
            switch self {
            case .nodejs: host_harness_nodejs(&length)
            case .v8js: host_harness_v8js(&length)
            case .php: host_harness_php(&length)
            case .python: host_harness_python2(&length)
            case .python3: host_harness_python3(&length)
            }
        return UnsafeRawBufferPointer(start: start, count: length)
    }
}
