/* BLAKE2b and BLAKE2s in keyed mode, sequential, one message (RFC 7693). */
#ifndef KURA_BLAKE2_H
#define KURA_BLAKE2_H

#include <stddef.h>
#include <stdint.h>

/* `out` receives `digest_bytes` (1..64). `key_bytes` at most 64. */
void blake2b(uint8_t *out, size_t digest_bytes, const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t length);

/* `out` receives `digest_bytes` (1..32). `key_bytes` at most 32. */
void blake2s(uint8_t *out, size_t digest_bytes, const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t length);

#endif
