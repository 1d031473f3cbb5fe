/* Boundary search of the content-defined splitters (spec 03, 2.3 to 2.5). */
#include "kura.h"

#include "buzhash.h"
#include "buzhash_table.h"

enum { window_bytes = 64 };

#ifdef KURA_X86
static bool has_vector;
#endif

static inline uint32_t rotl32(uint32_t v, unsigned n) { return n ? (v << n) | (v >> (32 - n)) : v; }

/* The hashes are functions of the last 64 bytes alone: nothing before position `from` - 64 is touched, and places far from each other are
 * looked at side by side, so that none waits for the one before it. */
enum { streams = 4, stream_bytes = 2048 };

static inline uint32_t buzhash_at(const uint8_t *data, size_t end) {
  uint32_t h = 0;
  for (size_t i = 0; i < window_bytes; i++) h ^= rotl32(buzhash_table[data[end - window_bytes + i]], (63 - i) & 31);
  return h;
}

static inline uint32_t buzhash_step(uint32_t h, const uint8_t *data, size_t end) {
  return rotl32(h, 1) ^ buzhash_table[data[end - 1 - window_bytes]] ^ buzhash_table[data[end - 1]];
}

/* Tests the ends *at to *at + streams * stream_bytes - 1, as often as they fit before `to`, and moves *at behind them. Returns the first one
 * that is a cut, or -1. */
#define SEARCH_STREAMS(name, hash_t, hash_at, hash_step)                                                     \
  static int64_t name(const uint8_t *data, size_t *at, size_t to, hash_t mask) {                             \
    for (; to - *at >= (size_t)streams * stream_bytes; *at += (size_t)streams * stream_bytes) {              \
      hash_t h[streams];                                                                                     \
      int64_t hit[streams];                                                                                  \
      for (size_t s = 0; s < streams; s++) {                                                                 \
        h[s] = hash_at(data, *at + s * stream_bytes);                                                        \
        hit[s] = (h[s] & mask) == 0 ? (int64_t)(*at + s * stream_bytes) : -1;                                \
      }                                                                                                      \
      for (size_t i = 1; i < stream_bytes && hit[0] < 0; i++)                                                \
        for (size_t s = 0; s < streams; s++) {                                                               \
          h[s] = hash_step(h[s], data, *at + s * stream_bytes + i);                                          \
          if (__builtin_expect((h[s] & mask) == 0, 0) && hit[s] < 0) hit[s] = (int64_t)(*at + s * stream_bytes + i); \
        }                                                                                                    \
      for (size_t s = 0; s < streams; s++)                                                                   \
        if (hit[s] >= 0) return hit[s];                                                                      \
    }                                                                                                        \
    return -1;                                                                                               \
  }
SEARCH_STREAMS(buzhash_streams, uint32_t, buzhash_at, buzhash_step)

/* Returns the end of the segment or -1. `from` is the first end to be tested, and is at least 64 behind the start of the segment. */
static int64_t cut_buzhash(const uint8_t *data, size_t from, size_t to, uint32_t mask) {
#ifdef KURA_X86
  if (has_vector && cpu_path() == cpu_avx512 && to - from >= window_bytes) {
    uint32_t h = buzhash_at(data, from);
    if ((h & mask) == 0) return (int64_t)from;
    int64_t cut = buzhash_cut_vector(data, &from, to, h, mask);
    if (cut >= 0 || from == to) return cut;
  }
#endif
  int64_t cut = buzhash_streams(data, &from, to, mask);
  if (cut >= 0) return cut;
  uint32_t h = buzhash_at(data, from);
  for (size_t end = from;; h = buzhash_step(h, data, end)) {
    if ((h & mask) == 0) return (int64_t)end;
    if (end++ == to) return -1;
  }
}

static const uint64_t polynomial = 0x2e3e3e4a305605u; /* degree 53 */
static uint64_t rk_out[256], rk_mod[256];

static uint64_t poly_mod(uint64_t value) {
  for (int bit = 63; bit >= 53; bit--)
    if (value >> bit & 1) value ^= polynomial << (bit - 53);
  return value;
}

static void make_rabin_karp_tables(void) {
  for (unsigned b = 0; b < 256; b++) {
    uint64_t v = b;
    for (int i = 0; i < 63; i++) v = poly_mod(v << 8);
    rk_out[b] = v;
    /* b * x^53 mod P, bit by bit since b << 53 does not fit below the degree. */
    uint64_t m = 0;
    for (int bit = 7; bit >= 0; bit--) {
      m = poly_mod(m << 1);
      if (b >> bit & 1) m ^= poly_mod(1ull << 53);
    }
    rk_mod[b] = m | (uint64_t)b << 53;
  }
}

static inline uint64_t rabin_karp_at(const uint8_t *data, size_t end) {
  uint64_t v = 0;
  for (size_t i = end - window_bytes; i < end; i++) v = ((v << 8) | data[i]) ^ rk_mod[v >> 45 & 0xff];
  return v;
}

static inline uint64_t rabin_karp_step(uint64_t v, const uint8_t *data, size_t end) {
  v ^= rk_out[data[end - 1 - window_bytes]];
  return ((v << 8) | data[end - 1]) ^ rk_mod[v >> 45 & 0xff];
}
SEARCH_STREAMS(rabin_karp_streams, uint64_t, rabin_karp_at, rabin_karp_step)

static int64_t cut_rabin_karp(const uint8_t *data, size_t from, size_t to, uint64_t mask) {
  int64_t cut = rabin_karp_streams(data, &from, to, mask);
  if (cut >= 0) return cut;
  uint64_t v = rabin_karp_at(data, from);
  for (size_t end = from;; v = rabin_karp_step(v, data, end)) {
    if ((v & mask) == 0) return (int64_t)end;
    if (end++ == to) return -1;
  }
}

/* findCut(kind, averageBytes, data, start, resume) */
static napi_value find_cut(napi_env env, napi_callback_info info) {
  size_t argc = 5;
  napi_value argv[5], result;
  uint32_t kind;
  int64_t average, start, resume;
  bytes_t data;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 5 || napi_get_value_uint32(env, argv[0], &kind) != napi_ok ||
      napi_get_value_int64(env, argv[1], &average) != napi_ok || napi_get_value_int64(env, argv[3], &start) != napi_ok ||
      napi_get_value_int64(env, argv[4], &resume) != napi_ok) {
    napi_throw_type_error(env, NULL, "findCut takes a kind, an average, bytes and two positions");
    return NULL;
  }
  if (!get_bytes(env, argv[2], "data", &data)) return NULL;
  if (kind > 1 || average < 2 * window_bytes || average > 1 << 30 || (average & (average - 1)) || start < 0 || (uint64_t)start > data.length) {
    napi_throw_range_error(env, NULL, "findCut was given a position or a size outside of its range");
    return NULL;
  }
  size_t first = (size_t)start + (size_t)average / 2, last = (size_t)start + 2 * (size_t)average;
  size_t from = resume >= 0 && (size_t)resume + 1 > first ? (size_t)resume + 1 : first;
  size_t to = last < data.length ? last : data.length;
  int64_t cut = -1;
  if (from <= to) cut = kind == 0 ? cut_buzhash(data.data, from, to, (uint32_t)average - 1) : cut_rabin_karp(data.data, from, to, (uint64_t)average - 1);
  if (cut < 0 && last <= data.length) cut = (int64_t)last;
  napi_create_int64(env, cut, &result);
  return result;
}

bool register_splitter(napi_env env, napi_value exports) {
  make_rabin_karp_tables();
#ifdef KURA_X86
  has_vector = buzhash_has_vector();
  if (has_vector) buzhash_prepare_vector(buzhash_table);
#endif
  return export_function(env, exports, "findCut", find_cut);
}
