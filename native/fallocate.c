// Gives back the space of a range of a file (fallocate(2)), which Node has not.
#define _GNU_SOURCE
#include "kura.h"

#include <errno.h>
#include <fcntl.h>

/* punchHole(fd, offset, length): false where the file system cannot. */
static napi_value punch_hole(napi_env env, napi_callback_info info) {
  size_t argc = 3;
  napi_value argv[3], result;
  int32_t fd;
  int64_t offset, length;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 3 || napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
      napi_get_value_int64(env, argv[1], &offset) != napi_ok || napi_get_value_int64(env, argv[2], &length) != napi_ok || offset < 0 || length <= 0) {
    napi_throw_type_error(env, NULL, "punchHole takes a descriptor, an offset and a length");
    return NULL;
  }
  int error = ENOTSUP;
#ifdef __linux__
  do error = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0 ? 0 : errno;
  while (error == EINTR);
#endif
  if (error != 0 && error != ENOTSUP && error != EOPNOTSUPP && error != ENOSYS) {
    throw_errno(env, error, "fallocate", NULL);
    return NULL;
  }
  return napi_get_boolean(env, error == 0, &result) == napi_ok ? result : NULL;
}

bool register_fallocate(napi_env env, napi_value exports) { return export_function(env, exports, "punchHole", punch_hole); }
