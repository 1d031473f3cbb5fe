/* The mixing of scrypt (RFC 7914, sections 3 to 5), which is nearly all of its time. Each block needs the one before it: what can be done is to
 * work on the four words of a row at once, and to have the memory in large pages. */
#define _GNU_SOURCE
#include "kura.h"

#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include "vector4.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the words of a block are taken as they lie in memory: this needs a little-endian CPU"
#endif

enum { block_rows = 4, block_bytes = 64, large_page_bytes = 2 << 20 };

/* Where the words of a block of Salsa20 lie here: by diagonals, so that a round needs no gathering. */
static const uint8_t diagonal[16] = {0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11};

#define STEP(c, a, b, n)         \
  do {                           \
    const words4_t t = a + b;    \
    c ^= t << n | t >> (32 - n); \
  } while (0)
#define TURN_1(x) WORDS4_SHUFFLE(x, x, 1, 2, 3, 0)
#define TURN_2(x) WORDS4_SHUFFLE(x, x, 2, 3, 0, 1)
#define TURN_3(x) WORDS4_SHUFFLE(x, x, 3, 0, 1, 2)

/* scryptBlockMix of `in` (of in ^ other, where that is not NULL) to `out`, 2 r blocks each. */
static inline void block_mix(const words4_t *in, const words4_t *other, words4_t *out, size_t r) {
  static const words4_t nothing[block_rows];
  /* The other lies anywhere in memory: all its lines are asked for at once, while the first is worked on. */
  if (other)
    for (size_t i = 0; i < 2 * r; i++) __builtin_prefetch(other + block_rows * i);
  const words4_t *a = in + block_rows * (2 * r - 1), *b = other ? other + block_rows * (2 * r - 1) : nothing;
  words4_t x0 = a[0] ^ b[0], x1 = a[1] ^ b[1], x2 = a[2] ^ b[2], x3 = a[3] ^ b[3];
  for (size_t i = 0; i < 2 * r; i++) {
    a = in + block_rows * i;
    if (other) b = other + block_rows * i;
    const words4_t s0 = x0 ^= a[0] ^ b[0], s1 = x1 ^= a[1] ^ b[1], s2 = x2 ^= a[2] ^ b[2], s3 = x3 ^= a[3] ^ b[3];
    for (int round = 0; round < 8; round += 2) {
      STEP(x1, x0, x3, 7);
      STEP(x2, x1, x0, 9);
      STEP(x3, x2, x1, 13);
      STEP(x0, x3, x2, 18);
      x1 = TURN_3(x1), x2 = TURN_2(x2), x3 = TURN_1(x3);
      STEP(x3, x0, x1, 7);
      STEP(x2, x3, x0, 9);
      STEP(x1, x2, x3, 13);
      STEP(x0, x1, x2, 18);
      x1 = TURN_1(x1), x2 = TURN_2(x2), x3 = TURN_3(x3);
    }
    /* Even blocks go to the first half, odd ones to the second. */
    words4_t *to = out + block_rows * ((i & 1) * r + i / 2);
    x0 = to[0] = x0 + s0, x1 = to[1] = x1 + s1, x2 = to[2] = x2 + s2, x3 = to[3] = x3 + s3;
  }
}

/* scryptROMix: x is 2 r blocks and receives the result, y is as much room, v n times as much; n is even. */
static void ro_mix(words4_t *x, words4_t *y, words4_t *v, size_t n, size_t r) {
  const size_t rows = 2 * r * block_rows, last = rows - block_rows;
  memcpy(v, x, rows * sizeof *v);
  for (size_t i = 1; i < n; i++) block_mix(v + (i - 1) * rows, NULL, v + i * rows, r);
  block_mix(v + (n - 1) * rows, NULL, x, r);
  for (size_t i = 0; i < n; i += 2) {
    block_mix(x, v + (x[last][0] & (n - 1)) * rows, y, r);
    block_mix(y, v + (y[last][0] & (n - 1)) * rows, x, r);
  }
}

typedef struct {
  job_t job;
  bytes_t state;
  size_t n, r;
} scrypt_job_t;

static void reorder(const scrypt_job_t *s, words4_t *x, bool back) {
  for (size_t block = 0; block < s->state.length / block_bytes; block++) {
    uint8_t *bytes = s->state.data + block_bytes * block, *words = (uint8_t *)(x + block_rows * block);
    for (size_t i = 0; i < 16; i++)
      if (back)
        memcpy(bytes + 4 * diagonal[i], words + 4 * i, 4);
      else
        memcpy(words + 4 * i, bytes + 4 * diagonal[i], 4);
  }
}

static void run_scrypt(job_t *job) {
  scrypt_job_t *s = (scrypt_job_t *)job;
  const size_t bytes = s->state.length;
  void *memory, *rooms;
  if (posix_memalign(&rooms, block_bytes, 2 * bytes) != 0) rooms = NULL;
  if (posix_memalign(&memory, large_page_bytes, s->n * bytes) != 0) memory = NULL;
  if (rooms && memory) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    /* Refused where the kernel has none: small pages do as well, a third slower. */
    if (s->n * bytes >= large_page_bytes) (void)madvise(memory, s->n * bytes & ~(size_t)(large_page_bytes - 1), MADV_HUGEPAGE);
#endif
    words4_t *x = rooms;
    reorder(s, x, false);
    ro_mix(x, x + bytes / sizeof *x, memory, s->n, s->r);
    reorder(s, x, true);
  } else {
    job->failure = "there is not enough memory to derive the key";
  }
  free(rooms);
  free(memory);
}

static napi_value finish_scrypt(napi_env env, job_t *job) {
  (void)job;
  napi_value nothing;
  return napi_get_undefined(env, &nothing) == napi_ok ? nothing : NULL;
}

static void release_scrypt(job_t *job) { free(job); }

/* scryptMix(state, n): mixes the state, 128 r bytes, in place */
static napi_value scrypt_mix(napi_env env, napi_callback_info info) {
  enum { max_state_bytes = 1 << 16, max_n = 1 << 20 };
  size_t argc = 2;
  napi_value argv[2];
  bytes_t state;
  uint32_t n;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 2 || !get_bytes(env, argv[0], "state", &state)) return NULL;
  if (napi_get_value_uint32(env, argv[1], &n) != napi_ok || n < 2 || n > max_n || (n & (n - 1)) != 0 || state.length == 0 ||
      state.length > max_state_bytes || state.length % (2 * block_bytes) != 0) {
    napi_throw_range_error(env, NULL, "scryptMix takes 128 bytes or a multiple, and a power of two");
    return NULL;
  }
  scrypt_job_t *s = calloc(1, sizeof *s);
  if (!s) {
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  *s = (scrypt_job_t){.job = {.run = run_scrypt, .finish = finish_scrypt, .release = release_scrypt},
                      .state = state,
                      .n = n,
                      .r = state.length / (2 * block_bytes)};
  return start_job(env, &s->job, argv[0], "scryptMix");
}

bool register_scrypt(napi_env env, napi_value exports) { return export_function(env, exports, "scryptMix", scrypt_mix); }
