<?php
// One job without a zygote.

namespace Harness {
    /** What holds in a zygote and in every process of a script. */
    function prepare(): void
    {
        error_reporting(E_ALL);
        $settings = ['display_errors' => 0, 'log_errors' => 0, 'html_errors' => 0, 'serialize_precision' => -1];
        foreach ($settings + ['zend.exception_ignore_args' => 1] as $setting => $value) {
            ini_set($setting, $value);
        }
        C::load();
    }

    /** The life of a process that was started for one job and has done nothing ahead: what a benchmark compares with. */
    function once(): never
    {
        prepare();
        try {
            answerOne();
        } catch (\Throwable $error) {
            fwrite(STDERR, $error->getMessage() . "\n");
            C::$lib->_exit(70);
        }
        C::$lib->_exit(0);
    }
}
?>
