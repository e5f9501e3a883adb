<?php
// Runs tenants' PHP scripts.
//
// Started once as a zygote with a control socket as descriptor 3. For every job it forks a child, which reads one frame
// from the job's own socket, runs or checks the script, answers with a RESULT frame and exits. The zygote itself never
// looks at tenant text, so it serves every tenant; whatever a script spoils dies with its child.
//
// Its command line: php -d ffi.enable=1 -d disable_functions=LIST harness.php LIBRARY TIER FOLDERS, where LIST is header,
// header_remove, headers_list, headers_sent and the names of CONNECTING below: functions that are disabled can be declared
// anew. LIBRARY is that of the sandbox, TIER one of its numbers, and FOLDERS are on the include path already.
// Scripts see the namespaces DreamFactory\Core\Exceptions and Enums, `Log`, and the functions of the last block; all
// else is Harness.

namespace Harness {
    use FFI;

    const CONTROL = 3;      // in the zygote: the control socket (SOCK_SEQPACKET)
    const FRAMES = 3;       // in a child: the job's frame socket (SOCK_STREAM), moved onto the same number
    const READY = 0;
    const JOB = 1;
    const API_REQUEST = 2;
    const API_RESPONSE = 3;
    const RESULT = 4;
    const CHECK = 5;
    const TRACE_FRAMES = 32;
    const MAX_DEPTH = 1024;
    const MAX_CAPTURE = 16 << 20;   // of what a script printed, kept in case it ends with `exit`
    const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;
    const NO_NETWORK = 'A script has no network of its own: use platform.api';

    /** What opens connections; `disable_functions` takes the originals away. */
    const CONNECTING = [
        'curl_exec', 'curl_multi_exec', 'fsockopen', 'pfsockopen', 'socket_connect', 'stream_socket_client',
    ];

    /** Stands behind `https://` and its like, for `file_get_contents`. */
    final class Unconnected
    {
        public $context;

        public function stream_open(): bool
        {
            throw new \RuntimeException(NO_NETWORK);
        }
    }

    // --- The C library: PHP itself can not take descriptors, or leave without its shutdown ---------------------------

    final class C
    {
        public static FFI $lib;
        public static FFI $sandbox;

        public static function load(): void
        {
            self::$lib = FFI::cdef('
                typedef struct { void *base; size_t length; } vector;
                typedef struct {
                    void *name; unsigned name_length; vector *vectors; size_t vector_count;
                    void *control; size_t control_length; int flags;
                } message;
                typedef struct { int fd; short events, revents; } watched;
                long read(int fd, void *buffer, size_t count);
                long write(int fd, const char *buffer, size_t count);
                long send(int fd, const char *buffer, size_t count, int flags);
                long recvmsg(int fd, message *m, int flags);
                int socketpair(int domain, int type, int protocol, int *pair);
                int poll(watched *fds, unsigned long count, int timeout);
                int signalfd(int fd, const void *mask, int flags);
                int sigemptyset(void *set);
                int sigaddset(void *set, int signal);
                int dup2(int from, int to);
                int close(int fd);
                void _exit(int status);
            ');
            self::$sandbox = FFI::cdef('
                int sandbox_fork_script(int tier, int control);
                void sandbox_confine(int frames, int output, int error);
            ', $_SERVER['argv'][1]);
        }
    }
}
?>
