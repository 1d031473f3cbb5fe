/* BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs), keyed: the tree of chunks, and lanes that every compiler knows. */
#include "blake3.h"

#include <stdlib.h>
#include <string.h>

#include "blake2_tasks.h"
#include "blake3_jobs.h"
#include "cpu.h"
#include "vector4.h"

enum { chunk_bytes = 1024, cv_bytes = 32, flag_chunk_start = 1, flag_chunk_end = 2, flag_parent = 4, flag_root = 8, flag_keyed = 16, queue_jobs = 64 };

const uint32_t blake3_iv[4] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au};

#define TARGET static
#define ALIGNED __attribute__((aligned(16)))

#define NAME blake3_x1
#define LANES 1
#define vec_t uint32_t
#define LOAD(p) (*(p))
#define STORE(p, v) (*(p) = (v))
#define SET1(x) ((uint32_t)(x))
#define ADD(a, b) ((a) + (b))
#define XOR(a, b) ((a) ^ (b))
#define AND(a, b) ((a) & (b))
#define TRANSPOSE(m, p) memcpy(m, (p)[0], 64)
#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define ROR_1(x) ror32(x, 16)
#define ROR_2(x) ror32(x, 12)
#define ROR_3(x) ror32(x, 8)
#define ROR_4(x) ror32(x, 7)
static inline uint32_t ror32(uint32_t x, int n) { return ROR(x, n); }
#include "blake3_lanes.h"
#undef NAME
#undef LANES
#undef vec_t
#undef LOAD
#undef STORE
#undef SET1
#undef TRANSPOSE
#undef ROR_1
#undef ROR_2
#undef ROR_3
#undef ROR_4

#define NAME blake3_x4
#define LANES 4
#define vec_t words4_t
#define LOAD(p) words4_load(p)
#define STORE(p, v) words4_store(p, v)
#define SET1(x) words4_set((uint32_t)(x))
#define TRANSPOSE words4_transpose
#define ROR_1(x) ROR(x, 16)
#define ROR_2(x) ROR(x, 12)
#define ROR_3(x) ROR(x, 8)
#define ROR_4(x) ROR(x, 7)
#include "blake3_lanes.h"

/* Jobs that wait for lanes. */
typedef struct {
  const uint32_t *key;
  size_t count;
  blake3_job_t jobs[queue_jobs];
} queue_t;

static void run_queue(queue_t *q) {
  const blake3_job_t *jobs = q->jobs;
  for (size_t left = q->count, now; left > 0; jobs += now, left -= now) {
#ifdef KURA_X86
    if (cpu_path() == cpu_avx512 && left > 8) {
      blake3_avx512_x16(jobs, now = left < 16 ? left : 16, q->key);
      continue;
    }
    if (cpu_path() >= cpu_avx2 && left > 2) {
      blake3_avx2_x8(jobs, now = left < 8 ? left : 8, q->key);
      continue;
    }
#endif
    if (left > 1) blake3_x4(jobs, now = left < 4 ? left : 4, q->key);
    else blake3_x1(jobs, now = 1, q->key);
  }
  q->count = 0;
}

static void add_job(queue_t *q, blake3_job_t job) {
  if (q->count == queue_jobs) run_queue(q);
  q->jobs[q->count++] = job;
}

static size_t chunks_of(size_t length) { return length > chunk_bytes ? (length - 1) / chunk_bytes + 1 : 1; }

static blake3_job_t chunk_job(const blake3_message_t *message, size_t chunk, uint8_t *cvs) {
  const size_t at = chunk * chunk_bytes, left = message->length - at;
  return (blake3_job_t){.data = message->data + at,
                        .length = (uint32_t)(left < chunk_bytes ? left : chunk_bytes),
                        .flags = flag_keyed,
                        .first = flag_chunk_start,
                        .last = flag_chunk_end | (message->length <= chunk_bytes ? flag_root : 0),
                        .counter = chunk,
                        .out = cvs + chunk * cv_bytes};
}

static int longest_first(const void *a, const void *b) {
  const uint32_t x = ((const blake3_job_t *)a)->length, y = ((const blake3_job_t *)b)->length;
  return x < y ? 1 : x > y ? -1 : 0;
}

/* Pairs become parents, level by level; one that is left over moves up as it is, which gives the tree that the definition wants. */
static void join(queue_t *q, size_t *counts, uint8_t *const *cvs, size_t messages) {
  for (bool again = true; again;) {
    again = false;
    for (size_t i = 0; i < messages; i++)
      for (size_t pair = 0; 2 * pair + 1 < counts[i]; pair++)
        add_job(q, (blake3_job_t){.data = cvs[i] + 2 * pair * cv_bytes,
                                  .length = 2 * cv_bytes,
                                  .flags = flag_keyed | flag_parent | (counts[i] == 2 ? flag_root : 0),
                                  .out = cvs[i] + pair * cv_bytes});
    run_queue(q);
    for (size_t i = 0; i < messages; i++) {
      if (counts[i] < 2) continue;
      if (counts[i] % 2) memmove(cvs[i] + counts[i] / 2 * cv_bytes, cvs[i] + (counts[i] - 1) * cv_bytes, cv_bytes);
      counts[i] = counts[i] / 2 + counts[i] % 2;
      again = again || counts[i] > 1;
    }
  }
}

bool blake3_many(const blake3_message_t *messages, size_t count, size_t kept_bytes, const uint8_t *key) {
  size_t chunks = 0, partial = 0;
  for (size_t i = 0; i < count; i++) chunks += chunks_of(messages[i].length);
  uint8_t *memory = malloc(chunks * cv_bytes + 1), **cvs = malloc((count + 1) * sizeof *cvs);
  size_t *counts = malloc((count + 1) * sizeof *counts);
  blake3_job_t *partials = malloc((count + 1) * sizeof *partials);
  const bool good = memory && cvs && counts && partials;
  if (good) {
    uint32_t words[8];
    queue_t queue = {.key = words};
    memcpy(words, key, sizeof words);
    uint8_t *next = memory;
    for (size_t i = 0; i < count; i++) {
      cvs[i] = next;
      counts[i] = chunks_of(messages[i].length);
      next += counts[i] * cv_bytes;
      for (size_t chunk = 0; chunk < counts[i]; chunk++) {
        const blake3_job_t job = chunk_job(&messages[i], chunk, cvs[i]);
        if (job.length == chunk_bytes) add_job(&queue, job);
        else partials[partial++] = job;
      }
    }
    run_queue(&queue);
    /* Chunks of about one length share their lanes. */
    if (partial > 2) qsort(partials, partial, sizeof *partials, longest_first);
    for (size_t i = 0; i < partial; i++) add_job(&queue, partials[i]);
    run_queue(&queue);
    join(&queue, counts, cvs, count);
    for (size_t i = 0; i < count; i++) memcpy(messages[i].out, cvs[i], kept_bytes);
  }
  free(memory);
  free(cvs);
  free(counts);
  free(partials);
  return good;
}
