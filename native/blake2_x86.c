/* BLAKE2b and BLAKE2s in the lanes of AVX2 and AVX-512. */
#include "cpu.h"

#ifdef KURA_X86
#include <immintrin.h>
#include <string.h>

#include "blake2_tasks.h"

#define JOIN(a, b) a##_##b
#define SUB(a, b) JOIN(a, b)
#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx2")))

/* Rows of words become columns. Each takes LANES blocks of 16 words and gives 16 vectors of one word of each. */
AVX2 static inline void transpose_b4(__m256i m[16], const uint8_t *const p[4]) {
  for (int half = 0; half < 4; half++) {
    __m256i r[4];
    for (int i = 0; i < 4; i++) r[i] = _mm256_loadu_si256((const __m256i *)(p[i] + 32 * half));
    __m256i a = _mm256_unpacklo_epi64(r[0], r[1]), b = _mm256_unpackhi_epi64(r[0], r[1]);
    __m256i c = _mm256_unpacklo_epi64(r[2], r[3]), d = _mm256_unpackhi_epi64(r[2], r[3]);
    m[4 * half] = _mm256_permute2x128_si256(a, c, 0x20);
    m[4 * half + 1] = _mm256_permute2x128_si256(b, d, 0x20);
    m[4 * half + 2] = _mm256_permute2x128_si256(a, c, 0x31);
    m[4 * half + 3] = _mm256_permute2x128_si256(b, d, 0x31);
  }
}

AVX2 static inline void transpose_s8(__m256i m[16], const uint8_t *const p[8]) {
  for (int half = 0; half < 2; half++) {
    __m256i x[2][4];
    for (int g = 0; g < 2; g++) {
      __m256i r[4];
      for (int i = 0; i < 4; i++) r[i] = _mm256_loadu_si256((const __m256i *)(p[4 * g + i] + 32 * half));
      __m256i a = _mm256_unpacklo_epi32(r[0], r[1]), b = _mm256_unpackhi_epi32(r[0], r[1]);
      __m256i c = _mm256_unpacklo_epi32(r[2], r[3]), d = _mm256_unpackhi_epi32(r[2], r[3]);
      x[g][0] = _mm256_unpacklo_epi64(a, c);
      x[g][1] = _mm256_unpackhi_epi64(a, c);
      x[g][2] = _mm256_unpacklo_epi64(b, d);
      x[g][3] = _mm256_unpackhi_epi64(b, d);
    }
    for (int w = 0; w < 4; w++) {
      m[8 * half + w] = _mm256_permute2x128_si256(x[0][w], x[1][w], 0x20);
      m[8 * half + 4 + w] = _mm256_permute2x128_si256(x[0][w], x[1][w], 0x31);
    }
  }
}

/* out[k] = the k-th quarters of a, b, c and d. */
AVX512 static inline void quarters(__m512i *out, size_t stride, __m512i a, __m512i b, __m512i c, __m512i d) {
  __m512i s0 = _mm512_shuffle_i64x2(a, b, 0x88), s1 = _mm512_shuffle_i64x2(a, b, 0xdd);
  __m512i s2 = _mm512_shuffle_i64x2(c, d, 0x88), s3 = _mm512_shuffle_i64x2(c, d, 0xdd);
  out[0] = _mm512_shuffle_i64x2(s0, s2, 0x88);
  out[stride] = _mm512_shuffle_i64x2(s1, s3, 0x88);
  out[2 * stride] = _mm512_shuffle_i64x2(s0, s2, 0xdd);
  out[3 * stride] = _mm512_shuffle_i64x2(s1, s3, 0xdd);
}

AVX512 static inline void transpose_b8(__m512i m[16], const uint8_t *const p[8]) {
  for (int half = 0; half < 2; half++) {
    __m512i even[4], odd[4];
    for (int g = 0; g < 4; g++) {
      __m512i a = _mm512_loadu_si512(p[2 * g] + 64 * half), b = _mm512_loadu_si512(p[2 * g + 1] + 64 * half);
      even[g] = _mm512_unpacklo_epi64(a, b);
      odd[g] = _mm512_unpackhi_epi64(a, b);
    }
    quarters(m + 8 * half, 2, even[0], even[1], even[2], even[3]);
    quarters(m + 8 * half + 1, 2, odd[0], odd[1], odd[2], odd[3]);
  }
}

AVX512 static inline void transpose_s16(__m512i m[16], const uint8_t *const p[16]) {
  __m512i x[4][4];
  for (int g = 0; g < 4; g++) {
    __m512i r[4];
    for (int i = 0; i < 4; i++) r[i] = _mm512_loadu_si512(p[4 * g + i]);
    __m512i a = _mm512_unpacklo_epi32(r[0], r[1]), b = _mm512_unpackhi_epi32(r[0], r[1]);
    __m512i c = _mm512_unpacklo_epi32(r[2], r[3]), d = _mm512_unpackhi_epi32(r[2], r[3]);
    x[0][g] = _mm512_unpacklo_epi64(a, c);
    x[1][g] = _mm512_unpackhi_epi64(a, c);
    x[2][g] = _mm512_unpacklo_epi64(b, d);
    x[3][g] = _mm512_unpackhi_epi64(b, d);
  }
  for (int w = 0; w < 4; w++) quarters(m + w, 4, x[w][0], x[w][1], x[w][2], x[w][3]);
}

#define BYTES(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)
#define ROR24_64 BYTES(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10)
#define ROR16_64 BYTES(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9)
#define ROR16_32 BYTES(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#define ROR8_32 BYTES(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12)

/* BLAKE2b */
#define word_t uint64_t
#define task_t blake2b_task_t
#define BLOCK_BYTES 128
#define IV blake2b_iv
#define ROUNDS(R) BLAKE2_SIGMA_ROUNDS(R) BLAKE2_SIGMA_ROUNDS_10_11(R)

#define vec_t __m256i
#define LOAD(p) _mm256_load_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_store_si256((__m256i *)(p), v)
#define XOR _mm256_xor_si256
#define SET1(x) _mm256_set1_epi64x((long long)(x))
#define ADD _mm256_add_epi64
#define TRANSPOSE transpose_b4
#define LANES 4

#define NAME blake2b_avx2_x4
#define TARGET AVX2
#define ROR_1(x) _mm256_shuffle_epi32(x, 0xb1)
#define ROR_2(x) _mm256_shuffle_epi8(x, ROR24_64)
#define ROR_3(x) _mm256_shuffle_epi8(x, ROR16_64)
#define ROR_4(x) ror63(x)
AVX2 static inline __m256i ror63(__m256i x) { return _mm256_or_si256(_mm256_srli_epi64(x, 63), _mm256_add_epi64(x, x)); }
#include "blake2_lanes.h"
#undef NAME
#undef TARGET
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4

#define NAME blake2b_avx512_x4
#define TARGET AVX512
#define ROR_1(x) _mm256_ror_epi64(x, 32)
#define ROR_2(x) _mm256_ror_epi64(x, 24)
#define ROR_3(x) _mm256_ror_epi64(x, 16)
#define ROR_4(x) _mm256_ror_epi64(x, 63)
#include "blake2_lanes.h"
#undef NAME
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4
#undef vec_t
#undef LOAD
#undef STORE
#undef XOR
#undef SET1
#undef ADD
#undef TRANSPOSE
#undef LANES

#define vec_t __m512i
#define LOAD(p) _mm512_load_si512(p)
#define STORE(p, v) _mm512_store_si512(p, v)
#define XOR _mm512_xor_si512
#define SET1(x) _mm512_set1_epi64((long long)(x))
#define ADD _mm512_add_epi64
#define TRANSPOSE transpose_b8
#define LANES 8
#define NAME blake2b_avx512_x8
#define ROR_1(x) _mm512_ror_epi64(x, 32)
#define ROR_2(x) _mm512_ror_epi64(x, 24)
#define ROR_3(x) _mm512_ror_epi64(x, 16)
#define ROR_4(x) _mm512_ror_epi64(x, 63)
#include "blake2_lanes.h"
#undef NAME
#undef TARGET
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4
#undef SET1
#undef ADD
#undef TRANSPOSE
#undef LANES
#undef word_t
#undef task_t
#undef BLOCK_BYTES
#undef IV
#undef ROUNDS

/* BLAKE2s */
#define word_t uint32_t
#define task_t blake2s_task_t
#define BLOCK_BYTES 64
#define IV blake2s_iv
#define ROUNDS(R) BLAKE2_SIGMA_ROUNDS(R)

#define SET1(x) _mm512_set1_epi32((int)(x))
#define ADD _mm512_add_epi32
#define TRANSPOSE transpose_s16
#define LANES 16
#define NAME blake2s_avx512_x16
#define TARGET AVX512
#define ROR_1(x) _mm512_ror_epi32(x, 16)
#define ROR_2(x) _mm512_ror_epi32(x, 12)
#define ROR_3(x) _mm512_ror_epi32(x, 8)
#define ROR_4(x) _mm512_ror_epi32(x, 7)
#include "blake2_lanes.h"
#undef NAME
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4
#undef vec_t
#undef LOAD
#undef STORE
#undef XOR
#undef SET1
#undef ADD
#undef TRANSPOSE
#undef LANES

#define vec_t __m256i
#define LOAD(p) _mm256_load_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_store_si256((__m256i *)(p), v)
#define XOR _mm256_xor_si256
#define SET1(x) _mm256_set1_epi32((int)(x))
#define ADD _mm256_add_epi32
#define TRANSPOSE transpose_s8
#define LANES 8
#define NAME blake2s_avx512_x8
#define ROR_1(x) _mm256_ror_epi32(x, 16)
#define ROR_2(x) _mm256_ror_epi32(x, 12)
#define ROR_3(x) _mm256_ror_epi32(x, 8)
#define ROR_4(x) _mm256_ror_epi32(x, 7)
#include "blake2_lanes.h"
#undef NAME
#undef TARGET
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4

#define NAME blake2s_avx2_x8
#define TARGET AVX2
#define ROR_1(x) _mm256_shuffle_epi8(x, ROR16_32)
#define ROR_2(x) _mm256_or_si256(_mm256_srli_epi32(x, 12), _mm256_slli_epi32(x, 20))
#define ROR_3(x) _mm256_shuffle_epi8(x, ROR8_32)
#define ROR_4(x) _mm256_or_si256(_mm256_srli_epi32(x, 7), _mm256_slli_epi32(x, 25))
#include "blake2_lanes.h"
#endif
