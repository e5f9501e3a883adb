<?php
// `platform.api`.

namespace Harness {
    /** Every verb is a method and an invokable property: `$api->get('x')`, `$get = $api->get; $get('x')`. */
    final class API implements \JsonSerializable
    {
        public \Closure $call, $get, $post, $put, $patch, $delete;
        private int $count = 0;

        public function __construct(private int $fd)
        {
            foreach (['call', 'get', 'post', 'put', 'patch', 'delete'] as $name) {
                $this->$name = $this->$name(...);
            }
        }

        /** `json_encode($platform)` shows that it is there, and no more. */
        public function jsonSerialize(): object
        {
            return (object)[];
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

    /** Those that are named by PHP's number, or by their name as a text. */
    function curlOptions(array $options): array
    {
        $isOption = fn ($key) => is_int($key) || preg_match('/^(CURLOPT_|\d+$)/i', $key);
        return array_filter($options, $isOption, ARRAY_FILTER_USE_KEY);
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
}
?>
