<?php
// What scripts write to the job's log by Laravel's names, and how they look at a value.

namespace Illuminate\Support\Facades {
    /** `\Log::info('text', ['with' => 'facts'])` is a line of the job's log. */
    final class Log
    {
        private const LEVELS = ['emergency', 'alert', 'critical', 'error', 'warning', 'notice', 'info', 'debug'];

        public static function __callStatic(string $name, array $arguments)
        {
            if ($name === 'log' || $name === 'write') {
                $name = strtolower((string)array_shift($arguments));
            }
            if ($name === 'channel' || $name === 'stack') {
                return new self(); // there is one log
            }
            if (!in_array($name, self::LEVELS, true)) {
                $levels = implode(', ', self::LEVELS);
                throw new \BadMethodCallException("Log has no level '$name': use one of $levels");
            }
            [$message, $facts] = $arguments + ['', []];
            $text = is_string($message) ? $message : \Harness\dumped($message);
            fwrite(STDERR, strtoupper($name) . ": $text" . ($facts ? ' ' . \Harness\inLog($facts) : '') . "\n");
        }

        public function __call(string $name, array $arguments)
        {
            return self::__callStatic($name, $arguments);
        }
    }

    class_alias(Log::class, 'Log');
}

namespace Harness {
    const DUMP_DEPTH = 16;
    const DUMP_BYTES = 1 << 20;

    /** On one line; what JSON can not hold is left out. */
    function inLog(mixed $value): string
    {
        $flags = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PARTIAL_OUTPUT_ON_ERROR;
        return (string)json_encode($value, $flags);
    }

    /** A value as `dump` and `dd` show it, bounded in depth and size. */
    function dumped(mixed $value): string
    {
        $left = DUMP_BYTES;
        return dumpOf($value, '', 0, $left);
    }

    function dumpOf(mixed $value, string $indent, int $depth, int &$left): string
    {
        if (!is_array($value) && !is_object($value)) {
            $text = match (true) {
                is_string($value) => '"' . substr($value, 0, max(0, $left)) . '"',
                is_resource($value) => get_resource_type($value) . ' resource',
                $value === null => 'null',
                default => var_export($value, true),
            };
            $left -= strlen($text);
            return $text;
        }
        $isList = is_array($value);
        $name = $isList ? 'array:' . count($value) : get_class($value);
        [$open, $close] = $isList ? ['[', ']'] : ['{', '}'];
        if ($value instanceof \UnitEnum) {
            return "$name::{$value->name}";
        }
        $members = $isList || $value instanceof \Closure ? ($isList ? $value : []) : get_mangled_object_vars($value);
        if ($members === [] || $depth >= DUMP_DEPTH || $left <= 0) {
            return "$name $open" . ($members === [] ? '' : '…') . $close;
        }
        $text = "$name $open\n";
        foreach ($members as $key => $member) {
            if ($left <= 0) {
                $text .= "$indent  …\n";
                break;
            }
            // Of a private property's name only what follows the class.
            $shown = $isList ? (is_int($key) ? "$key => " : "\"$key\" => ")
                : substr((string)$key, (int)strrpos("\0$key", "\0")) . ': ';
            $left -= strlen($indent . $shown) + 3;
            $text .= "$indent  $shown" . dumpOf($member, "$indent  ", $depth + 1, $left) . "\n";
        }
        return "$text$indent$close";
    }
}
?>
