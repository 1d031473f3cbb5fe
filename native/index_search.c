#include "index_search.h"

#include <string.h>

/* The same as in src/repo/content/index/rows.ts and file-table.ts: the twins do it step by step alike. */
enum { max_proportional_probes = 10, max_table_probes = 4096, rows_ahead = 16, searches_at_once = 32 };

bool index_rows_init(index_rows_t *t, const uint8_t *file, size_t length, uint64_t start, uint32_t stride, uint32_t count, uint32_t key_bytes) {
  if (key_bytes < 2 || stride < key_bytes || start > length || (uint64_t)count * stride > length - start || count > INT32_MAX) return false;
  *t = (index_rows_t){file + start, count, stride, key_bytes};
  return true;
}

/* First four bytes of the hash as a number; shorter hashes count as followed by zeros. */
static uint32_t hash_head(const uint8_t *key, uint32_t key_bytes) {
  uint32_t head = 0;
  if (key_bytes > 4) {
    memcpy(&head, key + 1, 4);
    return __builtin_bswap32(head);
  }
  for (uint32_t i = 1; i <= 4; i++) head = head << 8 | (i < key_bytes ? key[i] : 0u);
  return head;
}

static const uint8_t *row_at(const index_rows_t *t, uint32_t row) { return t->rows + (size_t)row * t->stride; }

static uint32_t first_of_prefix(const index_rows_t *t, unsigned prefix) {
  uint32_t low = 0, high = prefix == 0 ? 0 : t->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (row_at(t, middle)[0] < prefix) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* A search on its way: the rows that may hold the key, and the one that is looked at next. */
typedef struct {
  const uint8_t *key;
  size_t number;
  double target, low_head, high_head;
  uint32_t low, high, row;
  unsigned probes;
} search_t;

static void choose_row(const index_rows_t *t, search_t *s) {
  const uint32_t span = s->high - s->low;
  double share = s->probes < max_proportional_probes && s->high_head > s->low_head ? (s->target - s->low_head) / (s->high_head - s->low_head) : 0.5;
  double step = share * span;
  /* Rows that are not in order may lead to a place outside: no further than the ends. */
  s->row = s->low + (step <= 0 ? 0 : step >= span - 1 ? span - 1 : (uint32_t)step);
  s->probes++;
  const uint8_t *at = row_at(t, s->row);
  __builtin_prefetch(at);
  __builtin_prefetch(at + t->key_bytes - 1);
}

/* Looks at the chosen row. True when the search is over: *found is the row, or -1. */
static bool look(const index_rows_t *t, search_t *s, int32_t *found) {
  const uint8_t *at = row_at(t, s->row);
  const int order = memcmp(at, s->key, t->key_bytes);
  if (order == 0) {
    *found = (int32_t)s->row;
    return true;
  }
  if (order < 0) {
    s->low = s->row + 1;
    s->low_head = hash_head(at, t->key_bytes);
  } else {
    s->high = s->row;
    s->high_head = hash_head(at, t->key_bytes);
  }
  *found = -1;
  return s->low >= s->high;
}

void index_find_many(const index_rows_t *t, const uint8_t *keys, size_t key_count, int32_t *found) {
  /* Rows lie anywhere in memory: while one search waits for its row, others look at theirs. */
  search_t searches[searches_at_once];
  size_t active = 0, next = 0;
  int known = -1;
  uint32_t low = 0, high = 0;
  for (;;) {
    while (active < searches_at_once && next < key_count) {
      const uint8_t *key = keys + next * t->key_bytes;
      if (key[0] != known) {
        known = key[0];
        low = first_of_prefix(t, key[0]);
        high = first_of_prefix(t, key[0] + 1u);
      }
      if (low < high) {
        searches[active] = (search_t){key, next, hash_head(key, t->key_bytes), 0, 4294967296.0, low, high, 0, 0};
        choose_row(t, &searches[active++]);
      } else {
        found[next] = -1;
      }
      next++;
    }
    if (active == 0) return;
    for (size_t i = 0; i < active;) {
      if (!look(t, &searches[i], &found[searches[i].number])) choose_row(t, &searches[i++]);
      else searches[i] = searches[--active];
    }
  }
}

static uint32_t word(const uint8_t *at) {
  uint32_t w;
  memcpy(&w, at, 4);
  return __builtin_bswap32(w);
}

static uint32_t slot_of(const uint8_t *key, uint32_t key_bytes) {
  return ((word(key + 1) ^ (word(key + key_bytes - 4) ^ key[0]) * 0x9e3779b1u) * 0x85ebca6bu) >> 1;
}

uint32_t index_fill_table(const index_rows_t *t, uint16_t *files, uint8_t *marks, uint32_t mask, uint16_t number) {
  uint32_t ahead[rows_ahead];
  const uint32_t first = t->count < rows_ahead ? t->count : rows_ahead;
  for (uint32_t i = 0; i < first; i++) ahead[i] = slot_of(row_at(t, i), t->key_bytes) & mask;
  for (uint32_t row = 0; row < t->count; row++) {
    uint32_t slot = ahead[row % rows_ahead], probes = 0;
    if (t->count - row > rows_ahead) {
      /* Slots lie anywhere: the memory of later ones is asked for now. */
      const uint32_t next = slot_of(row_at(t, row + rows_ahead), t->key_bytes) & mask;
      ahead[row % rows_ahead] = next;
      __builtin_prefetch(&files[next], 1);
      __builtin_prefetch(&marks[next], 1);
    }
    for (; files[slot] != 0; slot = (slot + 1) & mask)
      if (probes++ == max_table_probes) return row;
    const uint8_t *key = row_at(t, row);
    files[slot] = number;
    marks[slot] = key[5] ^ key[0];
  }
  return t->count;
}
