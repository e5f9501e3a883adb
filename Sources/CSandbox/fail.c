#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Noreturn void sandbox_fail(const char *what, const char *name) {
    dprintf(2, "the sandbox %s%s%s: %s\n", what, name ? " " : "", name ? name : "", strerror(errno));
    _exit(127);
}
