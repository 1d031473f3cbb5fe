#include "crc32c.h"

#include <string.h>

#include "cpu.h"
#include "kura.h"

#if defined(KURA_X86)
#include <immintrin.h>
#define STEP(c, w) (uint32_t) _mm_crc32_u64(c, w)
#define STEP_1(c, b) _mm_crc32_u8(c, b)
#define WITH_CRC __attribute__((target("sse4.2")))
#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <sys/auxv.h>
#if !defined(HWCAP_CRC32)
#define HWCAP_CRC32 (1 << 7)
#endif
#define STEP(c, w) __crc32cd(c, w)
#define STEP_1(c, b) __crc32cb(c, b)
#define WITH_CRC __attribute__((target("+crc")))
#endif

/* Polynomial 0x1edc6f41, reflected. Table k holds the effect of a byte followed by k zero bytes. */
static uint32_t table[8][256];
static const uint32_t polynomial = 0x82f63b78u;
static bool has_instruction;

static uint32_t crc_portable(uint32_t c, const uint8_t *data, size_t length) {
  for (; length >= 8; data += 8, length -= 8) {
    uint32_t low, high;
    memcpy(&low, data, 4);
    memcpy(&high, data + 4, 4);
    low ^= c;
    c = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^ table[3][high & 0xff] ^
        table[2][high >> 8 & 0xff] ^ table[1][high >> 16 & 0xff] ^ table[0][high >> 24];
  }
  for (; length > 0; data++, length--) c = table[0][(c ^ *data) & 0xff] ^ c >> 8;
  return c;
}

#ifdef STEP
/* Three runs side by side, as the instruction takes three steps and can begin each step; then the first two are moved behind the others. */
enum { run_bytes = 2048 };
static uint32_t behind_run[4][256]; /* effect of each byte of a checksum that `run_bytes` zeros follow */

static uint32_t move_behind_run(uint32_t c) {
  return behind_run[0][c & 0xff] ^ behind_run[1][c >> 8 & 0xff] ^ behind_run[2][c >> 16 & 0xff] ^ behind_run[3][c >> 24];
}

static void make_behind_run(void) {
  static const uint8_t zeros[run_bytes];
  for (unsigned k = 0; k < 4; k++)
    for (uint32_t b = 0; b < 256; b++) behind_run[k][b] = crc_portable(b << 8 * k, zeros, run_bytes);
}

WITH_CRC static uint32_t crc_by_instruction(uint32_t c, const uint8_t *data, size_t length) {
  for (; length >= 3 * run_bytes; data += 3 * run_bytes, length -= 3 * run_bytes) {
    uint32_t second = 0, third = 0;
    for (size_t i = 0; i < run_bytes; i += 8) {
      uint64_t words[3];
      for (int k = 0; k < 3; k++) memcpy(&words[k], data + k * run_bytes + i, 8);
      c = STEP(c, words[0]);
      second = STEP(second, words[1]);
      third = STEP(third, words[2]);
    }
    c = move_behind_run(move_behind_run(c) ^ second) ^ third;
  }
  for (; length >= 8; data += 8, length -= 8) {
    uint64_t word;
    memcpy(&word, data, 8);
    c = STEP(c, word);
  }
  for (; length > 0; data++, length--) c = STEP_1(c, *data);
  return c;
}
#endif

uint32_t crc32c_of(const uint8_t *data, size_t length) {
#ifdef STEP
  if (has_instruction && (cpu_path() != cpu_portable || !cpu_has_more_paths())) return ~crc_by_instruction(~0u, data, length);
#endif
  return ~crc_portable(~0u, data, length);
}

static napi_value checksum(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1], result;
  bytes_t data;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || !get_bytes(env, argv[0], "data", &data)) return NULL;
  return napi_create_uint32(env, crc32c_of(data.data, data.length), &result) == napi_ok ? result : NULL;
}

bool register_crc32c(napi_env env, napi_value exports) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ polynomial : c >> 1;
    table[0][i] = c;
  }
  for (int k = 1; k < 8; k++)
    for (uint32_t i = 0; i < 256; i++) table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
#if defined(KURA_X86)
  has_instruction = __builtin_cpu_supports("sse4.2");
#elif defined(STEP)
  has_instruction = getauxval(AT_HWCAP) & HWCAP_CRC32;
#endif
#ifdef STEP
  make_behind_run();
#endif
  return export_function(env, exports, "crc32c", checksum);
}
