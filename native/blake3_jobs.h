/* What the lanes of all CPUs share. For blake3*.c only. */
#ifndef KURA_BLAKE3_JOBS_H
#define KURA_BLAKE3_JOBS_H

#include <stddef.h>
#include <stdint.h>

/* A chunk of at most 1024 bytes, or a parent node of 64, to be compressed into 32 bytes at `out`. */
typedef struct {
  const uint8_t *data;
  uint32_t length;
  uint32_t flags, first, last; /* of all its blocks; of its first and last one besides */
  uint64_t counter;
  uint8_t *out;
} blake3_job_t;

/* Works on `count` jobs, at most as many as there are lanes. All data is read before any `out` is written. */
typedef void blake3_lanes_t(const blake3_job_t *jobs, size_t count, const uint32_t key[8]);

blake3_lanes_t blake3_avx2_x8, blake3_avx512_x16;

extern const uint32_t blake3_iv[4];

/* Words of the seven rounds. */
#define BLAKE3_ROUNDS(R) \
  R(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) \
  R(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8) \
  R(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1) \
  R(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6) \
  R(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4) \
  R(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7) \
  R(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13)

#endif
