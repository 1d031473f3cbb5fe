/* BLAKE2b and BLAKE2s in keyed mode, sequential (RFC 7693), of one message and of many at once in SIMD lanes. */
#ifndef KURA_BLAKE2_H
#define KURA_BLAKE2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One message on its way: `left` bytes at `data` are not hashed yet. */
typedef struct {
  const uint8_t *data;
  size_t left;
  uint8_t *out;
} blake2_message_t;

/* `out` receives `digest_bytes` (1..64). `key_bytes` at most 64. */
void blake2b_one(uint8_t *out, size_t digest_bytes, const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t length);

/* `out` receives `digest_bytes` (1..32). `key_bytes` at most 32. */
void blake2s_one(uint8_t *out, size_t digest_bytes, const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t length);

/* The same for many messages; the first `kept_bytes` of each digest go to the message's `out`. False when memory runs out. */
bool blake2b_many(const blake2_message_t *messages, size_t count, size_t digest_bytes, size_t kept_bytes, const uint8_t *key, size_t key_bytes);
bool blake2s_many(const blake2_message_t *messages, size_t count, size_t digest_bytes, size_t kept_bytes, const uint8_t *key, size_t key_bytes);

#endif
