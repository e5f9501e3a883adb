import Core
import Execution
import Glibc
import TestSupport
import Testing

/// What a script tries against the other processes of its user: its zygote, its neighbours, and those that are parked.
@Suite struct HostileTests {
    /// Every way into another process that the system has, tried on `event.pid`; the names of those that worked. The numbers
    /// of system calls are those of x86-64.
    static let attacks = Sources(
        nodejs: """
            const fs = require('fs');
            const worked = [];
            const attempt = (name, way) => { try { way(); worked.push(name); } catch {} };
            attempt('kill', () => process.kill(event.pid, 'SIGSTOP'));
            for (const file of ['mem', 'environ', 'fd/0', 'maps'])
                attempt(file, () => fs.closeSync(fs.openSync(`/proc/${event.pid}/${file}`, file === 'mem' ? 'r+' : 'r')));
            attempt('priority', () => require('os').setPriority(event.pid, 19));
            return worked;
            """,
        php: """
            $lib = FFI::cdef('long syscall(long number, ...);');
            $pid = $event['pid'];
            $pidfd = $lib->syscall(434, $pid, 0);
            $ways = [
                'kill' => fn () => posix_kill($pid, SIGSTOP),
                'pidfd_send_signal' => fn () => $lib->syscall(424, $pidfd, SIGSTOP, null, 0) === 0,
                'pidfd_getfd' => fn () => $lib->syscall(438, $pidfd, 3, 0) >= 0,
                'seize' => fn () => $lib->syscall(101, 0x4206, $pid, null, null) === 0,
                'mem' => fn () => @fopen("/proc/$pid/mem", 'r+'),
                'environ' => fn () => @fopen("/proc/$pid/environ", 'r'),
                'fd' => fn () => @fopen("/proc/$pid/fd/0", 'r'),
            ];
            return array_keys(array_filter($ways, fn ($way) => $way()));
            """,
        python3: """
            import ctypes, os, signal
            lib = ctypes.CDLL(None, use_errno=True)
            pid = event.pid
            worked = []
            def attempt(name, way):
                try:
                    if way() >= 0: worked.append(name)
                except OSError:
                    pass
            def call(number, *arguments):
                return lib.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
            room = ctypes.create_string_buffer(64)
            class Vector(ctypes.Structure):
                _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
            here = Vector(ctypes.addressof(room), 8)
            try:
                place = int(open(f'/proc/{pid}/maps').readline().split('-')[0], 16)
            except OSError:
                place = 0x400000
            there = Vector(place, 8)
            try: pidfd = os.pidfd_open(pid)
            except OSError: pidfd = -1
            attempt('kill', lambda: os.kill(pid, signal.SIGSTOP) or 0)
            attempt('killpg', lambda: os.killpg(pid, signal.SIGSTOP) or 0)
            attempt('tgkill', lambda: call(234, pid, pid, signal.SIGSTOP))
            attempt('sigqueue', lambda: lib.sigqueue(pid, signal.SIGSTOP, None))
            attempt('pidfd_send_signal', lambda: signal.pidfd_send_signal(pidfd, signal.SIGSTOP) or 0)
            attempt('pidfd_getfd', lambda: call(438, pidfd, 3, 0))
            attempt('attach', lambda: call(101, 16, pid, 0, 0))
            attempt('seize', lambda: call(101, 0x4206, pid, 0, 0))
            for name, number in (('process_vm_readv', 310), ('process_vm_writev', 311)):
                attempt(name, lambda: call(number, pid, ctypes.addressof(here), 1, ctypes.addressof(there), 1, 0))
            attempt('kcmp', lambda: call(312, pid, os.getpid(), 2, 0, 0))
            attempt('process_madvise', lambda: call(440, pidfd, ctypes.addressof(there), 1, 21, 0))
            attempt('prlimit', lambda: call(302, pid, 7, ctypes.addressof(room), 0))
            attempt('setpriority', lambda: os.setpriority(os.PRIO_PROCESS, pid, 19) or 0)
            attempt('affinity', lambda: os.sched_setaffinity(pid, [0]) or 0)
            attempt('scheduler', lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)) or 0)
            for name in ('mem', 'environ', 'maps', 'fd/0', 'fd/3'):
                attempt(name, lambda: os.open(f'/proc/{pid}/{name}', os.O_RDWR if name == 'mem' else os.O_RDONLY))
            return worked
            """)

    /// The tiers that can be had here: what parts processes in one is not what parts them in another.
    static let tiers: [(SandboxTier, ScriptLanguage)] = [SandboxTier.a, .b, .c].flatMap { tier in
        [ScriptLanguage.nodejs, .php, .python3].map { (tier, $0) }
    }

    @Test(arguments: tiers)
    func `A script reaches into no other process`(_ tier: SandboxTier, _ language: ScriptLanguage) async throws {
        try await withPlace(ExecutionOptions(zygotes: 1, parked: 2, mostTier: tier)) { executor, place in
            for report in try await executor.whenReady() where report.language != .python {
                #expect(report.problem == nil)
            }
            let host = TestHost()
            let mark = Mark()
            let victim = Task {
                await executor.run(
                    .python3, mark.line(.python3) + "import time\nprint('here', flush=True)\ntime.sleep(100)",
                    host: host)
            }
            try await eventually("the victim prints") { !host.lines.isEmpty }
            let script = try #require(mark.pid)
            let initial = try #require(mark.initial)
            let zygote = try #require(mark.zygote)
            let cell = try #require(place.cell)
            let parked = try #require(place.running("harness.js").first)
            // By their numbers out here, of which the first two tiers must know nothing.
            for (name, pid) in [
                ("zygote", zygote), ("init", initial), ("script", script), ("parked", parked), ("cell", cell),
            ] {
                // The last one is to be taken by no script that attacks it.
                if name == "parked", language == .nodejs { continue }
                let worked = try await executor.value(language, Self.attacks[language], event: "{\"pid\":\(pid)}")
                #expect(worked.text == "[]", "\(language.rawValue) on the \(name)")
                #expect(isAlive(pid))
                #expect(!isStopped(pid))
            }
            // By the numbers in its own namespace, where it sees one other: its init.
            if executor.tier >= .b {
                let worked = try await executor.value(language, Self.attacks[language], event: #"{"pid":1}"#)
                // The kernel lets nobody in a namespace stop or end its first process, and answers some as if it did.
                let signals: Set = ["kill", "killpg", "tgkill", "sigqueue", "pidfd_send_signal"]
                let ways = Set(worked.elements.compactMap(\.string))
                #expect(executor.tier == .a ? ways.isEmpty : ways.isSubset(of: signals), "on its init: \(ways)")
            }
            victim.cancel()
            guard case .cancelled = await victim.value.ending else {
                Issue.record("\(await victim.value.ending)")
                return
            }
        }
    }

    @Test func `A script that signals everything harms nobody but itself`() async throws {
        try await withPlace { executor, place in
            let before = Set(place.processes)
            let report = await executor.run(
                .python3, "import os, signal\nos.kill(-1, signal.SIGKILL)\nos.kill(0, signal.SIGKILL)")
            // Whom it may not signal it does not see; then it ends itself.
            switch report.ending {
            case .crashed(9, _), .result: break
            default: Issue.record("\(report.ending)")
            }
            #expect(before.filter(isAlive).count >= before.count - 2)
            #expect(await executor.run(.python3, "return 1").result?.returned?.integer == 1)
        }
    }

    @Test func `A script rules its own children as ever`() async throws {
        let source = """
            import os, signal, subprocess, resource, sys
            child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])
            child.send_signal(signal.SIGSTOP)
            child.terminate()
            child.send_signal(signal.SIGCONT)
            os.nice(1)
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            os.sched_setaffinity(0, os.sched_getaffinity(0))
            return [child.wait(), subprocess.call([sys.executable, '-c', 'raise SystemExit(7)'])]
            """
        let value = try await Shared.executor.value(.python3, source)
        #expect(value.text == "[-15,7]")
    }
}

/// Whether a signal or a tracer has stopped it.
private func isStopped(_ pid: Int) -> Bool {
    guard let stat = text(of: "/proc/\(pid)/stat"), let name = stat.lastIndex(of: ")") else { return false }
    return ["T", "t"].contains(stat[name...].dropFirst(2).first)
}
