<?php
// Functions that scripts get in place of PHP's own, which the zygote's command line disables; and the start.

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
