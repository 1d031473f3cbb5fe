/* Binary keys of content IDs that stand in JSON, for many of them at once. */
#include "kura.h"

#include <string.h>

/* Value of a digit, 0x80 for what is none. */
static uint8_t digits[256];

/* hexKeys(text, places, keys): whether each place holds as many digits as fill a key behind its prefix byte, which is 0 */
static napi_value hex_keys(napi_env env, napi_callback_info info) {
  size_t argc = 3;
  napi_value argv[3], result;
  bytes_t text, keys;
  void *data = NULL;
  size_t length = 0;
  napi_typedarray_type type;
  bool is_typed = false, good = true;
  uint8_t wrong = 0;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 3 || !get_bytes(env, argv[0], "text", &text) ||
      !get_bytes(env, argv[2], "keys", &keys))
    return NULL;
  if (napi_is_typedarray(env, argv[1], &is_typed) != napi_ok || !is_typed ||
      napi_get_typedarray_info(env, argv[1], &type, &length, &data, NULL, NULL) != napi_ok || type != napi_uint32_array || length == 0 || length % 2 != 0) {
    napi_throw_type_error(env, NULL, "places must be a Uint32Array of pairs");
    return NULL;
  }
  const uint32_t *places = data;
  const size_t count = length / 2, key_bytes = keys.length / count;
  if (key_bytes < 2 || keys.length != count * key_bytes) {
    napi_throw_range_error(env, NULL, "the keys are not of one size");
    return NULL;
  }
  uint8_t *key = keys.data;
  for (size_t i = 0; good && i < count; i++) {
    const size_t start = places[2 * i], end = places[2 * i + 1];
    good = start <= end && end <= text.length && end - start == 2 * (key_bytes - 1);
    if (!good) break;
    *key++ = 0;
    for (size_t at = start; at < end; at += 2) {
      const uint8_t high = digits[text.data[at]], low = digits[text.data[at + 1]];
      wrong |= high | low;
      *key++ = (uint8_t)(high << 4 | (low & 15));
    }
  }
  return napi_get_boolean(env, good && (wrong & 0x80) == 0, &result) == napi_ok ? result : NULL;
}

bool register_content_keys(napi_env env, napi_value exports) {
  memset(digits, 0x80, sizeof digits);
  for (uint8_t i = 0; i < 16; i++) digits[(uint8_t)"0123456789abcdef"[i]] = i;
  return export_function(env, exports, "hexKeys", hex_keys);
}
