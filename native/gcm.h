/* AES-256-GCM (NIST SP 800-38D) with the processor's instructions for four blocks at a time. Node's OpenSSL (3.0) takes one block at a
 * time, at less than half the speed; it is used where the processor has no such instructions. */
#ifndef KURA_GCM_H
#define KURA_GCM_H

#include "cpu.h"

enum { gcm_state_bytes = 640 };

/* One message under way. */
typedef struct {
  _Alignas(64) uint8_t bytes[gcm_state_bytes];
} gcm_t;

/* Whether the functions below may be called here: the processor can, and useCpu has not chosen a lesser path. */
bool gcm_usable(void);

/* Begins a message; `aad` is authenticated and not encrypted. Key 32 bytes, nonce 12. */
void gcm_begin(gcm_t *gcm, const uint8_t *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_bytes);

/* The next `length` bytes; in all calls but the last a multiple of 16. `out` may be `in`, and must not overlap it otherwise. */
void gcm_encrypt(gcm_t *gcm, uint8_t *out, const uint8_t *in, size_t length);
void gcm_decrypt(gcm_t *gcm, uint8_t *out, const uint8_t *in, size_t length);

/* Gives the tag (16 bytes) and wipes the state. */
void gcm_end(gcm_t *gcm, uint8_t *tag);

#endif
