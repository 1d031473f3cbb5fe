/* Entry of the addon: one line per part. */
#include "fuse_device.h"
#include "kura.h"

/* The same as addonVersion in src/base/native-addon.ts, where it says when it changes. */
enum { addon_version = 2 };

static bool (*const parts[])(napi_env env, napi_value exports) = {
    register_cpu,
    register_content_keys,
    register_crc32c,
    register_fallocate,
    register_files,
    register_fuse_device,
    register_galois,
    register_hash,
    register_immutable,
    register_index_map,
    register_new_files,
    register_open,
    register_s2,
    register_scan,
    register_scrypt,
    register_seal,
    register_small_files,
    register_splitter,
    register_zstd,
};

NAPI_MODULE_INIT() {
  napi_value version;
  if (napi_create_uint32(env, addon_version, &version) != napi_ok || napi_set_named_property(env, exports, "version", version) != napi_ok) return NULL;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    if (!parts[i](env, exports)) return NULL;
  return exports;
}
