<?php
// What scripts ask of the platform itself: `platform.store` and `platform.lookup`.

namespace Harness {
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
}
?>
