<?php
// One script: it is compiled and run, and what it did is put into words.

namespace Harness {
    /** What is known of the one script that a child runs, for when PHP ends it from below. */
    final class Script
    {
        public static string $name = '';
        public static string $file = '';
        public static string $printed = '';
        public static string $dumped = '';
        public static array $headers = [];
        public static bool $answered = false;
        public static bool $running = false;
        /** Whether it may have no more processes. */
        public static bool $refused = false;
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
            $class = get_debug_type($returned);
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
}
?>
