/* What sealing and opening share: the form of sealed bytes, nonce || ciphertext || tag, and the key of each (spec 01, 1.17). */
#ifndef KURA_SEALED_H
#define KURA_SEALED_H

#include "kura.h"
#include "openssl.h"

enum {
  nonce_bytes = 12,
  tag_bytes = 16,
  overhead_bytes = nonce_bytes + tag_bytes,
  key_bytes = 32,
  identity_bytes = 16, /* of contents */
  ctrl_set_iv_length = 0x9,
  ctrl_get_tag = 0x10,
  ctrl_set_tag = 0x11,
};

static inline const EVP_CIPHER *get_cipher(const openssl_t *ssl, uint32_t cipher) {
  return cipher == 0 ? ssl->aes_256_gcm() : ssl->chacha20_poly1305();
}

/* Every content has a key of its own, derived from the repository's secret and the content's identity. */
static inline bool derive_key(const openssl_t *ssl, const bytes_t *secret, const bytes_t *identity, uint8_t key[key_bytes]) {
  unsigned produced = 0;
  return ssl->hmac(ssl->sha256(), secret->data, (int)secret->length, identity->data, identity->length, key, &produced) && produced == key_bytes;
}

#endif
