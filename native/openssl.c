#define _GNU_SOURCE
#include "openssl.h"

#include <dlfcn.h>
#include <string.h>

static openssl_t table;
static int state; /* 0 = not looked up yet, 1 = all there, 2 = something is missing */

static bool look_up(void *slot, const char *name) {
  void *symbol = dlsym(RTLD_DEFAULT, name);
  memcpy(slot, &symbol, sizeof symbol);
  return symbol != NULL;
}

const openssl_t *openssl_functions(void) {
  if (state == 0) {
    bool found = look_up(&table.sha224, "EVP_sha224") & look_up(&table.sha256, "EVP_sha256") & look_up(&table.sha3_224, "EVP_sha3_224") &
                 look_up(&table.sha3_256, "EVP_sha3_256") & look_up(&table.hmac, "HMAC") & look_up(&table.aes_256_gcm, "EVP_aes_256_gcm") &
                 look_up(&table.chacha20_poly1305, "EVP_chacha20_poly1305") & look_up(&table.ctx_new, "EVP_CIPHER_CTX_new") &
                 look_up(&table.ctx_free, "EVP_CIPHER_CTX_free") & look_up(&table.ctx_ctrl, "EVP_CIPHER_CTX_ctrl") &
                 look_up(&table.encrypt_init, "EVP_EncryptInit_ex") & look_up(&table.encrypt_update, "EVP_EncryptUpdate") &
                 look_up(&table.encrypt_final, "EVP_EncryptFinal_ex") & look_up(&table.decrypt_init, "EVP_DecryptInit_ex") &
                 look_up(&table.decrypt_update, "EVP_DecryptUpdate") & look_up(&table.decrypt_final, "EVP_DecryptFinal_ex");
    state = found ? 1 : 2;
  }
  return state == 1 ? &table : NULL;
}
