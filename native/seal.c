/* Authenticated encryption of contents (spec 01, 1.17): nonce || ciphertext || tag, the key derived from a secret and an identity. */
#define _GNU_SOURCE
#include "kura.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "openssl.h"

enum {
  nonce_bytes = 12,
  tag_bytes = 16,
  overhead_bytes = nonce_bytes + tag_bytes,
  key_bytes = 32,
  ctrl_set_iv_length = 0x9,
  ctrl_get_tag = 0x10,
  ctrl_set_tag = 0x11,
  file_piece_bytes = 128 << 10,
};

static const char cannot_decrypt[] = "the decryption could not be carried out";

typedef struct {
  bytes_t plain;
  bytes_t identity;
  uint8_t *out;
} sealed_t;

typedef struct {
  job_t job;
  uint32_t cipher;
  bytes_t secret;
  size_t count;
  sealed_t items[];
} seal_job_t;

static const EVP_CIPHER *get_cipher(const openssl_t *ssl, uint32_t cipher) { return cipher == 0 ? ssl->aes_256_gcm() : ssl->chacha20_poly1305(); }

static bool derive_key(const openssl_t *ssl, const bytes_t *secret, const bytes_t *identity, uint8_t key[key_bytes]) {
  unsigned produced = 0;
  return ssl->hmac(ssl->sha256(), secret->data, (int)secret->length, identity->data, identity->length, key, &produced) && produced == key_bytes;
}

static bool fill_random(uint8_t *out, size_t length) {
  while (length > 0) {
    ssize_t got = getrandom(out, length, 0);
    if (got <= 0) return false;
    out += got;
    length -= (size_t)got;
  }
  return true;
}

/* Random bytes for many nonces at a time: a system call for each would cost as much as the sealing of a small content. */
typedef struct {
  uint8_t bytes[21 * nonce_bytes];
  size_t used;
} nonces_t;

static bool take_nonce(nonces_t *nonces, uint8_t *out) {
  if (nonces->used == sizeof nonces->bytes) {
    if (!fill_random(nonces->bytes, sizeof nonces->bytes)) return false;
    nonces->used = 0;
  }
  memcpy(out, nonces->bytes + nonces->used, nonce_bytes);
  nonces->used += nonce_bytes;
  return true;
}

static bool seal_one(const openssl_t *ssl, EVP_CIPHER_CTX *ctx, uint32_t cipher, const bytes_t *secret, nonces_t *nonces, const sealed_t *item) {
  uint8_t key[key_bytes];
  int produced = 0, tail = 0;
  uint8_t *body = item->out + nonce_bytes;
  return derive_key(ssl, secret, &item->identity, key) && take_nonce(nonces, item->out) &&
         ssl->encrypt_init(ctx, get_cipher(ssl, cipher), NULL, NULL, NULL) && ssl->ctx_ctrl(ctx, ctrl_set_iv_length, nonce_bytes, NULL) &&
         ssl->encrypt_init(ctx, NULL, NULL, key, item->out) &&
         ssl->encrypt_update(ctx, NULL, &produced, item->identity.data, (int)item->identity.length) &&
         ssl->encrypt_update(ctx, body, &produced, item->plain.data, (int)item->plain.length) &&
         ssl->encrypt_final(ctx, body + produced, &tail) &&
         ssl->ctx_ctrl(ctx, ctrl_get_tag, tag_bytes, body + item->plain.length);
}

static void run_seal(job_t *job) {
  seal_job_t *s = (seal_job_t *)job;
  const openssl_t *ssl = openssl_functions();
  EVP_CIPHER_CTX *ctx = ssl->ctx_new();
  nonces_t nonces = {.used = sizeof nonces.bytes};
  if (!ctx) job->failure = "out of memory";
  for (size_t i = 0; ctx && !job->failure && i < s->count; i++)
    if (!seal_one(ssl, ctx, s->cipher, &s->secret, &nonces, &s->items[i])) job->failure = "a content could not be encrypted";
  if (ctx) ssl->ctx_free(ctx);
}

static napi_value finish_seal(napi_env env, job_t *job) {
  napi_value keep, results;
  if (napi_get_reference_value(env, job->keep, &keep) != napi_ok || napi_get_named_property(env, keep, "results", &results) != napi_ok) return NULL;
  return results;
}

static void release_seal(job_t *job) { free(job); }

/* Collects the arguments of a batch into the job; results are made here, on the main thread, and filled on the pool. With `into` they lie
 * one after another in its bytes instead, and no JavaScript object is made for any. */
static bool fill_seal_job(napi_env env, seal_job_t *job, napi_value plains, napi_value identities, const bytes_t *into, napi_value keep) {
  size_t at = 0;
  napi_value results, inputs;
  if (napi_create_array_with_length(env, job->count, &results) != napi_ok || napi_set_named_property(env, keep, "results", results) != napi_ok ||
      napi_create_array_with_length(env, 2 * job->count, &inputs) != napi_ok || napi_set_named_property(env, keep, "inputs", inputs) != napi_ok)
    return false;
  for (uint32_t i = 0; i < job->count; i++) {
    sealed_t *item = &job->items[i];
    napi_value plain, identity, sealed;
    void *out;
    if (napi_get_element(env, plains, i, &plain) != napi_ok || !get_bytes(env, plain, "plaintext", &item->plain) ||
        napi_get_element(env, identities, i, &identity) != napi_ok || !get_bytes(env, identity, "identity", &item->identity))
      return false;
    if (item->plain.length > (1u << 30) || item->identity.length > 64) {
      napi_throw_range_error(env, NULL, "a plaintext or an identity is too long");
      return false;
    }
    if (into) {
      if (into->length - at < item->plain.length + overhead_bytes) {
        napi_throw_range_error(env, NULL, "the output is too short");
        return false;
      }
      item->out = into->data + at;
      at += item->plain.length + overhead_bytes;
    } else {
      if (napi_create_buffer(env, item->plain.length + overhead_bytes, &out, &sealed) != napi_ok || napi_set_element(env, results, i, sealed) != napi_ok)
        return false;
      item->out = out;
    }
    /* Exactly what was read is kept alive: the caller may change its arrays at once. */
    if (napi_set_element(env, inputs, 2 * i, plain) != napi_ok || napi_set_element(env, inputs, 2 * i + 1, identity) != napi_ok) return false;
  }
  return true;
}

/* sealMany(cipher, secret, plains, identities, out?): Promise<Buffer[]> */
static napi_value seal_many(napi_env env, napi_callback_info info) {
  size_t argc = 5;
  napi_value argv[5], keep;
  bytes_t into;
  uint32_t cipher, count, identity_count;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 4 || napi_get_value_uint32(env, argv[0], &cipher) != napi_ok || cipher > 1 ||
      napi_get_array_length(env, argv[2], &count) != napi_ok || napi_get_array_length(env, argv[3], &identity_count) != napi_ok || count != identity_count) {
    napi_throw_type_error(env, NULL, "sealMany takes a cipher, a secret, and as many plaintexts as identities");
    return NULL;
  }
  seal_job_t *job = calloc(1, sizeof *job + count * sizeof job->items[0]);
  if (!job || napi_create_object(env, &keep) != napi_ok) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  job->cipher = cipher;
  job->count = count;
  bool has_output = argc > 4;
  if (!get_bytes(env, argv[1], "secret", &job->secret) || (has_output && !get_bytes(env, argv[4], "output", &into)) ||
      !fill_seal_job(env, job, argv[2], argv[3], has_output ? &into : NULL, keep)) {
    free(job);
    return NULL;
  }
  napi_set_named_property(env, keep, "secret", argv[1]);
  if (has_output) napi_set_named_property(env, keep, "out", argv[4]);
  job->job.run = run_seal;
  job->job.finish = finish_seal;
  job->job.release = release_seal;
  return start_job(env, &job->job, keep, "kura:seal");
}

static napi_value finish_ranges(napi_env env, job_t *job) {
  (void)job;
  napi_value undefined;
  return napi_get_undefined(env, &undefined) == napi_ok ? undefined : NULL;
}

/* sealRanges(cipher, secret, whole, ranges, identities, out): Promise. Identities of 16 bytes and results lie one after another. */
static napi_value seal_ranges(napi_env env, napi_callback_info info) {
  enum { identity_bytes = 16 };
  size_t argc = 6;
  napi_value argv[6], keep;
  uint32_t cipher;
  bytes_t secret, whole, identities, out;
  ranges_t ranges;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 6 || napi_get_value_uint32(env, argv[0], &cipher) != napi_ok || cipher > 1) {
    napi_throw_type_error(env, NULL, "sealRanges takes a cipher, a secret, bytes, ranges, identities and an output");
    return NULL;
  }
  if (!get_bytes(env, argv[1], "secret", &secret) || !get_bytes(env, argv[2], "plaintext", &whole) || !get_ranges(env, argv[3], &whole, &ranges) ||
      !get_bytes(env, argv[4], "identities", &identities) || !get_bytes(env, argv[5], "output", &out))
    return NULL;
  size_t needed = 0;
  bool fits = identities.length / identity_bytes >= ranges.count;
  for (size_t i = 0; fits && i < ranges.count; i++) {
    fits = ranges.data[2 * i + 1] <= (1u << 30);
    needed += ranges.data[2 * i + 1] + (size_t)overhead_bytes;
  }
  if (!fits || needed > out.length) {
    napi_throw_range_error(env, NULL, "the output or the identities are too short, or a plaintext is too long");
    return NULL;
  }
  seal_job_t *job = calloc(1, sizeof *job + ranges.count * sizeof job->items[0]);
  bool good = job && napi_create_array_with_length(env, 4, &keep) == napi_ok;
  static const int kept[] = {1, 2, 4, 5};
  for (uint32_t i = 0; good && i < 4; i++) good = napi_set_element(env, keep, i, argv[kept[i]]) == napi_ok;
  if (!good) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  job->cipher = cipher;
  job->secret = secret;
  job->count = ranges.count;
  uint8_t *at = out.data;
  for (size_t i = 0; i < ranges.count; i++) {
    const size_t length = ranges.data[2 * i + 1];
    job->items[i] = (sealed_t){{whole.data + ranges.data[2 * i], length}, {identities.data + i * identity_bytes, identity_bytes}, at};
    at += length + overhead_bytes;
  }
  job->job.run = run_seal;
  job->job.finish = finish_ranges;
  job->job.release = release_seal;
  return start_job(env, &job->job, keep, "kura:seal");
}

static bool begin_open(const openssl_t *ssl, EVP_CIPHER_CTX *ctx, const seal_job_t *s, const uint8_t *nonce) {
  uint8_t key[key_bytes];
  int produced = 0;
  const bytes_t *identity = &s->items[0].identity;
  return ctx && derive_key(ssl, &s->secret, identity, key) && ssl->decrypt_init(ctx, get_cipher(ssl, s->cipher), NULL, NULL, NULL) &&
         ssl->ctx_ctrl(ctx, ctrl_set_iv_length, nonce_bytes, NULL) && ssl->decrypt_init(ctx, NULL, NULL, key, nonce) &&
         ssl->decrypt_update(ctx, NULL, &produced, identity->data, (int)identity->length);
}

/* Compares the tag; what was decrypted before must not be looked at when it does not match. */
static void end_open(const openssl_t *ssl, EVP_CIPHER_CTX *ctx, job_t *job, uint8_t *end, uint8_t tag[tag_bytes]) {
  int tail = 0;
  if (!ssl->ctx_ctrl(ctx, ctrl_set_tag, tag_bytes, tag)) {
    job->failure = cannot_decrypt;
  } else if (!ssl->decrypt_final(ctx, end, &tail)) {
    job->failure = "the content does not decrypt";
    job->failure_code = "TAG_MISMATCH";
  }
}

static void run_open(job_t *job) {
  seal_job_t *s = (seal_job_t *)job;
  sealed_t *item = &s->items[0];
  const openssl_t *ssl = openssl_functions();
  EVP_CIPHER_CTX *ctx = ssl->ctx_new();
  uint8_t tag[tag_bytes];
  int produced = 0;
  size_t body = item->plain.length - overhead_bytes;
  memcpy(tag, item->plain.data + nonce_bytes + body, tag_bytes);
  if (begin_open(ssl, ctx, s, item->plain.data) && ssl->decrypt_update(ctx, item->out, &produced, item->plain.data + nonce_bytes, (int)body))
    end_open(ssl, ctx, job, item->out + produced, tag);
  else
    job->failure = cannot_decrypt;
  if (ctx) ssl->ctx_free(ctx);
}

typedef struct {
  int fd;
  uint64_t offset;
  size_t length;
} file_range_t;

/* Reads exactly `length` bytes, or leaves in the job why not. */
static bool read_exactly(job_t *job, int fd, uint8_t *into, size_t length, uint64_t offset) {
  while (length > 0) {
    ssize_t got = pread(fd, into, length, (off_t)offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      job->failure = got == 0 ? "the file ends before the content" : "the file cannot be read";
      job->failure_code = got == 0 ? "SHORT_READ" : "READ_FAILED";
      return false;
    }
    into += got;
    length -= (size_t)got;
    offset += (uint64_t)got;
  }
  return true;
}

/* Reads and decrypts in pieces that stay in the processor's cache: the sealed bytes never go through main memory again. */
static void run_open_file(job_t *job) {
  seal_job_t *s = (seal_job_t *)job;
  sealed_t *item = &s->items[0];
  const file_range_t *file = (const file_range_t *)item->plain.data;
  const openssl_t *ssl = openssl_functions();
  EVP_CIPHER_CTX *ctx = ssl->ctx_new();
  uint8_t *piece = malloc(file_piece_bytes), *out = item->out;
  uint8_t nonce[nonce_bytes], tag[tag_bytes];
  uint64_t at = file->offset + nonce_bytes;
  size_t left = file->length - overhead_bytes;
  bool good = ctx && piece && read_exactly(job, file->fd, nonce, nonce_bytes, file->offset) && begin_open(ssl, ctx, s, nonce);
  while (good && left > 0) {
    size_t now = left < file_piece_bytes ? left : file_piece_bytes;
    int produced = 0;
    good = read_exactly(job, file->fd, piece, now, at) && ssl->decrypt_update(ctx, out, &produced, piece, (int)now);
    at += now;
    left -= now;
    out += produced;
  }
  good = good && read_exactly(job, file->fd, tag, tag_bytes, at);
  if (good)
    end_open(ssl, ctx, job, out, tag);
  else if (!job->failure)
    job->failure = cannot_decrypt;
  free(piece);
  if (ctx) ssl->ctx_free(ctx);
}

/* open(cipher, secret, sealed, identity): Promise<Buffer> */
static napi_value open_one(napi_env env, napi_callback_info info) {
  size_t argc = 4;
  napi_value argv[4], keep, results;
  uint32_t cipher;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 4 || napi_get_value_uint32(env, argv[0], &cipher) != napi_ok || cipher > 1) {
    napi_throw_type_error(env, NULL, "open takes a cipher, a secret, sealed bytes and an identity");
    return NULL;
  }
  seal_job_t *job = calloc(1, sizeof *job + sizeof job->items[0]);
  if (!job || napi_create_object(env, &keep) != napi_ok) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  sealed_t *item = &job->items[0];
  void *out;
  job->cipher = cipher;
  job->count = 1;
  if (!get_bytes(env, argv[1], "secret", &job->secret) || !get_bytes(env, argv[2], "sealed", &item->plain) || !get_bytes(env, argv[3], "identity", &item->identity)) {
    free(job);
    return NULL;
  }
  if (item->plain.length < overhead_bytes || item->plain.length > (1u << 30) || item->identity.length > 64 ||
      napi_create_buffer(env, item->plain.length - overhead_bytes, &out, &results) != napi_ok) {
    free(job);
    napi_throw_range_error(env, NULL, "the sealed bytes are too short or too long");
    return NULL;
  }
  item->out = out;
  napi_set_named_property(env, keep, "results", results);
  napi_set_named_property(env, keep, "secret", argv[1]);
  napi_set_named_property(env, keep, "sealed", argv[2]);
  napi_set_named_property(env, keep, "identity", argv[3]);
  job->job.run = run_open;
  job->job.finish = finish_seal;
  job->job.release = release_seal;
  return start_job(env, &job->job, keep, "kura:open");
}

/* openFile(cipher, secret, fd, offset, length, identity): Promise<Buffer>. The descriptor stays open until then: the caller's duty. */
static napi_value open_file(napi_env env, napi_callback_info info) {
  size_t argc = 6;
  napi_value argv[6], keep, results;
  uint32_t cipher;
  int32_t fd;
  int64_t offset, length;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 6 || napi_get_value_uint32(env, argv[0], &cipher) != napi_ok || cipher > 1 ||
      napi_get_value_int32(env, argv[2], &fd) != napi_ok || napi_get_value_int64(env, argv[3], &offset) != napi_ok ||
      napi_get_value_int64(env, argv[4], &length) != napi_ok || offset < 0 || length < overhead_bytes || length > (1 << 30)) {
    napi_throw_type_error(env, NULL, "openFile takes a cipher, a secret, a descriptor, an offset, a length and an identity");
    return NULL;
  }
  seal_job_t *job = calloc(1, sizeof *job + sizeof job->items[0] + sizeof(file_range_t));
  if (!job || napi_create_object(env, &keep) != napi_ok) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  sealed_t *item = &job->items[0];
  file_range_t *file = (file_range_t *)(item + 1);
  void *out;
  *file = (file_range_t){.fd = fd, .offset = (uint64_t)offset, .length = (size_t)length};
  job->cipher = cipher;
  job->count = 1;
  item->plain = (bytes_t){.data = (uint8_t *)file, .length = sizeof *file};
  if (!get_bytes(env, argv[1], "secret", &job->secret) || !get_bytes(env, argv[5], "identity", &item->identity)) {
    free(job);
    return NULL;
  }
  if (item->identity.length > 64 || napi_create_buffer(env, (size_t)length - overhead_bytes, &out, &results) != napi_ok) {
    free(job);
    napi_throw_range_error(env, NULL, "the identity or the content is too long");
    return NULL;
  }
  item->out = out;
  napi_set_named_property(env, keep, "results", results);
  napi_set_named_property(env, keep, "secret", argv[1]);
  napi_set_named_property(env, keep, "identity", argv[5]);
  job->job.run = run_open_file;
  job->job.finish = finish_seal;
  job->job.release = release_seal;
  return start_job(env, &job->job, keep, "kura:openFile");
}

bool register_seal(napi_env env, napi_value exports) {
  if (!openssl_functions()) return true;
  return export_function(env, exports, "sealMany", seal_many) && export_function(env, exports, "sealRanges", seal_ranges) && export_function(env, exports, "open", open_one) &&
         export_function(env, exports, "openFile", open_file);
}
