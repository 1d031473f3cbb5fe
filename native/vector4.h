/* Four words at once by the compiler's own vectors: NEON, SSE2, or whatever it has. */
#ifndef KURA_VECTOR4_H
#define KURA_VECTOR4_H

#include <stdint.h>
#include <string.h>

typedef uint32_t words4_t __attribute__((vector_size(16)));

#if defined(__clang__)
#define WORDS4_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define WORDS4_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (words4_t){__VA_ARGS__})
#endif

static inline words4_t words4_load(const void *p) {
  words4_t v;
  memcpy(&v, p, sizeof v);
  return v;
}
static inline void words4_store(void *p, words4_t v) { memcpy(p, &v, sizeof v); }
static inline words4_t words4_set(uint32_t x) { return (words4_t){x, x, x, x}; }

/* Four blocks of 16 words become 16 vectors of one word of each. */
static inline void words4_transpose(words4_t m[16], const uint8_t *const p[4]) {
  for (int q = 0; q < 4; q++) {
    const words4_t r0 = words4_load(p[0] + 16 * q), r1 = words4_load(p[1] + 16 * q), r2 = words4_load(p[2] + 16 * q), r3 = words4_load(p[3] + 16 * q);
    const words4_t a = WORDS4_SHUFFLE(r0, r1, 0, 4, 1, 5), b = WORDS4_SHUFFLE(r0, r1, 2, 6, 3, 7);
    const words4_t c = WORDS4_SHUFFLE(r2, r3, 0, 4, 1, 5), d = WORDS4_SHUFFLE(r2, r3, 2, 6, 3, 7);
    m[4 * q] = WORDS4_SHUFFLE(a, c, 0, 1, 4, 5);
    m[4 * q + 1] = WORDS4_SHUFFLE(a, c, 2, 3, 6, 7);
    m[4 * q + 2] = WORDS4_SHUFFLE(b, d, 0, 1, 4, 5);
    m[4 * q + 3] = WORDS4_SHUFFLE(b, d, 2, 3, 6, 7);
  }
}

#endif
