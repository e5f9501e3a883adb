<?php
// The zygote, which forks a child for every job.

namespace Harness {
    use FFI;

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

    /** Takes one message: the child's number and its descriptors. Null at the end of the control socket. */
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
        ['fork' => $number] = decode(FFI::string($text, $length));
        // struct cmsghdr: a size_t of its length, level, type, then the descriptors.
        $fds = [];
        if ($message->control_length >= 16) {
            $header = FFI::string($rights, $message->control_length);
            $fds = array_values(unpack('V*', substr($header, 16, unpack('P', $header)[1] - 16)));
        }
        return [$number, $fds];
    }

    function tell(array $message): void
    {
        $text = encode($message);
        C::$lib->send(CONTROL, $text, strlen($text), 0x4000 /* MSG_NOSIGNAL */);
    }

    /** Forks an init, and returns in the zygote. */
    function forkOne(int $tier, int $number, array $fds, array &$children): void
    {
        $pid = C::$sandbox->sandbox_fork_script($tier, $fds[3]);
        if ($pid === 0) {
            child($fds);
        }
        if ($pid > 0) {
            $children[$pid] = true;
        } else {
            tell(['fork' => $number, 'error' => 'fork: ' . pcntl_strerror(-$pid)]);
        }
        foreach ($fds as $fd) {
            C::$lib->close($fd);
        }
    }

    function zygote(): void
    {
        prepare();
        $lib = C::$lib;
        $tier = (int)$_SERVER['argv'][2];
        $children = [];
        warmUp();
        $_SERVER['argv'] = $GLOBALS['argv'] = [''];
        $_SERVER['argc'] = $GLOBALS['argc'] = 1;

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
                while (($pid = pcntl_waitpid(-1, $status, WNOHANG)) > 0) {
                    unset($children[$pid]);
                }
            }
            if ($watched[0]->revents !== 0) {
                $message = receive();
                if ($message === null) {
                    array_map(fn ($pid) => posix_kill($pid, SIGKILL), array_keys($children));
                    return;
                }
                [$number, $fds] = $message;
                forkOne($tier, $number, $fds, $children);
            }
        }
    }
}
?>
