/* The rolling hash of the BUZHASH splitters, 64 positions at a time, for CPUs with AVX-512 VBMI (spec 03, 2.4).
 *
 * h[i] = rotl(h[i-1], 1) ^ x[i], where x[i] is the table's word of the byte that comes in xor that of the byte that goes out. With
 * g[i] = rotr(h[i], i + 1) this is g[i] = g[i-1] ^ rotr(x[i], i + 1): running xors, which a vector can do in steps of 1, 2, 4, 8.
 * Register r holds in lane l what belongs to position 4 l + r. */
#include "buzhash.h"

#ifdef KURA_X86
#include <immintrin.h>

#define VBMI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

/* Byte p of the table's words, for the 256 values of a byte. */
static uint8_t planes[4][256] __attribute__((aligned(64)));

bool buzhash_has_vector(void) { return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"); }

void buzhash_prepare_vector(const uint32_t table[256]) {
  for (int b = 0; b < 256; b++)
    for (int p = 0; p < 4; p++) planes[p][b] = (uint8_t)(table[b] >> (8 * p));
}

/* Words of 64 bytes, in the order told above. */
VBMI static inline void look_up(__m512i out[4], const uint8_t *bytes) {
  const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  __m512i index = _mm512_shuffle_epi8(_mm512_loadu_si512(bytes), order);
  __mmask64 upper = _mm512_movepi8_mask(index);
  __m512i plane[4];
  for (int p = 0; p < 4; p++) {
    const uint8_t *t = planes[p];
    __m512i low = _mm512_permutex2var_epi8(_mm512_load_si512(t), index, _mm512_load_si512(t + 64));
    __m512i high = _mm512_permutex2var_epi8(_mm512_load_si512(t + 128), index, _mm512_load_si512(t + 192));
    plane[p] = _mm512_mask_blend_epi8(upper, low, high);
  }
  __m512i low_01 = _mm512_unpacklo_epi8(plane[0], plane[1]), high_01 = _mm512_unpackhi_epi8(plane[0], plane[1]);
  __m512i low_23 = _mm512_unpacklo_epi8(plane[2], plane[3]), high_23 = _mm512_unpackhi_epi8(plane[2], plane[3]);
  out[0] = _mm512_unpacklo_epi16(low_01, low_23);
  out[1] = _mm512_unpackhi_epi16(low_01, low_23);
  out[2] = _mm512_unpacklo_epi16(high_01, high_23);
  out[3] = _mm512_unpackhi_epi16(high_01, high_23);
}

VBMI int64_t buzhash_cut_vector(const uint8_t *data, size_t *at, size_t to, uint32_t hash, uint32_t mask) {
  const __m512i zero = _mm512_setzero_si512(), last_lane = _mm512_set1_epi32(15), wanted = _mm512_set1_epi32((int)mask);
  const __m512i lanes = _mm512_slli_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), 2);
  __m512i turn[4], before[4], now[4], x[4];
  for (int r = 0; r < 4; r++) turn[r] = _mm512_and_si512(_mm512_add_epi32(lanes, _mm512_set1_epi32(r + 1)), _mm512_set1_epi32(31));
  __m512i h = _mm512_set1_epi32((int)hash);
  look_up(before, data + *at - 64);
  for (; *at + 64 <= to; *at += 64) {
    look_up(now, data + *at);
    for (int r = 0; r < 4; r++) {
      x[r] = _mm512_rorv_epi32(_mm512_xor_si512(now[r], before[r]), turn[r]);
      before[r] = now[r];
      if (r > 0) x[r] = _mm512_xor_si512(x[r], x[r - 1]);
    }
    __m512i sum = x[3];
    sum = _mm512_xor_si512(sum, _mm512_alignr_epi32(sum, zero, 15));
    sum = _mm512_xor_si512(sum, _mm512_alignr_epi32(sum, zero, 14));
    sum = _mm512_xor_si512(sum, _mm512_alignr_epi32(sum, zero, 12));
    sum = _mm512_xor_si512(sum, _mm512_alignr_epi32(sum, zero, 8));
    __m512i above = _mm512_xor_si512(_mm512_alignr_epi32(sum, zero, 15), h);
    uint32_t hits[4], any = 0;
    for (int r = 0; r < 4; r++) {
      hits[r] = _mm512_testn_epi32_mask(_mm512_rolv_epi32(_mm512_xor_si512(x[r], above), turn[r]), wanted);
      any |= hits[r];
    }
    if (any) {
      unsigned lane = (unsigned)__builtin_ctz(any);
      for (unsigned r = 0; r < 4; r++)
        if (hits[r] >> lane & 1) return (int64_t)(*at + 4 * lane + r + 1);
    }
    h = _mm512_xor_si512(h, _mm512_permutexvar_epi32(last_lane, sum));
  }
  return -1;
}
#endif
