/* What the lanes of all CPUs share: messages with their state. For blake2*.c only. */
#ifndef KURA_BLAKE2_TASKS_H
#define KURA_BLAKE2_TASKS_H

#include <stddef.h>
#include <stdint.h>

/* A message and its state: `count` bytes (the key's block included) are in `h`, `left` bytes at `data` are not. */
#define BLAKE2_TASK(word) \
  struct {                \
    word h[8];            \
    uint64_t count;       \
    const uint8_t *data;  \
    size_t left;          \
    uint8_t *out;         \
  }
typedef BLAKE2_TASK(uint64_t) blake2b_task_t;
typedef BLAKE2_TASK(uint32_t) blake2s_task_t;

extern const uint64_t blake2b_iv[8];
extern const uint32_t blake2s_iv[8];

/* Works on tasks, as many at once as there are lanes, until fewer than `fewest` are left that are not done (at least 1 of them is).
 * Digests of `kept_bytes` are written as tasks end. Returns how many are left; they are the first ones of `tasks` then. */
typedef size_t blake2b_lanes_t(blake2b_task_t *tasks, size_t count, size_t fewest, size_t kept_bytes);
typedef size_t blake2s_lanes_t(blake2s_task_t *tasks, size_t count, size_t fewest, size_t kept_bytes);

blake2b_lanes_t blake2b_avx2_x4, blake2b_avx512_x4, blake2b_avx512_x8;
blake2s_lanes_t blake2s_avx2_x8, blake2s_avx512_x8, blake2s_avx512_x16;

/* Words of one round, by their number: the same for both functions (RFC 7693, 2.7). */
#define BLAKE2_SIGMA_ROUNDS(R)                                   \
  R(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)        \
  R(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)        \
  R(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)        \
  R(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)        \
  R(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)        \
  R(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)        \
  R(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)        \
  R(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)        \
  R(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)        \
  R(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
/* BLAKE2b goes on with the first two rounds. */
#define BLAKE2_SIGMA_ROUNDS_10_11(R)                             \
  R(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)        \
  R(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)

/* One round over v[16] with words m[16] by way of MIX(a, b, c, d, x, y). */
#define BLAKE2_ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
  MIX(v[0], v[4], v[8], v[12], m[s0], m[s1]);                                              \
  MIX(v[1], v[5], v[9], v[13], m[s2], m[s3]);                                              \
  MIX(v[2], v[6], v[10], v[14], m[s4], m[s5]);                                             \
  MIX(v[3], v[7], v[11], v[15], m[s6], m[s7]);                                             \
  MIX(v[0], v[5], v[10], v[15], m[s8], m[s9]);                                             \
  MIX(v[1], v[6], v[11], v[12], m[s10], m[s11]);                                           \
  MIX(v[2], v[7], v[8], v[13], m[s12], m[s13]);                                            \
  MIX(v[3], v[4], v[9], v[14], m[s14], m[s15]);

#endif
