<?php
// The life of a forked child.

namespace Harness {
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


    /** Reads one frame and answers it. */
    function serve(int $fd): void
    {
        [$type, $frame] = readFrame($fd);
        $job = decode($frame);
        unset($frame);
        Script::$name = $job['name'];
        if ($type === JOB) {
            ini_set('memory_limit', $job['memory_bytes'] ?? -1);
            $result = run($job, $fd);
        } else {
            $fault = syntaxFault($job['source']);
            $result = $fault === null ? [] : ['error' => $fault];
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
            // PHP's own limit, or the kernel's.
            if (preg_match('/^(Allowed memory size|Out of memory)/', $fatal['message'])) {
                $kind = 'memory';
            }
            $error = ['kind' => $kind, 'message' => withoutPaths($fatal['message']), 'trace' => []];
            if ($fatal['file'] === Script::$file) {
                $error['line'] = $fatal['line'];
            }
            answer(FRAMES, ['error' => $error]);
            C::$lib->_exit(0);
        }
        flushOutput(1);
        ob_flush();
        $body = Script::$printed . Script::$dumped;
        $status = http_response_code();
        if ($body !== '' || Script::$headers || $status) {
            $result = ['raw_body' => mb_check_encoding($body, 'UTF-8') ? $body : mb_scrub($body, 'UTF-8')];
            answer(FRAMES, $result + ($status ? ['raw_status' => $status] : []));
            C::$lib->_exit(0);
        }
        // Nothing was said: PHP goes on to leave with the script's own status and without a result.
    }

    /** Warnings and notices go to the log; they never become exceptions. */
    function logged(int $level, string $message, string $file, int $line): bool
    {
        // Whether the script copes with it or throws something of its own.
        if (str_starts_with($message, 'pcntl_fork()') && pcntl_get_last_error() === PCNTL_EAGAIN) {
            Script::$refused = true;
        }
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

    /** Serves the process's one frame. */
    function answerOne(): void
    {
        register_shutdown_function(ended(...));
        set_error_handler(logged(...));
        // What is printed goes to the log at once, and is kept in case the script ends with `exit`.
        ob_start(static function (string $text): string {
            if (strlen(Script::$printed) < MAX_CAPTURE) {
                Script::$printed .= $text;
            }
            return $text;
        }, 1);
        writeFrame(FRAMES, READY, '{}');
        serve(FRAMES);
    }

    /** The life of a script's process, which never returns. */
    function child(array $fds): never
    {
        $lib = C::$lib;
        try {
            pcntl_signal(SIGINT, SIG_DFL);
            // From here on it reaches nothing but its own, whatever the script does.
            C::$sandbox->sandbox_confine($fds[0], $fds[1], $fds[2]);
            mt_srand(random_int(0, 0xFFFFFFFF));
            answerOne();
        } catch (\Throwable $error) {
            fwrite(STDERR, $error->getMessage() . "\n");
            $lib->_exit(70);
        }
        $lib->_exit(0);
    }
}
?>
