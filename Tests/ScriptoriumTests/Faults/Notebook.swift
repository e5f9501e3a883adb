import Core
import FoundationEssentials
import Glibc
import TestSupport

/// What scripts say while they run, beside all that the installation keeps: a server of the test's own that notes every
/// run in a file.
struct Notebook: Sendable {
    /// One run of a script, as it told of itself.
    struct Run: Sendable, Hashable {
        let job: String
        let attempt: Int
        /// Of this run alone.
        let mark: String
    }

    private let file: String
    private let program: TestProgram
    private let port: Int

    init() async throws {
        file = TestFolder.path(for: "notebook")
        port = try freePort()
        let server = """
            import http.server, os, sys
            notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            class Taker(http.server.BaseHTTPRequestHandler):
                def do_POST(self):
                    length = int(self.headers['Content-Length'])
                    note = self.rfile.read(length)
                    # A worker can be killed in the middle of it.
                    if len(note) < length: return
                    os.write(notes, note + b'\\n')
                    self.send_response(200)
                    self.send_header('Content-Length', '5')
                    self.end_headers()
                    self.wfile.write(b'noted')
                def log_message(self, *words): pass
            server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[2])), Taker)
            print('ready ', flush=True)
            server.serve_forever()
            """
        program = try await TestProgram(path: "/usr/bin/python3", ["-c", server, file, "\(port)"])
        _ = try await program.line(after: "ready ")
    }

    /// What a tenant needs whose scripts make notes.
    static let quotas = #"{"egress":["127.0.0.1"]}"#

    /// Lines of Python that note the run, and leave its mark in `mark`.
    var script: String {
        """
        import os, json
        mark = os.urandom(8).hex()
        noted = platform.api.post('http://127.0.0.1:\(port)/', json.dumps({
            'job': event.job.id, 'attempt': event.job.attempt, 'mark': mark}))
        if noted.read() != b'noted': raise Exception('not noted')
        """
    }

    func runs() throws -> [Run] {
        let text = FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) } ?? ""
        // The last line may not be whole yet.
        return try text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { line in
            let note = try JSONText(checking: String(line))
            return Run(
                job: note["job"]?.string ?? "", attempt: note["attempt"]?.integer ?? 0,
                mark: note["mark"]?.string ?? "")
        }
    }

    func close() async throws {
        program.signal(SIGKILL)
        _ = try await program.end()
    }
}
