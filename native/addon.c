/* Entry of the addon: one line per part. */
#include "fuse_device.h"
#include "kura.h"

/* The same as addonVersion in src/base/native-addon.ts, where it says when it changes. */
enum { addon_version = 2 };

NAPI_MODULE_INIT() {
  napi_value version;
  if (napi_create_uint32(env, addon_version, &version) != napi_ok || napi_set_named_property(env, exports, "version", version) != napi_ok) return NULL;
  if (!register_fuse_device(env, exports) || !register_files(env, exports) || !register_scan(env, exports) || !register_small_files(env, exports)) return NULL;
  if (!register_fallocate(env, exports) || !register_immutable(env, exports)) return NULL;
  if (!register_cpu(env, exports)) return NULL;
  if (!register_hash(env, exports) || !register_splitter(env, exports) || !register_seal(env, exports) || !register_open(env, exports)) return NULL;
  if (!register_zstd(env, exports) || !register_galois(env, exports)) return NULL;
  return exports;
}
