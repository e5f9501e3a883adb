#pragma once

/// Names the calling thread; 15 bytes count. Glibc's Swift module does not have the call.
void host_name_thread(const char *name);
