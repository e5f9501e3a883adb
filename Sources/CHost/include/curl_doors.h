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

/// A function that opens the socket for an address that is about to be dialled, or gives CURL_SOCKET_BAD.
typedef curl_socket_t (*host_curl_open)(void *context, curlsocktype purpose, struct curl_sockaddr *address);
CURLcode host_curl_set_open(CURL *handle, host_curl_open open);
/// The bytes of an IPv4 or IPv6 address in network order, `*length` of them; NULL for any other family.
const unsigned char *host_curl_address(const struct curl_sockaddr *address, size_t *length);
/// A socket for the address, closed on exec.
curl_socket_t host_curl_socket(const struct curl_sockaddr *address);
