/* Matrix times shards over GF(2^8) with polynomial 0x11d (spec 01, 1.20.4). */
#include "cpu.h"
#include "kura.h"

#include <string.h>

#if defined(KURA_X86)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static uint8_t product[256][256];

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
}

/* out[i] ^= factor * in[i] */
static void add_scaled_portable(uint8_t *out, const uint8_t *in, size_t length, uint8_t factor) {
  const uint8_t *row = product[factor];
  for (size_t i = 0; i < length; i++) out[i] ^= row[in[i]];
}

#if defined(KURA_X86) || defined(__aarch64__)
/* Products of the lower and of the upper four bits of a byte: a shuffle looks up 16 of them at once. */
static void half_products(uint8_t factor, uint8_t low[16], uint8_t high[16]) {
  for (unsigned i = 0; i < 16; i++) {
    low[i] = product[factor][i];
    high[i] = product[factor][i << 4];
  }
}
#endif

#if defined(KURA_X86)
__attribute__((target("avx2"))) static void add_scaled_avx2(uint8_t *out, const uint8_t *in, size_t length, uint8_t factor) {
  uint8_t low[16], high[16];
  half_products(factor, low, high);
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

/* A factor as the bit matrix of GF2P8AFFINEQB: byte 7 - i says which bits of a byte make bit i of the product. */
static uint64_t bit_matrices[256];
static bool has_gfni;

static void make_bit_matrices(void) {
  for (unsigned factor = 0; factor < 256; factor++)
    for (unsigned i = 0; i < 8; i++)
      for (unsigned j = 0; j < 8; j++)
        if (product[factor][1u << j] >> i & 1) bit_matrices[factor] |= 1ull << (8 * (7 - i) + j);
}

/* 64 bytes of every shard at a time; four rows of the product stay in registers. */
__attribute__((target("gfni,avx512f,avx512bw,avx512vl"))) static void multiply_gfni(const uint8_t *matrix, uint32_t rows, uint32_t columns,
                                                                                    const uint8_t *shards, size_t shard_bytes, uint8_t *out) {
  enum { group = 4 };
  for (size_t at = 0; at < shard_bytes; at += 64) {
    const __mmask64 mask = shard_bytes - at >= 64 ? ~0ull : (1ull << (shard_bytes - at)) - 1;
    for (uint32_t first = 0; first < rows; first += group) {
      const uint32_t count = rows - first < group ? rows - first : group;
      const uint8_t *factors[group];
      __m512i sum[group];
      for (uint32_t r = 0; r < group; r++) {
        factors[r] = matrix + (size_t)(first + (r < count ? r : 0)) * columns;
        sum[r] = _mm512_setzero_si512();
      }
      for (uint32_t c = 0; c < columns; c++) {
        const __m512i v = _mm512_maskz_loadu_epi8(mask, shards + c * shard_bytes + at);
        for (uint32_t r = 0; r < group; r++)
          sum[r] = _mm512_xor_si512(sum[r], _mm512_gf2p8affine_epi64_epi8(v, _mm512_set1_epi64((long long)bit_matrices[factors[r][c]]), 0));
      }
      for (uint32_t r = 0; r < count; r++) _mm512_mask_storeu_epi8(out + (first + r) * shard_bytes + at, mask, sum[r]);
    }
  }
}
#elif defined(__aarch64__)
static void add_scaled_neon(uint8_t *out, const uint8_t *in, size_t length, uint8_t factor) {
  uint8_t low[16], high[16];
  half_products(factor, low, high);
  const uint8x16_t lows = vld1q_u8(low), highs = vld1q_u8(high);
  size_t i = 0;
  for (; i + 16 <= length; i += 16) {
    const uint8x16_t v = vld1q_u8(in + i);
    const uint8x16_t p = veorq_u8(vqtbl1q_u8(lows, vandq_u8(v, vdupq_n_u8(15))), vqtbl1q_u8(highs, vshrq_n_u8(v, 4)));
    vst1q_u8(out + i, veorq_u8(vld1q_u8(out + i), p));
  }
  add_scaled_portable(out + i, in + i, length - i, factor);
}
#endif

static void multiply_rows(const uint8_t *matrix, uint32_t rows, uint32_t columns, const uint8_t *shards, size_t shard_bytes, uint8_t *out) {
  void (*add_scaled)(uint8_t *, const uint8_t *, size_t, uint8_t) = add_scaled_portable;
#if defined(KURA_X86)
  if (cpu_path() == cpu_avx512 && has_gfni) {
    multiply_gfni(matrix, rows, columns, shards, shard_bytes, out);
    return;
  }
  if (cpu_path() != cpu_portable) add_scaled = add_scaled_avx2;
#elif defined(__aarch64__)
  add_scaled = add_scaled_neon;
#endif
  memset(out, 0, rows * shard_bytes);
  for (uint32_t c = 0; c < columns; c++)
    for (uint32_t r = 0; r < rows; r++)
      add_scaled(out + r * shard_bytes, shards + c * shard_bytes, shard_bytes, matrix[(size_t)r * columns + c]);
}

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
  if (rows > 0 && shard_bytes > 0) multiply_rows(matrix.data, rows, columns, shards.data, shard_bytes, out.data);
  return NULL;
}

bool register_galois(napi_env env, napi_value exports) {
  make_tables();
#if defined(KURA_X86)
  has_gfni = __builtin_cpu_supports("gfni");
  make_bit_matrices();
#endif
  return export_function(env, exports, "galoisMultiply", multiply);
}
