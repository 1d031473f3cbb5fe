/* Choice of the code path at run time. */
#include "cpu.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__aarch64__)
static const char *const names[] = {"neon"};
#else
static const char *const names[] = {"portable", "avx2", "avx512"};
#endif
static atomic_int in_use = cpu_portable;

static cpu_path_t best_path(void) {
#ifdef KURA_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) return cpu_avx512;
  if (__builtin_cpu_supports("avx2")) return cpu_avx2;
#endif
  return cpu_portable;
}

cpu_path_t cpu_path(void) { return (cpu_path_t)atomic_load_explicit(&in_use, memory_order_relaxed); }

bool cpu_has_more_paths(void) { return best_path() != cpu_portable; }

/* useCpu(name): the name of the path in use before */
static napi_value use_cpu(napi_env env, napi_callback_info info) {
  size_t argc = 1, length = 0;
  napi_value argv[1], before;
  char name[16];
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 1 ||
      napi_get_value_string_utf8(env, argv[0], name, sizeof name, &length) != napi_ok) {
    napi_throw_type_error(env, NULL, "useCpu takes the name of a code path");
    return NULL;
  }
  for (int path = cpu_portable; path <= (int)best_path(); path++) {
    if (strcmp(name, names[path]) != 0) continue;
    napi_create_string_utf8(env, names[cpu_path()], NAPI_AUTO_LENGTH, &before);
    atomic_store(&in_use, path);
    return before;
  }
  napi_throw_range_error(env, NULL, "the CPU does not have this code path");
  return NULL;
}

bool register_cpu(napi_env env, napi_value exports) {
  napi_value list, text;
  atomic_store(&in_use, best_path());
  if (napi_create_array(env, &list) != napi_ok) return false;
  for (uint32_t path = cpu_portable; path <= (uint32_t)best_path(); path++) {
    napi_create_string_utf8(env, names[path], NAPI_AUTO_LENGTH, &text);
    napi_set_element(env, list, path, text);
  }
  napi_create_string_utf8(env, names[cpu_path()], NAPI_AUTO_LENGTH, &text);
  return napi_set_named_property(env, exports, "cpu", text) == napi_ok && napi_set_named_property(env, exports, "cpus", list) == napi_ok &&
         export_function(env, exports, "useCpu", use_cpu);
}
