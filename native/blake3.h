/* BLAKE3 in keyed mode, of one message and of many at once, in SIMD lanes over the chunks of all of them. */
#ifndef KURA_BLAKE3_H
#define KURA_BLAKE3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const uint8_t *data;
  size_t length;
  uint8_t *out;
} blake3_message_t;

/* The first `kept_bytes` (at most 32) of each digest go to the message's `out`. `key` has 32 bytes. False when memory runs out. */
bool blake3_many(const blake3_message_t *messages, size_t count, size_t kept_bytes, const uint8_t *key);

#endif
