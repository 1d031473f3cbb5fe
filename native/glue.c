#include "kura.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool get_bytes(napi_env env, napi_value value, const char *what, bytes_t *out) {
  bool is_typed = false;
  napi_typedarray_type type;
  size_t length = 0;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &is_typed) == napi_ok && is_typed &&
      napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) == napi_ok && type == napi_uint8_array) {
    /* No bytes may come as NULL, which OpenSSL takes for "as before" and memcpy must not be given. */
    static uint8_t nothing;
    out->data = length > 0 ? data : &nothing;
    out->length = length;
    return true;
  }
  char message[96];
  snprintf(message, sizeof message, "%s must be a Uint8Array", what);
  napi_throw_type_error(env, NULL, message);
  return false;
}

bool get_ranges(napi_env env, napi_value value, const bytes_t *whole, ranges_t *out) {
  bool is_typed = false;
  napi_typedarray_type type;
  size_t length = 0;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &is_typed) != napi_ok || !is_typed ||
      napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok || type != napi_uint32_array || length % 2 != 0) {
    napi_throw_type_error(env, NULL, "ranges must be a Uint32Array of pairs");
    return false;
  }
  *out = (ranges_t){data, length / 2};
  for (size_t i = 0; i < out->count; i++)
    if (out->data[2 * i] > whole->length || out->data[2 * i + 1] > whole->length - out->data[2 * i]) {
      napi_throw_range_error(env, NULL, "a range lies outside of the bytes");
      return false;
    }
  return true;
}

static const struct {
  int number;
  const char *name;
} error_names[] = {
    {EPERM, "EPERM"},     {ENOENT, "ENOENT"},   {EIO, "EIO"},         {ENXIO, "ENXIO"},           {EAGAIN, "EAGAIN"},         {ENOMEM, "ENOMEM"},
    {EACCES, "EACCES"},   {EBUSY, "EBUSY"},     {EEXIST, "EEXIST"},   {ENODEV, "ENODEV"},         {ENOTDIR, "ENOTDIR"},       {EISDIR, "EISDIR"},
    {EINVAL, "EINVAL"},   {EMFILE, "EMFILE"},   {ENOSPC, "ENOSPC"},   {EROFS, "EROFS"},           {ERANGE, "ERANGE"},         {ELOOP, "ELOOP"},
    {EINTR, "EINTR"},     {EBADF, "EBADF"},     {ENOTCONN, "ENOTCONN"}, {EOPNOTSUPP, "EOPNOTSUPP"}, {ENOSYS, "ENOSYS"},       {ENAMETOOLONG, "ENAMETOOLONG"},
    {EPIPE, "EPIPE"},     {ENODATA, "ENODATA"}, {ECONNRESET, "ECONNRESET"}, {EPROTO, "EPROTO"},   {ECONNABORTED, "ECONNABORTED"},
};

void throw_errno(napi_env env, int error, const char *what, const char *path) {
  const char *name = "EUNKNOWN";
  for (size_t i = 0; i < sizeof error_names / sizeof error_names[0]; i++)
    if (error_names[i].number == error) name = error_names[i].name;
  char message[4600];
  if (path)
    snprintf(message, sizeof message, "%s: %s, %s '%.4096s'", name, strerror(error), what, path);
  else
    snprintf(message, sizeof message, "%s: %s, %s", name, strerror(error), what);
  napi_throw_error(env, name, message);
}

bool export_function(napi_env env, napi_value exports, const char *name, napi_callback callback) {
  napi_value function;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function) == napi_ok &&
         napi_set_named_property(env, exports, name, function) == napi_ok;
}

static void run_job(napi_env env, void *data) {
  (void)env;
  job_t *job = data;
  job->run(job);
}

static void end_job(napi_env env, napi_status status, void *data) {
  job_t *job = data;
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  const char *failure = status == napi_ok ? job->failure : "the job was cancelled";
  napi_value value = NULL;
  if (!failure) {
    value = job->finish(env, job);
    if (!value) failure = "the result could not be made";
  }
  if (failure) {
    napi_value code = NULL, message, error;
    if (job->failure_code) napi_create_string_utf8(env, job->failure_code, NAPI_AUTO_LENGTH, &code);
    napi_create_string_utf8(env, failure, NAPI_AUTO_LENGTH, &message);
    napi_create_error(env, code, message, &error);
    napi_reject_deferred(env, job->deferred, error);
  } else {
    napi_resolve_deferred(env, job->deferred, value);
  }
  if (job->keep) napi_delete_reference(env, job->keep);
  napi_delete_async_work(env, job->work);
  job->release(job);
  napi_close_handle_scope(env, scope);
}

napi_value start_job(napi_env env, job_t *job, napi_value keep, const char *name) {
  napi_value promise, resource;
  if (napi_create_reference(env, keep, 1, &job->keep) != napi_ok || napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &resource) != napi_ok ||
      napi_create_promise(env, &job->deferred, &promise) != napi_ok ||
      napi_create_async_work(env, NULL, resource, run_job, end_job, job, &job->work) != napi_ok || napi_queue_async_work(env, job->work) != napi_ok) {
    if (job->keep) napi_delete_reference(env, job->keep);
    job->release(job);
    napi_throw_error(env, NULL, "the thread pool does not take the job");
    return NULL;
  }
  return promise;
}

static void free_memory(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  free(data);
}

napi_value give_buffer(napi_env env, uint8_t **data, size_t length) {
  enum { copied_bytes = 65536 };
  napi_value result;
  /* Short ones are copied: memory of their own would cost the garbage collector more. */
  if (length >= copied_bytes) {
    /* Much smaller than what was set aside: give the rest back before JavaScript takes it over. */
    uint8_t *fitting = realloc(*data, length);
    if (fitting) *data = fitting;
    if (napi_create_external_buffer(env, length, *data, free_memory, NULL, &result) == napi_ok) {
      *data = NULL;
      return result;
    }
  }
  return napi_create_buffer_copy(env, length, *data, NULL, &result) == napi_ok ? result : NULL;
}
