/* AES-256-GCM with VAES, VPCLMULQDQ and AVX-512: 16 blocks in a step. Numbers of the field are kept with their bytes reversed and powers
 * of the hash key times x^-1, so that products need no shift; they are reduced once for 16 blocks. */
#include "gcm.h"

#include <string.h>

#ifdef KURA_X86
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq,aes,pclmul,sse4.1")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { rounds = 14, step_bytes = 256, block_bytes = 16 };

typedef struct __attribute__((may_alias)) {
  __m512i powers[4]; /* of the hash key: 16 to 13, 12 to 9, 8 to 5, 4 to 1 */
  __m128i round_keys[rounds + 1];
  __m128i hash_key, hash, counter, first; /* counter of the next block; the encrypted first one, for the tag */
  uint64_t aad_bits, text_bits;
} state_t;

_Static_assert(sizeof(state_t) <= gcm_state_bytes, "gcm_t is too small");

INLINE __m128i reversed(__m128i block) {
  return _mm_shuffle_epi8(block, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

INLINE __m512i reversed_lanes(__m512i blocks) {
  return _mm512_shuffle_epi8(blocks, _mm512_broadcast_i32x4(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
}

INLINE __m512i xor3(__m512i a, __m512i b, __m512i c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }

/* low + middle x^64 + high x^128 modulo the polynomial of the field, in each lane. */
INLINE __m512i reduced(__m512i low, __m512i middle, __m512i high) {
  const __m512i polynomial = _mm512_broadcast_i32x4(_mm_set_epi64x((long long)0xc200000000000000, 1));
  middle = xor3(middle, _mm512_shuffle_epi32(low, 0x4e), _mm512_clmulepi64_epi128(polynomial, low, 0x01));
  return xor3(high, _mm512_shuffle_epi32(middle, 0x4e), _mm512_clmulepi64_epi128(polynomial, middle, 0x01));
}

INLINE __m512i product_lanes(__m512i a, __m512i b) {
  const __m512i middle = _mm512_xor_si512(_mm512_clmulepi64_epi128(a, b, 0x01), _mm512_clmulepi64_epi128(a, b, 0x10));
  return reduced(_mm512_clmulepi64_epi128(a, b, 0x00), middle, _mm512_clmulepi64_epi128(a, b, 0x11));
}

INLINE __m128i product(__m128i a, __m128i b) {
  return _mm512_castsi512_si128(product_lanes(_mm512_castsi128_si512(a), _mm512_castsi128_si512(b)));
}

INLINE __m128i spread(__m128i key) {
  __m128i shifted = key;
  for (int i = 0; i < 3; i++) {
    shifted = _mm_slli_si128(shifted, 4);
    key = _mm_xor_si128(key, shifted);
  }
  return key;
}

#define EXPAND(i, constant, word) \
  keys[i] = _mm_xor_si128(spread(keys[i - 2]), _mm_shuffle_epi32(_mm_aeskeygenassist_si128(keys[i - 1], constant), word))

/* Round keys of AES-256 (FIPS 197, 5.2). */
INLINE void expand_key(__m128i keys[rounds + 1], const uint8_t *key) {
  keys[0] = _mm_loadu_si128((const __m128i *)key);
  keys[1] = _mm_loadu_si128((const __m128i *)(key + 16));
  EXPAND(2, 0x01, 0xff);
  EXPAND(3, 0x00, 0xaa);
  EXPAND(4, 0x02, 0xff);
  EXPAND(5, 0x00, 0xaa);
  EXPAND(6, 0x04, 0xff);
  EXPAND(7, 0x00, 0xaa);
  EXPAND(8, 0x08, 0xff);
  EXPAND(9, 0x00, 0xaa);
  EXPAND(10, 0x10, 0xff);
  EXPAND(11, 0x00, 0xaa);
  EXPAND(12, 0x20, 0xff);
  EXPAND(13, 0x00, 0xaa);
  EXPAND(14, 0x40, 0xff);
}

INLINE __m128i encrypted(const __m128i keys[rounds + 1], __m128i block) {
  block = _mm_xor_si128(block, keys[0]);
  for (int i = 1; i < rounds; i++) block = _mm_aesenc_si128(block, keys[i]);
  return _mm_aesenclast_si128(block, keys[rounds]);
}

/* The hash key times x^-1. */
INLINE __m128i twisted(__m128i key) {
  uint64_t words[2];
  _mm_storeu_si128((__m128i *)words, key);
  const uint64_t carry = 0 - (words[1] >> 63);
  return _mm_set_epi64x((long long)(((words[1] << 1) | (words[0] >> 63)) ^ (carry & 0xc200000000000000)), (long long)((words[0] << 1) ^ (carry & 1)));
}

TARGET void gcm_begin(gcm_t *gcm, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_bytes) {
  state_t *s = (state_t *)gcm;
  uint8_t block[block_bytes] = {0};
  expand_key(s->round_keys, key);
  s->hash_key = twisted(reversed(encrypted(s->round_keys, _mm_setzero_si128())));
  __m128i power = s->hash_key, powers[block_bytes];
  for (int i = 15; i >= 0; i--) {
    powers[i] = power;
    power = product(power, s->hash_key);
  }
  memcpy(s->powers, powers, sizeof powers);
  memcpy(block, nonce, 12);
  block[15] = 1;
  const __m128i first = _mm_loadu_si128((const __m128i *)block);
  s->first = encrypted(s->round_keys, first);
  s->counter = _mm_add_epi32(reversed(first), _mm_set_epi32(0, 0, 0, 1));
  s->hash = _mm_setzero_si128();
  s->aad_bits = (uint64_t)aad_bytes * 8;
  s->text_bits = 0;
  for (size_t at = 0; at < aad_bytes; at += block_bytes) {
    const size_t length = aad_bytes - at < block_bytes ? aad_bytes - at : block_bytes;
    memset(block, 0, sizeof block);
    memcpy(block, aad + at, length);
    s->hash = product(_mm_xor_si128(s->hash, reversed(_mm_loadu_si128((const __m128i *)block))), s->hash_key);
  }
}

/* `count` steps of 16 blocks. */
INLINE void run_steps(state_t *s, uint8_t *out, const uint8_t *in, size_t count, bool decrypting) {
  __m512i keys[rounds + 1], counters[4];
  const __m512i next = _mm512_broadcast_i32x4(_mm_set_epi32(0, 0, 0, 16));
  for (int i = 0; i <= rounds; i++) keys[i] = _mm512_broadcast_i32x4(s->round_keys[i]);
  for (int i = 0; i < 4; i++)
    counters[i] = _mm512_add_epi32(_mm512_broadcast_i32x4(s->counter),
                                   _mm512_set_epi32(0, 0, 0, 4 * i + 3, 0, 0, 0, 4 * i + 2, 0, 0, 0, 4 * i + 1, 0, 0, 0, 4 * i));
  __m128i hash = s->hash;
  for (size_t step = 0; step < count; step++, in += step_bytes, out += step_bytes) {
    __m512i blocks[4], texts[4];
    for (int i = 0; i < 4; i++) {
      blocks[i] = _mm512_xor_si512(reversed_lanes(counters[i]), keys[0]);
      counters[i] = _mm512_add_epi32(counters[i], next);
    }
    for (int round = 1; round < rounds; round++)
      for (int i = 0; i < 4; i++) blocks[i] = _mm512_aesenc_epi128(blocks[i], keys[round]);
    for (int i = 0; i < 4; i++) {
      const __m512i text = _mm512_loadu_si512(in + 64 * i);
      blocks[i] = _mm512_aesenclast_epi128(blocks[i], _mm512_xor_si512(keys[rounds], text));
      _mm512_storeu_si512(out + 64 * i, blocks[i]);
      texts[i] = reversed_lanes(decrypting ? text : blocks[i]);
    }
    texts[0] = _mm512_xor_si512(texts[0], _mm512_zextsi128_si512(hash));
    __m512i low = _mm512_setzero_si512(), middle = low, high = low;
    for (int i = 0; i < 4; i++) {
      const __m512i power = s->powers[i];
      low = _mm512_xor_si512(low, _mm512_clmulepi64_epi128(texts[i], power, 0x00));
      middle = xor3(middle, _mm512_clmulepi64_epi128(texts[i], power, 0x01), _mm512_clmulepi64_epi128(texts[i], power, 0x10));
      high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128(texts[i], power, 0x11));
    }
    const __m512i lanes = reduced(low, middle, high);
    const __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64(lanes, 1));
    hash = _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }
  s->hash = hash;
  s->counter = _mm_add_epi32(s->counter, _mm_set_epi32(0, 0, 0, (int)(16 * count)));
}

/* Less than a step, block by block; the last one may be short. */
INLINE void run_rest(state_t *s, uint8_t *out, const uint8_t *in, size_t length, bool decrypting) {
  while (length > 0) {
    const size_t now = length < block_bytes ? length : block_bytes;
    const __mmask16 mask = (__mmask16)((1u << now) - 1);
    const __m128i text = _mm_maskz_loadu_epi8(mask, in);
    const __m128i result = _mm_maskz_mov_epi8(mask, _mm_xor_si128(text, encrypted(s->round_keys, reversed(s->counter))));
    _mm_mask_storeu_epi8(out, mask, result);
    s->hash = product(_mm_xor_si128(s->hash, reversed(decrypting ? text : result)), s->hash_key);
    s->counter = _mm_add_epi32(s->counter, _mm_set_epi32(0, 0, 0, 1));
    in += now;
    out += now;
    length -= now;
  }
}

INLINE void run(gcm_t *gcm, uint8_t *out, const uint8_t *in, size_t length, bool decrypting) {
  state_t *s = (state_t *)gcm;
  const size_t steps = length / step_bytes;
  s->text_bits += (uint64_t)length * 8;
  if (steps > 0) run_steps(s, out, in, steps, decrypting);
  run_rest(s, out + steps * step_bytes, in + steps * step_bytes, length % step_bytes, decrypting);
}

TARGET void gcm_encrypt(gcm_t *gcm, uint8_t *out, const uint8_t *in, size_t length) { run(gcm, out, in, length, false); }

TARGET void gcm_decrypt(gcm_t *gcm, uint8_t *out, const uint8_t *in, size_t length) { run(gcm, out, in, length, true); }

TARGET void gcm_end(gcm_t *gcm, uint8_t *tag) {
  state_t *s = (state_t *)gcm;
  const __m128i lengths = _mm_set_epi64x((long long)s->aad_bits, (long long)s->text_bits);
  const __m128i hash = product(_mm_xor_si128(s->hash, lengths), s->hash_key);
  _mm_storeu_si128((__m128i *)tag, _mm_xor_si128(reversed(hash), s->first));
  memset(gcm, 0, sizeof *gcm);
  __asm__ volatile("" : : "r"(gcm) : "memory"); /* the compiler must not think that nobody sees it */
}

bool gcm_usable(void) {
  static int able; /* 0 = not known yet, 1 = no, 2 = yes */
  int known = __atomic_load_n(&able, __ATOMIC_RELAXED);
  if (known == 0) {
    __builtin_cpu_init();
    known = __builtin_cpu_supports("vaes") && __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512dq") ? 2 : 1;
    __atomic_store_n(&able, known, __ATOMIC_RELAXED);
  }
  return known == 2 && cpu_path() == cpu_avx512;
}

#else

bool gcm_usable(void) { return false; }
void gcm_begin(gcm_t *gcm, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_bytes) {
  (void)gcm, (void)key, (void)nonce, (void)aad, (void)aad_bytes;
}
void gcm_encrypt(gcm_t *gcm, uint8_t *out, const uint8_t *in, size_t length) { (void)gcm, (void)out, (void)in, (void)length; }
void gcm_decrypt(gcm_t *gcm, uint8_t *out, const uint8_t *in, size_t length) { (void)gcm, (void)out, (void)in, (void)length; }
void gcm_end(gcm_t *gcm, uint8_t *tag) { (void)gcm, (void)tag; }

#endif
