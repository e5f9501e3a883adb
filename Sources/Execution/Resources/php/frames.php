<?php
// Frames, and the JSON in them.

namespace Harness {
    use FFI;

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
}
?>
