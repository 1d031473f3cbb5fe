/* What the lanes of AVX2 and AVX-512 share: blocks of many messages as vectors of words, and turns of words by whole bytes. */
#ifndef KURA_TRANSPOSE_X86_H
#define KURA_TRANSPOSE_X86_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define AVX2 __attribute__((target("avx2"), unused))
#define AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx2"), unused))

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

#endif
