/* The part of OpenSSL that the addon uses. The library is the one inside the node executable; its symbols are looked up at load
 * time, so that a Node built without them only loses the native path. */
#ifndef KURA_OPENSSL_H
#define KURA_OPENSSL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct evp_md_st EVP_MD;
typedef struct evp_cipher_st EVP_CIPHER;
typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;

typedef struct {
  const EVP_MD *(*sha224)(void);
  const EVP_MD *(*sha256)(void);
  const EVP_MD *(*sha3_224)(void);
  const EVP_MD *(*sha3_256)(void);
  uint8_t *(*hmac)(const EVP_MD *md, const void *key, int key_bytes, const uint8_t *data, size_t length, uint8_t *out, unsigned *out_bytes);
  const EVP_CIPHER *(*aes_256_gcm)(void);
  const EVP_CIPHER *(*chacha20_poly1305)(void);
  EVP_CIPHER_CTX *(*ctx_new)(void);
  void (*ctx_free)(EVP_CIPHER_CTX *ctx);
  int (*ctx_ctrl)(EVP_CIPHER_CTX *ctx, int type, int arg, void *ptr);
  int (*encrypt_init)(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, void *engine, const uint8_t *key, const uint8_t *iv);
  int (*encrypt_update)(EVP_CIPHER_CTX *ctx, uint8_t *out, int *out_bytes, const uint8_t *in, int in_bytes);
  int (*encrypt_final)(EVP_CIPHER_CTX *ctx, uint8_t *out, int *out_bytes);
  int (*decrypt_init)(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, void *engine, const uint8_t *key, const uint8_t *iv);
  int (*decrypt_update)(EVP_CIPHER_CTX *ctx, uint8_t *out, int *out_bytes, const uint8_t *in, int in_bytes);
  int (*decrypt_final)(EVP_CIPHER_CTX *ctx, uint8_t *out, int *out_bytes);
} openssl_t;

/* The table, or NULL where a function is missing. */
const openssl_t *openssl_functions(void);

#endif
