/* One block of S2 (spec 03, 3.3): a length and tags. */
#ifndef KURA_S2_BLOCK_H
#define KURA_S2_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { s2_table_bits = 16 };

/* Most bytes that a block of `length` plain bytes takes. */
static inline size_t s2_block_bound(size_t length) { return 32 + length + (length + 5) / 6; }

/* Writes at most 1 MiB as a block to `out`, which has room for s2_block_bound; returns its length. `table` has 2^s2_table_bits places. */
size_t s2_encode_block(const uint8_t *data, size_t length, uint8_t *out, int32_t *table);

/* The length that a block begins with, and how many bytes it takes (0 when it is not right). */
size_t s2_block_length(const uint8_t *data, size_t size, uint64_t *length);

/* Expands tags to exactly `length` bytes at `out`; NULL when that went well, else what is wrong. */
const char *s2_expand_block(const uint8_t *data, size_t size, uint8_t *out, size_t length);

#endif
