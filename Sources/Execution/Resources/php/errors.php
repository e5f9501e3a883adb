<?php
// What went wrong, as the author needs it.

namespace Harness {
    use DreamFactory\Core\Exceptions\DfException;
    use DreamFactory\Core\Exceptions\RestException;

    /** A throwable with the script's own frames only, the innermost first. */
    function described(\Throwable $error): array
    {
        $report = ['kind' => Script::$refused ? 'processes' : 'thrown', 'message' => withoutPaths($error->getMessage())];
        if ($error instanceof \Exception) {
            $code = $error->getCode();
            $report['code'] = is_int($code) && $code !== 0 ? $code : 500;
        }
        if ($error instanceof RestException) {
            $report['status_code'] = (int)$error->getStatusCode();
        }
        if ($error instanceof DfException && ($context = $error->toArray()['context'] ?? null) !== null) {
            $report['context'] = $context;
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

    /** The error of a source that does not parse. One that only ends the wrapper early does not parse either. */
    function syntaxFault(string $source): ?array
    {
        try {
            compiled($source);
            token_get_all('<?php ' . withoutTags($source), TOKEN_PARSE);
            return null;
        } catch (\ParseError $error) {
            return syntaxError($error, $source);
        }
    }

    function withoutTags(string $source): string
    {
        $bare = preg_replace('/^\x{FEFF}?\s*<\?php(?=\s|$)/iu', '', $source) ?? $source;
        return preg_replace('/\?>\s*$/D', '', $bare);
    }

    /** The parser's complaint. Where the source breaks by itself, that error is the better one: it knows no wrapper. */
    function syntaxError(\ParseError $error, string $source): array
    {
        $bare = withoutTags($source);
        try {
            token_get_all("<?php $bare", TOKEN_PARSE);
        } catch (\ParseError $own) {
            $before = strpos($source, $bare);
            $skipped = substr_count(substr($source, 0, $before ?: 0), "\n");
            return syntaxReport($own->getMessage(), $own->getLine() + $skipped, $source);
        }
        return syntaxReport($error->getMessage(), $error->getLine(), $source);
    }

    function syntaxReport(string $message, int $line, string $source): array
    {
        $last = substr_count(rtrim($source), "\n") + 1;
        return ['kind' => 'syntax', 'message' => $message, 'line' => min($line, $last), 'trace' => []];
    }
}
?>
