<?php
// Functions that scripts get in place of PHP's own, which the zygote's command line disables, or know
// from Laravel; and the start.

namespace {
    use Harness\Script;

    if (!function_exists('header')) {
        // The command line's own forgets every header.
        function header(string $header, bool $replace = true, int $response_code = 0): void
        {
            // A result has a status of its own; this one is that of a script that ends with `exit`.
            if ($response_code > 0) {
                http_response_code($response_code);
            }
            if (preg_match('~^HTTP/\S+\s+(\d{3})~i', $header, $line)) {
                http_response_code((int)$line[1]);
            }
            if (!str_contains($header, ':')) {
                return;
            }
            $name = strstr($header, ':', true);
            $class = intdiv((int)http_response_code(), 100);
            if (strcasecmp($name, 'location') === 0 && $class !== 2 && $class !== 3) {
                http_response_code(302);
            }
            if ($replace) {
                header_remove($name);
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

    /** The environment holds nothing for scripts, and least of all secrets: this gives what stands in for it. */
    function env($key, $default = null)
    {
        return $default instanceof Closure ? $default() : $default;
    }

    /** Shows values in the log. */
    function dump(...$values)
    {
        foreach ($values as $value) {
            echo Harness\dumped($value), "\n";
        }
        return count($values) === 1 ? reset($values) : $values;
    }

    /** Ends the script with what it shows as the answer; as in the reference with status 500. */
    function dd(...$values): never
    {
        foreach ($values as $value) {
            $text = Harness\dumped($value);
            fwrite(STDOUT, "$text\n");
            Script::$dumped .= '<pre>' . htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE) . "</pre>\n";
        }
        http_response_code(500);
        exit;
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

    ($argv[4] ?? null) === 'once' ? Harness\once() : Harness\zygote();
}
