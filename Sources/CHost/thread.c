#include "thread.h"

#include <sys/prctl.h>

void host_name_thread(const char *name) { prctl(PR_SET_NAME, name); }
