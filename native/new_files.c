/* Restore writers: makes hundreds of small files of one directory in one job. */
#define _GNU_SOURCE
#include "kura.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { first_mode = 0600, set_owners = 1, set_modes = 2, set_times = 4, ignore_refusals = 8, words_each = 3 };

typedef struct {
  job_t job;
  bytes_t directory, names, whole, times;
  ranges_t ranges;
  const uint32_t *attributes; /* mode, owner and group of each */
  int32_t *results;
  uint32_t flags;
} write_job_t;

static bool write_all(int fd, const uint8_t *data, size_t length) {
  while (length > 0) {
    ssize_t put = write(fd, data, length);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    data += put;
    length -= (size_t)put;
  }
  return true;
}

static bool is_done(const write_job_t *w, int result) { return result == 0 || ((w->flags & ignore_refusals) && (errno == EPERM || errno == EACCES)); }

/* In this order: a change of the owner clears setuid bits, writing sets times. */
static bool set_attributes(const write_job_t *w, int fd, size_t i) {
  const uint32_t *a = w->attributes + words_each * i;
  if ((w->flags & set_owners) && !is_done(w, fchown(fd, a[1], a[2]))) return false;
  if ((w->flags & set_modes) && a[0] != first_mode && !is_done(w, fchmod(fd, a[0]))) return false;
  if (!(w->flags & set_times)) return true;
  int64_t time[2]; /* seconds, nanoseconds */
  memcpy(time, w->times.data + sizeof time * i, sizeof time);
  const struct timespec times[2] = {{time[0], time[1]}, {time[0], time[1]}};
  return is_done(w, futimens(fd, times));
}

/* 0, or the system error: then no file of ours is left. */
static int write_one(const write_job_t *w, int directory, const char *name, size_t i) {
  int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, first_mode);
  if (fd < 0) return errno;
  int error = 0;
  if (!write_all(fd, w->whole.data + w->ranges.data[2 * i], w->ranges.data[2 * i + 1]) || !set_attributes(w, fd, i)) error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  if (error != 0) unlinkat(directory, name, 0);
  return error;
}

static void run_write(job_t *job) {
  write_job_t *w = (write_job_t *)job;
  const char *name = (const char *)w->names.data;
  /* Whatever stands there now, the files go into one directory, and through no link at its end. */
  int directory = open((const char *)w->directory.data, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const int error = errno;
  for (size_t i = 0; i < w->ranges.count; i++) {
    w->results[i] = directory < 0 ? error : write_one(w, directory, name, i);
    name += strlen(name) + 1;
  }
  if (directory >= 0) close(directory);
}

static napi_value finish_write(napi_env env, job_t *job) {
  (void)job;
  napi_value undefined;
  return napi_get_undefined(env, &undefined) == napi_ok ? undefined : NULL;
}

static void release_write(job_t *job) { free(job); }

/* Names that end in zero bytes, none empty and none with a '/'; as many as there are files. */
static bool are_names(const bytes_t *names, size_t count) {
  size_t found = 0;
  for (size_t at = 0; at < names->length;) {
    const uint8_t *name = names->data + at, *end = memchr(name, 0, names->length - at);
    if (!end || end == name || memchr(name, '/', (size_t)(end - name))) return false;
    found++;
    at += (size_t)(end - name) + 1;
  }
  return found == count;
}

static bool get_words(napi_env env, napi_value value, napi_typedarray_type wanted, size_t length, void **data) {
  napi_typedarray_type type;
  bool is_typed = false;
  size_t have = 0;
  if (napi_is_typedarray(env, value, &is_typed) == napi_ok && is_typed && napi_get_typedarray_info(env, value, &type, &have, data, NULL, NULL) == napi_ok &&
      type == wanted && have >= length)
    return true;
  napi_throw_type_error(env, NULL, "attributes must be a Uint32Array, results an Int32Array, with places for every file");
  return false;
}

/* writeFiles(directory, names, whole, ranges, attributes, times, flags, results): Promise */
static napi_value write_files(napi_env env, napi_callback_info info) {
  enum { arguments = 8 };
  size_t argc = arguments;
  napi_value argv[arguments], keep;
  void *attributes, *results;
  write_job_t model = {.job = {.run = run_write, .finish = finish_write, .release = release_write}};
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < arguments || napi_get_value_uint32(env, argv[6], &model.flags) != napi_ok) {
    napi_throw_type_error(env, NULL, "writeFiles takes a directory, names, bytes, ranges, attributes, times, flags and results");
    return NULL;
  }
  if (!get_bytes(env, argv[0], "directory", &model.directory) || !get_bytes(env, argv[1], "names", &model.names) ||
      !get_bytes(env, argv[2], "bytes", &model.whole) || !get_ranges(env, argv[3], &model.whole, &model.ranges) ||
      !get_words(env, argv[4], napi_uint32_array, words_each * model.ranges.count, &attributes) || !get_bytes(env, argv[5], "times", &model.times) ||
      !get_words(env, argv[7], napi_int32_array, model.ranges.count, &results))
    return NULL;
  if (model.directory.length < 2 || memchr(model.directory.data, 0, model.directory.length) != model.directory.data + model.directory.length - 1 ||
      model.times.length / (2 * sizeof(int64_t)) < model.ranges.count || !are_names(&model.names, model.ranges.count)) {
    napi_throw_range_error(env, NULL, "the directory must end in a zero byte, as must every name, and there must be a name and times for every file");
    return NULL;
  }
  model.attributes = attributes;
  model.results = results;
  write_job_t *job = malloc(sizeof *job);
  bool good = job && napi_create_array_with_length(env, arguments, &keep) == napi_ok;
  for (uint32_t i = 0; good && i < arguments; i++) good = napi_set_element(env, keep, i, argv[i]) == napi_ok;
  if (!good) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  *job = model;
  return start_job(env, &job->job, keep, "kura:write");
}

bool register_new_files(napi_env env, napi_value exports) { return export_function(env, exports, "writeFiles", write_files); }
