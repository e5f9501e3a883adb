import Core
import Execution
import Glibc
import TestSupport
import Testing

/// What a script's process can see and be.
@Suite struct ConfinementTests {
    let executor = Shared.executor

    @Test(arguments: ScriptLanguage.everyday)
    func `The environment holds nothing of ours`(_ language: ScriptLanguage) async throws {
        setenv("SCRIPTORIUM_TEST_SECRET", "do not tell", 1)
        let sources = Sources(
            nodejs: "return process.env;", php: "return getenv();", python3: "import os\nreturn dict(os.environ)")
        let value = try await executor.value(language, sources[language])
        let allowed: Set = ["PATH", "LANG", "HOME", "TMPDIR", "OPENSSL_CONF", "NODE_PATH", "LC_CTYPE"]
        #expect(Set(value.members.map(\.key)).subtracting(allowed) == [])
        #expect(value["HOME"]?.string == value["TMPDIR"]?.string)
        #expect(value["LANG"]?.string == "C.UTF-8")
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `The working directory is private and goes with the script`(_ language: ScriptLanguage) async throws {
        let sources = Sources(
            nodejs: """
                const fs = require('fs');
                const before = fs.readdirSync('.');
                fs.mkdirSync('a/b', {recursive: true});
                fs.writeFileSync('a/b/file', 'x');
                return {path: process.cwd(), mode: fs.statSync('.').mode & 0o777, before, home: process.env.HOME};
                """,
            php: """
                $before = array_values(array_diff(scandir('.'), ['.', '..']));
                mkdir('a/b', 0700, true);
                file_put_contents('a/b/file', 'x');
                return ['path' => getcwd(), 'mode' => stat('.')['mode'] & 0777, 'before' => $before, 'home' => getenv('HOME')];
                """,
            python3: """
                import os
                before = os.listdir('.')
                os.makedirs('a/b')
                open('a/b/file', 'w').write('x')
                return {'path': os.getcwd(), 'mode': os.stat('.').st_mode & 0o777, 'before': before, 'home': os.environ['HOME']}
                """)
        // Several after each other: what one leaves, the next does not find.
        for _ in 0..<3 {
            let value = try await executor.value(language, sources[language])
            #expect(value["mode"]?.integer == 0o700)
            #expect(value["before"]?.elements.isEmpty == true)
            #expect(value["home"] == value["path"])
            #expect(value["path"]?.string == "/tmp")
        }
    }

    @Test func `A script does not see the files of one that runs beside it`() async throws {
        let host = TestHost()
        let task = Task {
            await executor.run(
                .python3, "open('secret', 'w').write('x')\nprint('here')\nwhile True: pass", host: host)
        }
        try await eventually("the file is there") { !host.lines.isEmpty }
        let seen = try await executor.value(
            .python3, "import os\nreturn [os.listdir(at) for at in ('/tmp', '/var/tmp', '/dev/shm')]")
        #expect(seen.text == "[[],[],[]]")
        task.cancel()
        _ = await task.value
    }

    @Test(.enabled(if: geteuid() == 0, "who is not root runs no script as root"), arguments: ScriptLanguage.everyday)
    func `A script does not run as root`(_ language: ScriptLanguage) async throws {
        let endless = Sources(
            nodejs: "console.log('here'); while (true);", php: "echo \"here\\n\"; while (true);",
            python3: "print('here')\nwhile True: pass")
        let marks = [Mark(), Mark()]
        let tasks = marks.map { mark in
            let host = TestHost()
            let task = Task { await executor.run(language, mark.line(language) + endless[language], host: host) }
            return (task, host)
        }
        for (_, host) in tasks { try await eventually("the script prints") { !host.lines.isEmpty } }
        _ = try await executor.whenReady()
        var users: Set<String> = []
        // As the kernel sees it from outside.
        for mark in marks {
            let pid = try #require(mark.pid)
            let status = try #require(text(of: "/proc/\(pid)/status"))
            let fields = status.split(separator: "\n").map {
                $0.split(separator: "\t", omittingEmptySubsequences: true)
            }
            func field(_ name: String) -> [String]? {
                fields.first { $0.first == "\(name):" }?.dropFirst().map(String.init)
            }
            let uid = try #require(field("Uid")?.first)
            users.insert(uid)
            let number = try #require(UInt32(uid))
            #expect((ExecutionOptions.defaultScriptUID..<ExecutionOptions.defaultScriptUID + 4096).contains(number))
            #expect(field("Uid") == [uid, uid, uid, uid])
            #expect(field("Gid") == [uid, uid, uid, uid])
            #expect(field("Groups")?.joined().trimmingSpaces ?? "" == "")
            #expect(field("NoNewPrivs") == ["1"])
            #expect(field("Seccomp") == ["2"])
            for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                #expect(field(set) == ["0000000000000000"], "\(set)")
            }
        }
        if executor.tier == .a { #expect(users.count == 2) }
        for (task, _) in tasks {
            task.cancel()
            _ = await task.value
        }
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `A script holds no descriptors but its own`(_ language: ScriptLanguage) async throws {
        // Of each descriptor the kind of its file: 12 is a socket, 8 a file, 4 a directory, 2 a device, 1 a pipe.
        let sources = Sources(
            nodejs: """
                const fs = require('fs');
                const kinds = [];
                for (let fd = 0; fd < 1024; fd++) try { kinds.push([fd, fs.fstatSync(fd).mode >> 12]); } catch {}
                return kinds;
                """,
            php: """
                $kinds = [];
                for ($fd = 0; $fd < 1024; $fd++)
                    if ($file = @fopen("php://fd/$fd", 'r')) {
                        $kinds[] = [$fd, fstat($file)['mode'] >> 12];
                        unset($file);
                    }
                return $kinds;
                """,
            python3: """
                import os
                kinds = []
                for fd in range(1024):
                    try: kinds.append([fd, os.fstat(fd).st_mode >> 12])
                    except OSError: pass
                return kinds
                """)
        let kinds = try await executor.value(language, sources[language]).elements.map {
            $0.elements.compactMap(\.integer)
        }
        #expect(kinds.filter { $0.last == 12 } == [[3, 12]])
        #expect(kinds.contains([1, 1]) && kinds.contains([2, 1]))
        // No file and no directory: what it can reach it must open by name.
        #expect(kinds.filter { $0.last == 8 || $0.last == 4 } == [])
        // Beside its output only Node.js has pipes, which wake its threads.
        if language != .nodejs { #expect(kinds.count { $0.last == 1 } == 2) }
    }

    @Test(arguments: ScriptLanguage.everyday)
    func `The source is not to be seen in the list of processes`(_ language: ScriptLanguage) async throws {
        let sources = Sources(
            nodejs: "console.log('here'); /* needle */ while (true);",
            php: "echo \"here\\n\"; /* needle */ while (true);", python3: "print('here')  # needle\nwhile True: pass")
        let host = TestHost()
        let mark = Mark()
        let task = Task { await executor.run(language, mark.line(language) + sources[language], host: host) }
        try await eventually("the script prints") { !host.lines.isEmpty }
        let pid = try #require(mark.pid)
        let processes = descendants(of: Int(getpid()))
        #expect(processes.contains(pid))
        for file in ["cmdline", "environ", "comm", "stat"] {
            let seen = processes.filter { text(of: "/proc/\($0)/\(file)")?.contains("needle") == true }
            #expect(seen == [], "\(file)")
        }
        task.cancel()
        _ = await task.value
    }
}

extension String {
    fileprivate var trimmingSpaces: String { String(self.drop { $0 == " " }) }
}
