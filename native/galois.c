/* Matrix times shards over GF(2^8) with polynomial 0x11d (spec 01, 1.20.4), and CRC-32C. */
#include "kura.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAVE_X86 1
#endif

static uint8_t product[256][256];
static uint32_t crc_table[256];

static void make_tables(void) {
  for (unsigned a = 0; a < 256; a++)
    for (unsigned b = 0; b < 256; b++) {
      unsigned x = a, y = b, p = 0;
      for (; y; y >>= 1) {
        if (y & 1) p ^= x;
        x <<= 1;
        if (x & 0x100) x ^= 0x11d;
      }
      product[a][b] = (uint8_t)p;
    }
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
    crc_table[i] = c;
  }
}

static void add_scaled_portable(uint8_t *out, const uint8_t *in, size_t length, uint8_t factor) {
  const uint8_t *row = product[factor];
  for (size_t i = 0; i < length; i++) out[i] ^= row[in[i]];
}

static void (*add_scaled)(uint8_t *, const uint8_t *, size_t, uint8_t) = add_scaled_portable;

static uint32_t crc32c_portable(const uint8_t *data, size_t length) {
  uint32_t c = ~0u;
  for (size_t i = 0; i < length; i++) c = crc_table[(c ^ data[i]) & 0xff] ^ c >> 8;
  return ~c;
}

static uint32_t (*crc32c)(const uint8_t *, size_t) = crc32c_portable;

#ifdef HAVE_X86
__attribute__((target("avx2"))) static void add_scaled_avx2(uint8_t *out, const uint8_t *in, size_t length, uint8_t factor) {
  uint8_t low[16], high[16];
  for (unsigned i = 0; i < 16; i++) {
    low[i] = product[factor][i];
    high[i] = product[factor][i << 4];
  }
  const __m256i lows = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)low));
  const __m256i highs = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)high));
  const __m256i nibble = _mm256_set1_epi8(0x0f);
  size_t i = 0;
  for (; i + 32 <= length; i += 32) {
    __m256i v = _mm256_loadu_si256((const __m256i *)(in + i));
    __m256i l = _mm256_shuffle_epi8(lows, _mm256_and_si256(v, nibble));
    __m256i h = _mm256_shuffle_epi8(highs, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
    __m256i o = _mm256_loadu_si256((const __m256i *)(out + i));
    _mm256_storeu_si256((__m256i *)(out + i), _mm256_xor_si256(o, _mm256_xor_si256(l, h)));
  }
  add_scaled_portable(out + i, in + i, length - i, factor);
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(const uint8_t *data, size_t length) {
  uint64_t c = 0xffffffffu;
  for (; length >= 8; data += 8, length -= 8) {
    uint64_t word;
    memcpy(&word, data, 8);
    c = _mm_crc32_u64(c, word);
  }
  for (; length > 0; data++, length--) c = _mm_crc32_u8((uint32_t)c, *data);
  return ~(uint32_t)c;
}
#endif

/* galoisMultiply(matrix, rows, columns, shards, shardBytes, out) */
static napi_value multiply(napi_env env, napi_callback_info info) {
  size_t argc = 6;
  napi_value argv[6];
  uint32_t rows, columns, shard_bytes;
  bytes_t matrix, shards, out;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 6 || napi_get_value_uint32(env, argv[1], &rows) != napi_ok ||
      napi_get_value_uint32(env, argv[2], &columns) != napi_ok || napi_get_value_uint32(env, argv[4], &shard_bytes) != napi_ok) {
    napi_throw_type_error(env, NULL, "galoisMultiply takes a matrix with its size, and shards with theirs");
    return NULL;
  }
  if (!get_bytes(env, argv[0], "matrix", &matrix) || !get_bytes(env, argv[3], "shards", &shards) || !get_bytes(env, argv[5], "out", &out)) return NULL;
  if (rows > 256 || columns > 256 || matrix.length < (size_t)rows * columns || shards.length < (size_t)columns * shard_bytes ||
      out.length < (size_t)rows * shard_bytes) {
    napi_throw_range_error(env, NULL, "galoisMultiply: the sizes do not fit together");
    return NULL;
  }
  if (rows == 0 || shard_bytes == 0) return NULL;
  memset(out.data, 0, (size_t)rows * shard_bytes);
  for (uint32_t c = 0; c < columns; c++)
    for (uint32_t r = 0; r < rows; r++)
      add_scaled(out.data + (size_t)r * shard_bytes, shards.data + (size_t)c * shard_bytes, shard_bytes, matrix.data[(size_t)r * columns + c]);
  return NULL;
}

static napi_value checksum(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1], result;
  bytes_t data;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || !get_bytes(env, argv[0], "data", &data)) return NULL;
  napi_create_uint32(env, crc32c(data.data, data.length), &result);
  return result;
}

bool register_galois(napi_env env, napi_value exports) {
  make_tables();
#ifdef HAVE_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) crc32c = crc32c_sse42;
  if (__builtin_cpu_supports("avx2")) add_scaled = add_scaled_avx2;
#endif
  return export_function(env, exports, "galoisMultiply", multiply) && export_function(env, exports, "crc32c", checksum);
}
