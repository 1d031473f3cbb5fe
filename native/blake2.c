/* BLAKE2b and BLAKE2s (RFC 7693): the portable code, and the choice of lanes. */
#include "blake2.h"

#include <stdlib.h>
#include <string.h>

#include "blake2_tasks.h"
#include "cpu.h"

const uint64_t blake2b_iv[8] = {0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
                                0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};
const uint32_t blake2s_iv[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};

/* Wide lanes while there are enough messages for them, then narrow ones; what is left, one by one. */
static size_t blake2b_run_lanes(blake2b_task_t *tasks, size_t count, size_t kept_bytes) {
#ifdef KURA_X86
  if (cpu_path() == cpu_avx512) {
    if (count > 4) count = blake2b_avx512_x8(tasks, count, 5, kept_bytes);
    if (count > 1) count = blake2b_avx512_x4(tasks, count, 2, kept_bytes);
  } else if (cpu_path() == cpu_avx2 && count > 1)
    count = blake2b_avx2_x4(tasks, count, 2, kept_bytes);
#endif
  (void)tasks;
  (void)kept_bytes;
  return count;
}

static size_t blake2s_run_lanes(blake2s_task_t *tasks, size_t count, size_t kept_bytes) {
#ifdef KURA_X86
  if (cpu_path() == cpu_avx512) {
    if (count > 8) count = blake2s_avx512_x16(tasks, count, 9, kept_bytes);
    if (count > 1) count = blake2s_avx512_x8(tasks, count, 2, kept_bytes);
  } else if (cpu_path() == cpu_avx2 && count > 1)
    count = blake2s_avx2_x8(tasks, count, 2, kept_bytes);
#endif
  (void)tasks;
  (void)kept_bytes;
  return count;
}

#define B2(name) blake2b_##name
#define WORD_BITS 64
#define BLOCK_BYTES 128
#define ROT_1 32
#define ROT_2 24
#define ROT_3 16
#define ROT_4 63
#define ROUNDS(R) BLAKE2_SIGMA_ROUNDS(R) BLAKE2_SIGMA_ROUNDS_10_11(R)
#define word_t uint64_t
#include "blake2_variant.h"
#undef B2
#undef WORD_BITS
#undef BLOCK_BYTES
#undef ROT_1
#undef ROT_2
#undef ROT_3
#undef ROT_4
#undef ROUNDS
#undef word_t

#define B2(name) blake2s_##name
#define WORD_BITS 32
#define BLOCK_BYTES 64
#define ROT_1 16
#define ROT_2 12
#define ROT_3 8
#define ROT_4 7
#define ROUNDS(R) BLAKE2_SIGMA_ROUNDS(R)
#define word_t uint32_t
#include "blake2_variant.h"
