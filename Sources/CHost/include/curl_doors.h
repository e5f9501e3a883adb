#pragma once
#include <curl/curl.h>

// libcurl's setters and getters take any number of arguments, which Swift can not call: one door for each kind.

/// Runs `curl_global_init` once for the process.
void host_curl_start(void);

CURLcode host_curl_set_long(CURL *handle, CURLoption option, long value);
CURLcode host_curl_set_large(CURL *handle, CURLoption option, curl_off_t value);
CURLcode host_curl_set_text(CURL *handle, CURLoption option, const char *value);
CURLcode host_curl_set_pointer(CURL *handle, CURLoption option, void *value);
CURLcode host_curl_set_headers(CURL *handle, struct curl_slist *headers);
/// A function like `size_t take(char *bytes, size_t size, size_t count, void *context)`.
typedef size_t (*host_curl_take)(char *bytes, size_t size, size_t count, void *context);
CURLcode host_curl_set_take(CURL *handle, CURLoption option, host_curl_take take);
CURLcode host_curl_get_long(CURL *handle, CURLINFO info, long *value);
CURLcode host_curl_get_pointer(CURL *handle, CURLINFO info, void **value);
CURLMcode host_curl_set_multi(CURLM *multi, CURLMoption option, long value);

/// The handle of the next transfer that has ended, and how; NULL where none has.
CURL *host_curl_next_ended(CURLM *multi, CURLcode *result);
