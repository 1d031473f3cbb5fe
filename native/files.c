/* What Node's file functions do not offer: times to the nanosecond, and the names of extended attributes. */
#define _GNU_SOURCE
#include "kura.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>

enum { max_path_bytes = 4096 };

/* Copies the path with its end; a zero byte inside is refused. */
static bool get_path(napi_env env, napi_value value, char out[max_path_bytes + 1]) {
  bytes_t path;
  if (!get_bytes(env, value, "path", &path)) return false;
  if (path.length == 0 || path.length > max_path_bytes || memchr(path.data, 0, path.length)) {
    napi_throw_range_error(env, NULL, "the path is empty, too long, or has a zero byte in it");
    return false;
  }
  memcpy(out, path.data, path.length);
  out[path.length] = 0;
  return true;
}

/* setTimes(path, seconds, nanoseconds) */
static napi_value set_times(napi_env env, napi_callback_info info) {
  size_t argc = 3;
  napi_value argv[3];
  char path[max_path_bytes + 1];
  int64_t seconds, nanoseconds;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 3 || napi_get_value_int64(env, argv[1], &seconds) != napi_ok ||
      napi_get_value_int64(env, argv[2], &nanoseconds) != napi_ok || nanoseconds < 0 || nanoseconds > 999999999) {
    napi_throw_type_error(env, NULL, "setTimes takes a path, seconds and nanoseconds");
    return NULL;
  }
  if (!get_path(env, argv[0], path)) return NULL;
  struct timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
  if (utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) != 0) throw_errno(env, errno, "utimensat", path);
  return NULL;
}

/* xattrNames(path): string[] */
static napi_value xattr_names(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1], result;
  char path[max_path_bytes + 1], fixed[1024];
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || !get_path(env, argv[0], path) || napi_create_array(env, &result) != napi_ok)
    return NULL;
  char *names = fixed;
  ssize_t length = llistxattr(path, fixed, sizeof fixed);
  while (length < 0 && errno == ERANGE) {
    if (names != fixed) free(names);
    names = fixed;
    ssize_t needed = llistxattr(path, NULL, 0);
    if (needed < 0) break;
    if (!(names = malloc((size_t)needed + 1))) {
      names = fixed;
      errno = ENOMEM;
      break;
    }
    length = llistxattr(path, names, (size_t)needed + 1);
  }
  if (length < 0) {
    int error = errno;
    if (names != fixed) free(names);
    if (error == ENOTSUP) return result;
    throw_errno(env, error, "llistxattr", path);
    return NULL;
  }
  uint32_t count = 0;
  for (const char *name = names; name < names + length; name += strlen(name) + 1) {
    napi_value text;
    napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &text);
    napi_set_element(env, result, count++, text);
  }
  if (names != fixed) free(names);
  return result;
}

bool register_files(napi_env env, napi_value exports) {
  return export_function(env, exports, "setTimes", set_times) && export_function(env, exports, "xattrNames", xattr_names);
}
