<?php
// Runs tenants' PHP scripts.
//
// Started once as a zygote with a control socket as descriptor 3. For every job it forks a child, which reads one frame
// from the job's own socket, runs or checks the script, answers with a RESULT frame and exits. The zygote itself never
// looks at tenant text, so it serves every tenant; whatever a script spoils dies with its child.
//
// Its command line: php -d ffi.enable=1 -d disable_functions=LIST harness.php, where LIST is header, header_remove,
// headers_list, headers_sent and the names of CONNECTING below: functions that are disabled can be declared anew.
// Scripts see the namespace DreamFactory\Core\Exceptions and the functions of the last block; all else is Harness.

// --- What scripts throw ----------------------------------------------------------------------------------------------

namespace DreamFactory\Core\Exceptions {
    class DfException extends \Exception
    {
        public function __construct($message = '', $code = 0, $previous = null, protected $context = null)
        {
            parent::__construct((string)$message, (int)$code, $previous);
        }

        public function getContext()
        {
            return $this->context;
        }

        public function setContext($context)
        {
            $this->context = $context;
        }
    }

    class RestException extends DfException
    {
        public function __construct(
            protected $statusCode = 500, $message = '', $code = 0, $previous = null, $context = null
        ) {
            parent::__construct($message, $code ?: $statusCode, $previous, $context);
        }

        public function getStatusCode()
        {
            return $this->statusCode;
        }
    }

    /** A RestException whose status is its class's. */
    abstract class FixedStatus extends RestException
    {
        protected const STATUS = 500;
        protected const CODE = 0;

        public function __construct($message = '', $code = 0, $previous = null, $context = null)
        {
            parent::__construct(static::STATUS, $message, $code ?: static::CODE, $previous, $context);
        }
    }

    class BadRequestException extends FixedStatus { protected const STATUS = 400; }
    class UnauthorizedException extends FixedStatus { protected const STATUS = 401; }
    class ForbiddenException extends FixedStatus { protected const STATUS = 403; }
    class NotFoundException extends FixedStatus { protected const STATUS = 404; }
    class ConflictResourceException extends FixedStatus { protected const STATUS = 409; }
    class TooManyRequestsException extends FixedStatus { protected const STATUS = 429; }
    class InternalServerErrorException extends FixedStatus { protected const STATUS = 500; }
    class NotImplementedException extends FixedStatus { protected const STATUS = 501; }
    class ServiceUnavailableException extends FixedStatus { protected const STATUS = 503; }
    class InvalidJsonException extends FixedStatus { protected const STATUS = 400; }
    class BatchException extends FixedStatus { protected const STATUS = 400; protected const CODE = 1000; }
}

namespace Harness {
    use DreamFactory\Core\Exceptions\RestException;
    use FFI;

    const CONTROL = 3;      // in the zygote: the control socket (SOCK_SEQPACKET)
    const FRAMES = 3;       // in a child: the job's frame socket (SOCK_STREAM), moved onto the same number
    const RULES = 4;        // in the zygote: the rules of a Landlock domain, where the kernel has them
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
                int waitid(int kind, unsigned id, int *ended, int options);
                long syscall(long number, ...);
                int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
                void _exit(int status);
            ');
        }
    }

    // --- Frames ------------------------------------------------------------------------------------------------------

    function readExactly(int $fd, int $count): string
    {
        $text = '';
        $buffer = C::$lib->new('char[' . max(1, min($count, 1 << 20)) . ']');
        while ($count > 0) {
            $got = C::$lib->read($fd, $buffer, min($count, 1 << 20));
            if ($got > 0) {
                $text .= FFI::string($buffer, $got);
                $count -= $got;
            } else {
                throw new \RuntimeException('The worker closed the connection');
            }
        }
        return $text;
    }

    /** @return array{int, string} type and payload */
    function readFrame(int $fd): array
    {
        ['length' => $length, 'type' => $type] = unpack('Vlength/Ctype', readExactly($fd, 5));
        return [$type, readExactly($fd, $length)];
    }

    function writeFrame(int $fd, int $type, string $payload): void
    {
        $data = pack('VC', strlen($payload), $type) . $payload;
        for ($sent = 0; $sent < strlen($data); $sent += $count) {
            $piece = $sent === 0 ? $data : substr($data, $sent, 1 << 18);
            $count = C::$lib->write($fd, $piece, strlen($piece));
            if ($count < 0) {
                throw new \RuntimeException('The worker closed the connection');
            }
        }
    }

    function encode(mixed $value, int $more = 0): string
    {
        $flags = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR;
        return json_encode($value, $flags | $more);
    }

    function decode(string $text): mixed
    {
        return json_decode($text, true, MAX_DEPTH, JSON_THROW_ON_ERROR);
    }

    // --- platform.api ------------------------------------------------------------------------------------------------

    /** Every verb is a method and an invokable property: `$api->get('x')`, `$get = $api->get; $get('x')`. */
    final class API
    {
        public \Closure $call, $get, $post, $put, $patch, $delete;
        private int $count = 0;

        public function __construct(private int $fd)
        {
            foreach (['call', 'get', 'post', 'put', 'patch', 'delete'] as $name) {
                $this->$name = $this->$name(...);
            }
        }

        public function get($path, $payload = null, $options = [])
        {
            return $this->call('GET', $path, $payload, $options);
        }

        public function post($path, $payload = null, $options = [])
        {
            return $this->call('POST', $path, $payload, $options);
        }

        public function put($path, $payload = null, $options = [])
        {
            return $this->call('PUT', $path, $payload, $options);
        }

        public function patch($path, $payload = null, $options = [])
        {
            return $this->call('PATCH', $path, $payload, $options);
        }

        public function delete($path, $payload = null, $options = [])
        {
            return $this->call('DELETE', $path, $payload, $options);
        }

        public function call($verb, $path, $payload = null, $options = [])
        {
            $options = (array)($options ?: []);
            $request = [
                'id' => ++$this->count,
                'verb' => strtoupper((string)$verb),
                'path' => (string)$path,
                'options' => (object)curlOptions($options),
                'headers' => (object)headerMap((array)($options['headers'] ?? [])),
                'parameters' => (object)flatten((array)($options['parameters'] ?? [])),
            ];
            return reply(exchange($this->fd, $request + bodyFields($payload)));
        }
    }

    /** Sends a request and waits for its answer. */
    function exchange(int $fd, array $request): array
    {
        writeFrame($fd, API_REQUEST, encode($request));
        [$type, $frame] = readFrame($fd);
        if ($type !== API_RESPONSE) {
            throw new \RuntimeException('Unexpected frame from the worker');
        }
        return decode($frame);
    }

    /** A question to the platform itself. */
    function ask(int $fd, array $question): mixed
    {
        $reply = exchange($fd, ['id' => 0] + $question);
        if (isset($reply['refused'])) {
            throw new \RuntimeException($reply['refused']);
        }
        return $reply['value'] ?? null;
    }

    /** `$platform['store']` */
    final class Store
    {
        public function __construct(private int $fd)
        {
        }

        public function get($key, $default = null)
        {
            return ask($this->fd, ['ask' => 'store.get', 'key' => (string)$key]) ?? $default;
        }

        public function set($key, $value, $ttl = null)
        {
            return ask($this->fd, ['ask' => 'store.set', 'key' => (string)$key, 'value' => $value, 'ttl' => $ttl]);
        }

        public function delete($key)
        {
            return ask($this->fd, ['ask' => 'store.delete', 'key' => (string)$key]);
        }
    }

    /** `$platform`: an array whose keys are properties too, and which answers `lookup`. */
    final class Platform extends \ArrayObject
    {
        public function __construct(array $values, private int $fd)
        {
            parent::__construct($values, \ArrayObject::ARRAY_AS_PROPS);
        }

        public function lookup($name)
        {
            return ask($this->fd, ['ask' => 'lookup', 'key' => (string)$name]);
        }
    }

    /** The result that scripts know: content is decoded where it is JSON. */
    function reply(array $reply): array
    {
        $type = $reply['headers']['content-type'] ?? null;
        $content = isset($reply['body_base64']) ? base64_decode($reply['body_base64']) : ($reply['body'] ?? '');
        $format = match (true) {
            $type === null => 0,
            str_contains($type, 'json') => 1,
            str_contains($type, 'xml') => 2,
            str_contains($type, 'csv') => 3,
            str_contains($type, 'text/plain') => 8,
            default => 0,
        };
        if ($content === '') {
            $content = null;
        } elseif ($format === 1) {
            $content = json_decode($content, true, MAX_DEPTH) ?? (trim($content) === 'null' ? null : $content);
        }
        return [
            'status_code' => $reply['status'],
            'content' => $content,
            'content_type' => $type,
            'format' => $format,
            'headers' => $reply['headers'] ?? [],
        ];
    }

    /** Headers as a map; scripts write a list of "Name: value" as well. */
    function headerMap(array $headers): array
    {
        $map = [];
        foreach ($headers as $name => $value) {
            if (is_int($name)) {
                [$name, $value] = array_map('trim', explode(':', (string)$value, 2)) + [1 => ''];
            }
            $text = is_array($value) ? implode(', ', array_map(textOf(...), $value)) : textOf($value);
            $map[$name] = isset($map[$name]) ? "{$map[$name]}, $text" : $text;
        }
        return $map;
    }

    /** Those that are named by PHP's number, or by their name as a text. */
    function curlOptions(array $options): array
    {
        $isOption = fn ($key) => is_int($key) || preg_match('/^(CURLOPT_|\d+$)/i', $key);
        return array_filter($options, $isOption, ARRAY_FILTER_USE_KEY);
    }

    function flatten(array $values, ?string $prefix = null): array
    {
        $flat = [];
        foreach ($values as $key => $value) {
            $name = $prefix === null ? (string)$key : "{$prefix}[$key]";
            if (is_array($value)) {
                $flat += flatten($value, $name);
            } else {
                $flat[$name] = textOf($value);
            }
        }
        return $flat;
    }

    function textOf(mixed $value): string
    {
        return is_bool($value) ? ($value ? 'true' : 'false') : (string)$value;
    }

    function bodyFields(mixed $payload): array
    {
        if ($payload === null || $payload === '' || $payload === 'null' || $payload === []) {
            return [];
        }
        if (is_array($payload) || is_object($payload)) {
            return ['body' => encode($payload), 'content_type' => 'application/json'];
        }
        $text = textOf($payload);
        return mb_check_encoding($text, 'UTF-8') ? ['body' => $text] : ['body_base64' => base64_encode($text)];
    }

    // --- Running a script --------------------------------------------------------------------------------------------

    /** What is known of the one script that a child runs, for when PHP ends it from below. */
    final class Script
    {
        public static string $name = '';
        public static string $file = '';
        public static string $printed = '';
        public static array $headers = [];
        public static bool $answered = false;
        public static bool $running = false;
    }

    /** The script as the body of a closure. The wrapper shares the first line, so lines stay the author's. */
    function compiled(string $source): \Closure
    {
        $body = preg_replace('/^(\x{FEFF}?\s*)<\?php(?=\s|$)/iu', '$1', $source) ?? $source;
        $body = preg_replace('/\?>\s*$/D', '', $body);
        Script::$file = __FILE__ . '(' . (__LINE__ + 1) . ") : eval()'d code";
        return eval('return static function (&$event, $platform) {' . $body . "\n};");
    }

    /** Runs one job and returns the fields of its RESULT. `exit` does not come back here. */
    function run(array $job, int $fd): array
    {
        $event = $job['event'];
        $beforeService = ($event['stage'] ?? null) === 'pre_process';
        $event['_event'] ??= array_intersect_key($event, ['name' => 0, 'stage' => 0, 'script_name' => 0]);
        $lookup = static fn($name) => ask($fd, ['ask' => 'lookup', 'key' => (string)$name]);
        $own = ['api' => new API($fd), 'store' => new Store($fd), 'lookup' => $lookup];
        $platform = new Platform($own + $job['platform'], $fd);
        try {
            $script = compiled($job['source']);
        } catch (\ParseError $error) {
            return ['error' => syntaxError($error, $job['source'])];
        }
        try {
            Script::$running = true;
            $returned = $script($event, $platform);
        } catch (\Throwable $error) {
            return ['error' => described($error)];
        } finally {
            Script::$running = false;
        }
        return outcome($event, $returned, $beforeService);
    }

    function outcome(mixed $event, mixed $returned, bool $beforeService): array
    {
        if (is_object($returned)) {
            $class = get_class($returned);
            return ['error' => resultError("The script returned an object ($class): return an array")];
        }
        $result = [];
        if ($returned !== null && $returned !== $event) {
            $result['returned'] = $returned;
        }
        if (!is_array($event)) {
            return $result + ['event' => $event];
        }
        unset($event['_event']);
        $exception = $event['exception'] ?? null;
        if ($exception instanceof \Throwable) {
            return ['error' => described($exception)];
        }
        if ($exception !== null) {
            $result['exception'] = $exception;
        }
        if (!empty($event['stop_propagation'])) {
            $result['stop_propagation'] = true;
        }
        $answers = array_key_exists('response', $event);
        if ($answers) {
            $result['response'] = $event['response'];
        }
        if ($beforeService || !$answers) {
            $result['event'] = $event;
        }
        return $result;
    }

    function resultError(string $message): array
    {
        return ['kind' => 'result', 'message' => $message, 'trace' => []];
    }

    /** A throwable with the script's own frames only, the innermost first. */
    function described(\Throwable $error): array
    {
        $report = ['kind' => 'thrown', 'message' => withoutPaths($error->getMessage())];
        if ($error instanceof RestException) {
            $report += ['code' => $error->getCode(), 'status_code' => (int)$error->getStatusCode()];
            if ($error->getContext() !== null) {
                $report['context'] = $error->getContext();
            }
        } elseif ($error instanceof \Exception) {
            $code = $error->getCode();
            $report['code'] = is_int($code) && $code !== 0 ? $code : 500;
        }
        // A trace tells where each function was called; the function that a line lies in is the next entry's.
        $steps = [['file' => $error->getFile(), 'line' => $error->getLine()], ...$error->getTrace()];
        $trace = [];
        foreach ($steps as $index => $step) {
            if (($step['file'] ?? '') === Script::$file && count($trace) < TRACE_FRAMES) {
                $report['line'] ??= $step['line'];
                $place = Script::$name . ':' . $step['line'];
                $outer = $steps[$index + 1] ?? [];
                $function = ($outer['class'] ?? '') . ($outer['type'] ?? '') . ($outer['function'] ?? '');
                $trace[] = in_array($function, ['', '{closure}'], true) || str_starts_with($function, 'Harness\\')
                    ? $place : "$function ($place)";
            }
        }
        return $report + ['trace' => $trace];
    }

    function withoutPaths(string $message): string
    {
        return str_replace([Script::$file, __FILE__], [Script::$name, 'php'], $message);
    }

    /** The parser's complaint. Where the source breaks by itself, that error is the better one: it knows no wrapper. */
    function syntaxError(\ParseError $error, string $source): array
    {
        $bare = preg_replace('/^\s*<\?php(?=\s|$)/i', '', $source);
        try {
            token_get_all('<?php ' . preg_replace('/\?>\s*$/D', '', $bare), TOKEN_PARSE);
        } catch (\ParseError $own) {
            $skipped = substr_count($source, "\n") - substr_count($bare, "\n");
            return syntaxReport($own->getMessage(), $own->getLine() + $skipped, $source);
        }
        return syntaxReport($error->getMessage(), $error->getLine(), $source);
    }

    function syntaxReport(string $message, int $line, string $source): array
    {
        $last = substr_count(rtrim($source), "\n") + 1;
        return ['kind' => 'syntax', 'message' => $message, 'line' => min($line, $last), 'trace' => []];
    }

    /** RESULT's text; an error instead where the script left something that JSON can not hold. */
    function encodedResult(array $result): string
    {
        try {
            return encode($result === [] ? (object)[] : $result);
        } catch (\Throwable $error) {
            if (isset($result['error'])) {
                unset($result['error']['context']);
                return encode($result, JSON_INVALID_UTF8_SUBSTITUTE);
            }
            $why = $error->getMessage();
            return encode(['error' => resultError("The result can not be written as JSON: $why")]);
        }
    }

    // --- The child ---------------------------------------------------------------------------------------------------

    /** Reads one frame and answers it. */
    function serve(int $fd): void
    {
        [$type, $frame] = readFrame($fd);
        $job = decode($frame);
        unset($frame);
        Script::$name = $job['name'];
        if ($type === JOB) {
            $result = run($job, $fd);
        } else {
            $result = [];
            try {
                compiled($job['source']);
            } catch (\ParseError $error) {
                $result = ['error' => syntaxError($error, $job['source'])];
            }
        }
        answer($fd, $result);
    }

    function answer(int $fd, array $result): void
    {
        if (Script::$headers) {
            $result['headers'] = headerMap(Script::$headers);
        }
        $payload = encodedResult($result);
        flushOutput(0);
        writeFrame($fd, RESULT, $payload);
        Script::$answered = true;
    }

    function flushOutput(int $level): void
    {
        while (ob_get_level() > $level && @ob_end_flush()) {
        }
    }

    /** Runs where PHP ends the script by itself: at `exit`, or at an error that nobody can catch. */
    function ended(): void
    {
        if (Script::$answered) {
            return;
        }
        $fatal = error_get_last();
        if ($fatal !== null && $fatal['type'] & FATAL) {
            $kind = $fatal['type'] & (E_PARSE | E_COMPILE_ERROR) && !Script::$running ? 'syntax' : 'thrown';
            $error = ['kind' => $kind, 'message' => withoutPaths($fatal['message']), 'trace' => []];
            if ($fatal['file'] === Script::$file) {
                $error['line'] = $fatal['line'];
            }
            answer(FRAMES, ['error' => $error]);
            C::$lib->_exit(0);
        }
        flushOutput(1);
        ob_flush();
        if (Script::$printed !== '') {
            $body = Script::$printed;
            answer(FRAMES, ['raw_body' => mb_check_encoding($body, 'UTF-8') ? $body : mb_scrub($body, 'UTF-8')]);
            C::$lib->_exit(0);
        }
        // Nothing was printed: PHP goes on to leave with the script's own status and without a result.
    }

    /** Warnings and notices go to the log; they never become exceptions. */
    function logged(int $level, string $message, string $file, int $line): bool
    {
        if (error_reporting() & $level) {
            $kind = match ($level) {
                E_NOTICE, E_USER_NOTICE => 'Notice',
                E_DEPRECATED, E_USER_DEPRECATED => 'Deprecated',
                E_USER_ERROR, E_RECOVERABLE_ERROR => 'Error',
                default => 'Warning',
            };
            $place = $file === Script::$file ? ' (' . Script::$name . ":$line)" : '';
            fwrite(STDERR, "$kind: " . withoutPaths($message) . "$place\n");
        }
        return false; // PHP itself, told to display nothing, remembers it for error_get_last
    }

    /** The life of a forked child, which never returns. */
    function child(int $zygote, array $fds, string $folder, bool $walled): never
    {
        $lib = C::$lib;
        try {
            posix_setsid();
            $lib->prctl(1 /* PR_SET_PDEATHSIG */, SIGKILL, 0, 0, 0);
            if (posix_getppid() !== $zygote) {
                $lib->_exit(70); // the zygote died before the line above
            }
            // From here on it can not reach the zygote or a neighbour, whatever the script does.
            if ($walled && $lib->syscall(446 /* landlock_restrict_self */, RULES, 0) !== 0) {
                $lib->_exit(70);
            }
            pcntl_signal(SIGINT, SIG_DFL);
            pcntl_sigprocmask(SIG_SETMASK, []);
            [$frames, $out, $err] = $fds;
            $lib->dup2($out, 1);
            $lib->dup2($err, 2);
            $lib->dup2($frames, FRAMES);
            if ($lib->syscall(436 /* close_range */, FRAMES + 1, 0x7FFFFFFF, 0) !== 0) {
                for ($fd = FRAMES + 1; $fd < 256; $fd++) {
                    $lib->close($fd);
                }
            }
            if (@mkdir($folder, 0700) && chdir($folder)) {
                putenv("TMPDIR=$folder");
                putenv("HOME=$folder");
            } else {
                chdir('/');
            }
            mt_srand(random_int(0, 0xFFFFFFFF));
            register_shutdown_function(ended(...));
            set_error_handler(logged(...));
            // What is printed goes to the log at once, and is kept in case the script ends with `exit`.
            ob_start(static function (string $text): string {
                if (strlen(Script::$printed) < MAX_CAPTURE) {
                    Script::$printed .= $text;
                }
                return $text;
            }, 1);
            serve(FRAMES);
        } catch (\Throwable $error) {
            fwrite(STDERR, $error->getMessage() . "\n");
            $lib->_exit(70);
        }
        $lib->_exit(0);
    }

    // --- The zygote --------------------------------------------------------------------------------------------------

    /** Sends scripts through all that a job goes through, so that no child is the first to do anything. */
    function warmUp(): void
    {
        $lib = C::$lib;
        $pair = $lib->new('int[2]');
        $run = <<<'SCRIPT'
            <?php $f = fn ($x) => ['a' => $x['a']];
            if ($platform['api']->get('x')['status_code'] === 200) { return $f($event); } ?>
            SCRIPT;
        foreach ([$run, 'throw new \Exception("x");', '$x = (;'] as $source) {
            if ($lib->socketpair(1 /* AF_UNIX */, 1 /* SOCK_STREAM */, 0, $pair) !== 0) {
                return; // a cell without them: slower children, nothing worse
            }
            $event = ['a' => [1, null], 'response' => []];
            $job = ['name' => 'warm', 'source' => $source, 'event' => $event, 'platform' => ['session' => []]];
            writeFrame($pair[1], JOB, encode($job));
            $reply = ['status' => 200, 'headers' => ['content-type' => 'application/json'], 'body' => '{}'];
            writeFrame($pair[1], API_RESPONSE, encode($reply));
            serve($pair[0]);
            $lib->close($pair[0]);
            $lib->close($pair[1]);
        }
        Script::$name = Script::$file = '';
        Script::$answered = false;
    }

    /** Takes one message: the job's number, its folder and its descriptors. Null at the end of the control socket. */
    function receive(): ?array
    {
        $lib = C::$lib;
        $text = $lib->new('char[4096]');
        $rights = $lib->new('char[64]');
        $vector = $lib->new('vector');
        $vector->base = $lib->cast('void *', FFI::addr($text));
        $vector->length = 4096;
        $message = $lib->new('message');
        $message->vectors = FFI::addr($vector);
        $message->vector_count = 1;
        $message->control = $lib->cast('void *', FFI::addr($rights));
        $message->control_length = 64;
        $length = $lib->recvmsg(CONTROL, FFI::addr($message), 0x40000000 /* MSG_CMSG_CLOEXEC */);
        if ($length <= 0) {
            return null;
        }
        ['job' => $number, 'folder' => $folder] = decode(FFI::string($text, $length));
        // struct cmsghdr: a size_t of its length, level, type, then the descriptors.
        $fds = [];
        if ($message->control_length >= 16) {
            $header = FFI::string($rights, $message->control_length);
            $fds = array_values(unpack('V*', substr($header, 16, unpack('P', $header)[1] - 16)));
        }
        return [$number, $folder, $fds];
    }

    function tell(array $message): void
    {
        $text = encode($message);
        C::$lib->send(CONTROL, $text, strlen($text), 0x4000 /* MSG_NOSIGNAL */);
    }

    /** Reports the children that have ended. */
    function reap(array &$jobs, int $options): void
    {
        $ended = C::$lib->new('int[32]'); // a siginfo_t
        $wanted = 4 | 0x01000000; // WEXITED | WNOWAIT
        while (C::$lib->waitid(0, 0, $ended, $wanted | $options) === 0 && ($pid = $ended[4]) > 0) {
            $ended[4] = 0;
            // What is left of its group, while the number is still its own.
            posix_kill(-$pid, SIGKILL);
            pcntl_waitpid($pid, $status, 0, $usage);
            $cpu = ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1_000_000
                + $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'];
            tell(['job' => $jobs[$pid], 'status' => $status, 'cpu_us' => $cpu, 'peak_kb' => $usage['ru_maxrss']]);
            unset($jobs[$pid]);
        }
    }

    function zygote(): void
    {
        error_reporting(E_ALL);
        $settings = ['display_errors' => 0, 'log_errors' => 0, 'html_errors' => 0, 'serialize_precision' => -1];
        foreach ($settings + ['zend.exception_ignore_args' => 1] as $setting => $value) {
            ini_set($setting, $value);
        }
        C::load();
        $lib = C::$lib;
        $temporary = getenv('TMPDIR') ?: '/tmp';
        $self = getmypid();
        $jobs = [];
        $walled = str_contains((string)@readlink('/proc/self/fd/' . RULES), 'landlock');
        // Its memory is nobody's, also where there are no such rules.
        $lib->prctl(4 /* PR_SET_DUMPABLE */, 0, 0, 0, 0);
        warmUp();

        pcntl_signal(SIGINT, SIG_IGN); // Ctrl-C is the worker's to handle
        pcntl_sigprocmask(SIG_BLOCK, [SIGCHLD]);
        $mask = $lib->new('char[128]');
        $lib->sigemptyset(FFI::addr($mask));
        $lib->sigaddset(FFI::addr($mask), SIGCHLD);
        $deaths = $lib->signalfd(-1, FFI::addr($mask), 0x800 /* SFD_NONBLOCK */);
        $drain = $lib->new('char[4096]');
        $watched = $lib->new('watched[2]');
        $watched[0]->fd = CONTROL;
        $watched[1]->fd = $deaths;
        $watched[0]->events = $watched[1]->events = 1; // POLLIN
        tell(['ready' => true]);

        while (true) {
            if ($lib->poll($watched, 2, -1) < 0) {
                continue; // a signal; what was seen before is not news
            }
            if ($watched[1]->revents !== 0) {
                $lib->read($deaths, $drain, 4096);
                reap($jobs, WNOHANG);
            }
            if ($watched[0]->revents !== 0) {
                $message = receive();
                if ($message === null) {
                    array_map(fn ($pid) => posix_kill($pid, SIGKILL), array_keys($jobs));
                    reap($jobs, 0);
                    return;
                }
                [$job, $name, $fds] = $message;
                $folder = "$temporary/$name"; // the worker has it removed
                $pid = @pcntl_fork();
                if ($pid === 0) {
                    child($self, $fds, $folder, $walled);
                }
                if ($pid > 0) {
                    $jobs[$pid] = $job;
                    tell(['job' => $job, 'pid' => $pid]);
                } else {
                    tell(['job' => $job, 'error' => 'fork: ' . pcntl_strerror(pcntl_get_last_error())]);
                }
                foreach ($fds as $fd) {
                    $lib->close($fd);
                }
            }
        }
    }
}

// --- Functions that scripts get in place of PHP's own, which the zygote's command line disables ----------------------

namespace {
    use Harness\Script;

    if (!function_exists('header')) {
        // The command line's own forgets every header.
        function header(string $header, bool $replace = true, int $response_code = 0): void
        {
            if (!str_contains($header, ':')) {
                return; // a status line: the status is the result's
            }
            if ($replace) {
                header_remove(strstr($header, ':', true));
            }
            Script::$headers[] = $header;
        }

        function header_remove(?string $name = null): void
        {
            Script::$headers = $name === null ? [] : array_values(array_filter(
                Script::$headers, fn ($header) => strcasecmp(strstr($header, ':', true), $name) !== 0));
        }

        function headers_list(): array
        {
            return Script::$headers;
        }

        function headers_sent(): bool
        {
            return false;
        }
    }

    foreach (Harness\CONNECTING as $name) {
        if (!function_exists($name)) {
            eval("function $name() { throw new \\RuntimeException(Harness\\NO_NETWORK); }");
        }
    }
    unset($name);
    foreach (['http', 'https', 'ftp', 'ftps'] as $scheme) {
        if (in_array($scheme, stream_get_wrappers(), true)) {
            stream_wrapper_unregister($scheme);
            stream_wrapper_register($scheme, Harness\Unconnected::class, STREAM_IS_URL);
        }
    }
    unset($scheme);

    Harness\zygote();
}
