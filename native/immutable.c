// The immutable flag of a file or folder (chattr +i), which Node cannot set.
#include "kura.h"

#include <errno.h>
#ifdef __linux__
#include <linux/fs.h>
#include <sys/ioctl.h>
#endif

/* setImmutable(fd, wanted): false where the file system has no such flag or this process may not set it. */
static napi_value set_immutable(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value argv[2], result;
  int32_t fd;
  bool wanted;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 2 || napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
      napi_get_value_bool(env, argv[1], &wanted) != napi_ok) {
    napi_throw_type_error(env, NULL, "setImmutable takes a descriptor and a boolean");
    return NULL;
  }
  bool done = false;
#ifdef __linux__
  int flags = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
    int changed = wanted ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    done = changed == flags || ioctl(fd, FS_IOC_SETFLAGS, &changed) == 0;
  } else if (errno == EBADF) {
    throw_errno(env, EBADF, "ioctl", NULL);
    return NULL;
  }
#endif
  return napi_get_boolean(env, done, &result) == napi_ok ? result : NULL;
}

bool register_immutable(napi_env env, napi_value exports) { return export_function(env, exports, "setImmutable", set_immutable); }
