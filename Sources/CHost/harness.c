// The harnesses are part of the program, so that there is one file to install and none to go missing.
// A language whose harness has several pieces gets them in one text, in this order.
#include "harness.h"

static const unsigned char nodejs[] = {
#embed "../Execution/Resources/nodejs/harness.js"
    ,
#embed "../Execution/Resources/nodejs/frames.js"
    ,
#embed "../Execution/Resources/nodejs/api.js"
    ,
#embed "../Execution/Resources/nodejs/libraries.js"
    ,
#embed "../Execution/Resources/nodejs/script.js"
    ,
#embed "../Execution/Resources/nodejs/errors.js"
    ,
#embed "../Execution/Resources/nodejs/reuse.js"
    ,
#embed "../Execution/Resources/nodejs/process.js"
};
static const unsigned char php[] = {
#embed "../Execution/Resources/php/harness.php"
    ,
#embed "../Execution/Resources/php/enums.php"
    ,
#embed "../Execution/Resources/php/exceptions.php"
    ,
#embed "../Execution/Resources/php/frames.php"
    ,
#embed "../Execution/Resources/php/api.php"
    ,
#embed "../Execution/Resources/php/store.php"
    ,
#embed "../Execution/Resources/php/script.php"
    ,
#embed "../Execution/Resources/php/errors.php"
    ,
#embed "../Execution/Resources/php/log.php"
    ,
#embed "../Execution/Resources/php/child.php"
    ,
#embed "../Execution/Resources/php/once.php"
    ,
#embed "../Execution/Resources/php/zygote.php"
    ,
#embed "../Execution/Resources/php/functions.php"
};
static const unsigned char python2[] = {
#embed "../Execution/Resources/python/python2.py"
    ,
#embed "../Execution/Resources/python/frames.py"
    ,
#embed "../Execution/Resources/python/munch.py"
    ,
#embed "../Execution/Resources/python/api.py"
    ,
#embed "../Execution/Resources/python/limits.py"
    ,
#embed "../Execution/Resources/python/script.py"
    ,
#embed "../Execution/Resources/python/child.py"
    ,
#embed "../Execution/Resources/python/once.py"
    ,
#embed "../Execution/Resources/python/zygote.py"
};
static const unsigned char python3[] = {
#embed "../Execution/Resources/python/python3.py"
    ,
#embed "../Execution/Resources/python/frames.py"
    ,
#embed "../Execution/Resources/python/munch.py"
    ,
#embed "../Execution/Resources/python/api.py"
    ,
#embed "../Execution/Resources/python/limits.py"
    ,
#embed "../Execution/Resources/python/script.py"
    ,
#embed "../Execution/Resources/python/child.py"
    ,
#embed "../Execution/Resources/python/once.py"
    ,
#embed "../Execution/Resources/python/zygote.py"
};

static const unsigned char v8js[] = {
#embed "../Execution/Resources/v8js.js"
};

const unsigned char *host_harness_nodejs(size_t *length) {
    *length = sizeof nodejs;
    return nodejs;
}

const unsigned char *host_harness_php(size_t *length) {
    *length = sizeof php;
    return php;
}

const unsigned char *host_harness_python2(size_t *length) {
    *length = sizeof python2;
    return python2;
}

const unsigned char *host_harness_python3(size_t *length) {
    *length = sizeof python3;
    return python3;
}

const unsigned char *host_harness_v8js(size_t *length) {
    *length = sizeof v8js;
    return v8js;
}
