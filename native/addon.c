/* Entry of the addon: one line per part. */
#include "fuse_device.h"
#include "kura.h"

NAPI_MODULE_INIT() {
  if (!register_fuse_device(env, exports) || !register_files(env, exports) || !register_scan(env, exports) || !register_small_files(env, exports)) return NULL;
  if (!register_cpu(env, exports)) return NULL;
  if (!register_hash(env, exports) || !register_splitter(env, exports) || !register_seal(env, exports)) return NULL;
  if (!register_zstd(env, exports) || !register_galois(env, exports)) return NULL;
  return exports;
}
