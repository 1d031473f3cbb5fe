/* Sorted rows of an index file (spec 02, 3.4), searched and counted where they lie. */
#ifndef KURA_INDEX_SEARCH_H
#define KURA_INDEX_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `count` rows of `stride` bytes, each beginning with a key of `key_bytes`: one byte of prefix, then a hash. */
typedef struct {
  const uint8_t *rows;
  uint32_t count, stride, key_bytes;
} index_rows_t;

/* Rows that begin at byte `start` of a file. False when they are not all inside of it, or keys have no hash. */
bool index_rows_init(index_rows_t *t, const uint8_t *file, size_t length, uint64_t start, uint32_t stride, uint32_t count, uint32_t key_bytes);

/* Searches `key_count` keys that lie one after another; `found` receives the row of each, or -1. */
void index_find_many(const index_rows_t *t, const uint8_t *keys, size_t key_count, int32_t *found);

/* Adds the rows to a table with open addressing of `mask` + 1 slots: `number` into `files`, a byte of the key into `marks`. Slots with 0 are
 * free. Returns how many rows were added: fewer than there are when keys pile up in one place. `key_bytes` is at least 9. */
uint32_t index_fill_table(const index_rows_t *t, uint16_t *files, uint8_t *marks, uint32_t mask, uint16_t number);

#endif
