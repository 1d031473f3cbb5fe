/* BLAKE2S (RFC 7693), portable: one message at a time, the rounds unrolled by the compiler. */
#include "blake2.h"

#include <string.h>

typedef uint32_t word_t;
enum { block_bytes = 64, rounds = 10 };

static const word_t iv[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};

static const uint8_t sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline word_t rotr(word_t v, unsigned n) { return v >> n | v << (32 - n); }

#define MIX(a, b, c, d, x, y)    \
  do {                           \
    a += b + (x);                \
    d = rotr(d ^ a, 16);          \
    c += d;                      \
    b = rotr(b ^ c, 12);          \
    a += b + (y);                \
    d = rotr(d ^ a, 8);          \
    c += d;                      \
    b = rotr(b ^ c, 7);          \
  } while (0)

#define ROUND(s)                                            \
  do {                                                      \
    MIX(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);         \
    MIX(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);         \
    MIX(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);        \
    MIX(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);        \
    MIX(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);        \
    MIX(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);      \
    MIX(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);       \
    MIX(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);       \
  } while (0)

static void compress(word_t h[8], const uint8_t *block, uint64_t count, int last) {
  word_t m[16], v[16];
  memcpy(m, block, block_bytes); /* little-endian machines only, as all that Node runs on */
  for (int i = 0; i < 8; i++) {
    v[i] = h[i];
    v[i + 8] = iv[i];
  }
  v[12] ^= (word_t)count;
  v[13] ^= (word_t)(count >> 32);
  if (last) v[14] = ~v[14];
  ROUND(sigma[0]);
  ROUND(sigma[1]);
  ROUND(sigma[2]);
  ROUND(sigma[3]);
  ROUND(sigma[4]);
  ROUND(sigma[5]);
  ROUND(sigma[6]);
  ROUND(sigma[7]);
  ROUND(sigma[8]);
  ROUND(sigma[9]);
  for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

void blake2s(uint8_t *out, size_t digest_bytes, const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t length) {
  word_t h[8];
  uint8_t block[block_bytes];
  uint64_t count = 0;
  memcpy(h, iv, sizeof h);
  h[0] ^= 0x01010000u ^ (word_t)(key_bytes << 8) ^ (word_t)digest_bytes;
  if (key_bytes > 0) {
    memset(block, 0, sizeof block);
    memcpy(block, key, key_bytes);
    count = block_bytes;
    compress(h, block, count, length == 0);
    if (length == 0) {
      memcpy(out, h, digest_bytes);
      return;
    }
  }
  while (length > block_bytes) {
    count += block_bytes;
    compress(h, data, count, 0);
    data += block_bytes;
    length -= block_bytes;
  }
  memset(block, 0, sizeof block);
  if (length > 0) memcpy(block, data, length);
  compress(h, block, count + length, 1);
  memcpy(out, h, digest_bytes);
}
