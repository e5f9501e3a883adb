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
            pidfd = os.pidfd_open(pid)
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

    static let signals: Set = ["kill", "killpg", "tgkill", "sigqueue", "pidfd_send_signal"]

    /// Whether the kernel keeps signals in a domain: Linux 6.12 and newer do.
    static let isWalled: Bool = {
        let release = (text(of: "/proc/sys/kernel/osrelease") ?? "").split { !$0.isNumber }.prefix(2).map {
            Int($0) ?? 0
        }
        return !release.lexicographicallyPrecedes([6, 12])
    }()

    @Test(arguments: [ScriptLanguage.nodejs, .php, .python3])
    func `A script reaches into no other process`(_ language: ScriptLanguage) async throws {
        try await withExecutor(ExecutionOptions(zygotes: 1, parked: 2)) { executor in
            let host = TestHost()
            let victim = Task {
                await executor.run(
                    .python3, "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(100)", host: host)
            }
            try await eventually("the victim prints") { !host.lines.isEmpty }
            let script = try #require(host.lines.first.flatMap { Int($0.text) })
            let zygote = try #require(parent(of: script))
            let cell = try #require(parent(of: zygote))
            let parked = try #require(
                descendants(of: cell).first { text(of: "/proc/\($0)/cmdline")?.contains("harness.js") == true })
            // The last one is to be taken by no script that attacks it.
            for (name, pid) in [("zygote", zygote), ("script", script), ("parked", parked), ("cell", cell)] {
                if name == "parked", language == .nodejs { continue }
                let worked = try await executor.value(language, Self.attacks[language], event: "{\"pid\":\(pid)}")
                let ways = worked.elements.compactMap(\.string).filter { Self.isWalled || !Self.signals.contains($0) }
                #expect(ways == [], "\(language.rawValue) on the \(name)")
                #expect(isAlive(pid))
            }
            victim.cancel()
            guard case .cancelled = await victim.value.ending else {
                Issue.record("\(await victim.value.ending)")
                return
            }
        }
    }

    @Test func `A script rules its own children as ever`() async throws {
        let source = """
            import os, signal, subprocess, resource
            child = subprocess.Popen(['/bin/sleep', '100'])
            child.send_signal(signal.SIGSTOP)
            child.terminate()
            child.send_signal(signal.SIGCONT)
            os.nice(1)
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            os.sched_setaffinity(0, os.sched_getaffinity(0))
            return [child.wait(), os.getcwd() == os.path.realpath('/proc/self/cwd'), 'VmRSS' in open('/proc/self/status').read()]
            """
        let value = try await Shared.executor.value(.python3, source)
        #expect(value.text == "[-15,true,true]")
    }
}
