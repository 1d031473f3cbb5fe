/* What every part of the addon shares: Node-API glue, and nothing of the algorithms. */
#ifndef KURA_H
#define KURA_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a Uint8Array or Buffer; the memory belongs to JavaScript. */
typedef struct {
  uint8_t *data;
  size_t length;
} bytes_t;

/* Throws a TypeError and returns false when `value` is not a Uint8Array. */
bool get_bytes(napi_env env, napi_value value, const char *what, bytes_t *out);

/* Pieces of `whole`: start and length of each, as they lie in a Uint32Array. Throws and returns false when `value` is none, or when a
 * piece lies outside. */
typedef struct {
  const uint32_t *data;
  size_t count;
} ranges_t;
bool get_ranges(napi_env env, napi_value value, const bytes_t *whole, ranges_t *out);

/* Throws an Error whose `code` is the name of `error` (ENOENT ...) and whose message says what was tried; `path` may be NULL. */
void throw_errno(napi_env env, int error, const char *what, const char *path);

/* Defines a function on `exports`; returns false when that fails. */
bool export_function(napi_env env, napi_value exports, const char *name, napi_callback callback);

/* A job on the thread pool that settles a promise. `run` works without touching JavaScript and leaves a static text in `failure`
 * when it fails, and in `failure_code` what the error's `code` is to be (may be NULL); `finish` makes the value that the promise resolves to. `keep` is an object that must live until then. */
typedef struct job job_t;
struct job {
  void (*run)(job_t *job);
  napi_value (*finish)(napi_env env, job_t *job);
  void (*release)(job_t *job);
  const char *failure;
  const char *failure_code;
  napi_ref keep;
  napi_deferred deferred;
  napi_async_work work;
};

/* Queues the job and returns its promise; takes over the job, also when that fails (then it throws and returns NULL). */
napi_value start_job(napi_env env, job_t *job, napi_value keep, const char *name);

/* Makes a Buffer of memory from malloc, of which `length` bytes are in use, and takes it over (*data is NULL then). NULL when that fails. */
napi_value give_buffer(napi_env env, uint8_t **data, size_t length);

/* Parts of the addon: each puts its functions on `exports` and returns false when that fails. */
bool register_cpu(napi_env env, napi_value exports);
bool register_hash(napi_env env, napi_value exports);
bool register_splitter(napi_env env, napi_value exports);
bool register_scrypt(napi_env env, napi_value exports);
bool register_seal(napi_env env, napi_value exports);
bool register_open(napi_env env, napi_value exports);
bool register_zstd(napi_env env, napi_value exports);
bool register_galois(napi_env env, napi_value exports);
bool register_content_keys(napi_env env, napi_value exports);
bool register_crc32c(napi_env env, napi_value exports);
bool register_s2(napi_env env, napi_value exports);
bool register_files(napi_env env, napi_value exports);
bool register_fallocate(napi_env env, napi_value exports);
bool register_immutable(napi_env env, napi_value exports);
bool register_scan(napi_env env, napi_value exports);
bool register_small_files(napi_env env, napi_value exports);
bool register_new_files(napi_env env, napi_value exports);
bool register_index_map(napi_env env, napi_value exports);

#endif
