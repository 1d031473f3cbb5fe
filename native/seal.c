/* Authenticated encryption of contents (spec 01, 1.17): nonce || ciphertext || tag, the key derived from a secret and an identity. */
#define _GNU_SOURCE
#include "gcm.h"
#include "sealed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

typedef struct {
  bytes_t plain;
  bytes_t identity;
  uint8_t *nonce, *body, *tag;
} sealed_t;

typedef struct {
  job_t job;
  uint32_t cipher;
  bytes_t secret;
  size_t count;
  sealed_t items[];
} seal_job_t;

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

/* Results that lie in one piece. */
static sealed_t whole_item(bytes_t plain, bytes_t identity, uint8_t *out) {
  return (sealed_t){plain, identity, out, out + nonce_bytes, out + nonce_bytes + plain.length};
}

static bool seal_one(const openssl_t *ssl, EVP_CIPHER_CTX *ctx, uint32_t cipher, const bytes_t *secret, nonces_t *nonces, const sealed_t *item) {
  uint8_t key[key_bytes];
  int produced = 0, tail = 0;
  if (!derive_key(ssl, secret, &item->identity, key) || !take_nonce(nonces, item->nonce)) return false;
  if (cipher == 0 && gcm_usable()) {
    gcm_t gcm;
    gcm_begin(&gcm, key, item->nonce, item->identity.data, item->identity.length);
    gcm_encrypt(&gcm, item->body, item->plain.data, item->plain.length);
    gcm_end(&gcm, item->tag);
    return true;
  }
  return ssl->encrypt_init(ctx, get_cipher(ssl, cipher), NULL, NULL, NULL) && ssl->ctx_ctrl(ctx, ctrl_set_iv_length, nonce_bytes, NULL) &&
         ssl->encrypt_init(ctx, NULL, NULL, key, item->nonce) &&
         ssl->encrypt_update(ctx, NULL, &produced, item->identity.data, (int)item->identity.length) &&
         ssl->encrypt_update(ctx, item->body, &produced, item->plain.data, (int)item->plain.length) &&
         ssl->encrypt_final(ctx, item->body + produced, &tail) && ssl->ctx_ctrl(ctx, ctrl_get_tag, tag_bytes, item->tag);
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
    bytes_t plain_bytes, identity_data;
    uint8_t *start;
    napi_value plain, identity, sealed;
    void *out;
    if (napi_get_element(env, plains, i, &plain) != napi_ok || !get_bytes(env, plain, "plaintext", &plain_bytes) ||
        napi_get_element(env, identities, i, &identity) != napi_ok || !get_bytes(env, identity, "identity", &identity_data))
      return false;
    if (plain_bytes.length > (1u << 30) || identity_data.length > 64) {
      napi_throw_range_error(env, NULL, "a plaintext or an identity is too long");
      return false;
    }
    if (into) {
      if (into->length - at < plain_bytes.length + overhead_bytes) {
        napi_throw_range_error(env, NULL, "the output is too short");
        return false;
      }
      start = into->data + at;
      at += plain_bytes.length + overhead_bytes;
    } else {
      if (napi_create_buffer(env, plain_bytes.length + overhead_bytes, &out, &sealed) != napi_ok || napi_set_element(env, results, i, sealed) != napi_ok)
        return false;
      start = out;
    }
    *item = whole_item(plain_bytes, identity_data, start);
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
    job->items[i] = whole_item((bytes_t){whole.data + ranges.data[2 * i], length}, (bytes_t){identities.data + i * identity_bytes, identity_bytes}, at);
    at += length + overhead_bytes;
  }
  job->job.run = run_seal;
  job->job.finish = finish_ranges;
  job->job.release = release_seal;
  return start_job(env, &job->job, keep, "kura:seal");
}

/* sealInPlace(cipher, secret, bodies, identities, edges): Promise. Bodies are overwritten; edges have nonce and tag of each. */
static napi_value seal_in_place(napi_env env, napi_callback_info info) {
  size_t argc = 5;
  napi_value argv[5], keep;
  uint32_t cipher, count;
  bytes_t secret, identities, edges;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 5 || napi_get_value_uint32(env, argv[0], &cipher) != napi_ok || cipher > 1 ||
      napi_get_array_length(env, argv[2], &count) != napi_ok) {
    napi_throw_type_error(env, NULL, "sealInPlace takes a cipher, a secret, bodies, identities and room for nonces and tags");
    return NULL;
  }
  if (!get_bytes(env, argv[1], "secret", &secret) || !get_bytes(env, argv[3], "identities", &identities) || !get_bytes(env, argv[4], "edges", &edges))
    return NULL;
  if (identities.length / identity_bytes < count || edges.length / overhead_bytes < count) {
    napi_throw_range_error(env, NULL, "the identities, or the room for nonces and tags, are too short");
    return NULL;
  }
  seal_job_t *job = calloc(1, sizeof *job + count * sizeof job->items[0]);
  if (!job || napi_create_array_with_length(env, count + 3, &keep) != napi_ok) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  bool good = true;
  for (uint32_t i = 0; good && i < count; i++) {
    napi_value value;
    bytes_t body;
    good = napi_get_element(env, argv[2], i, &value) == napi_ok && get_bytes(env, value, "body", &body) && napi_set_element(env, keep, i, value) == napi_ok;
    if (!good) break;
    if (body.length > (1u << 30)) {
      napi_throw_range_error(env, NULL, "a body is too long");
      good = false;
    }
    uint8_t *edge = edges.data + i * overhead_bytes;
    job->items[i] = (sealed_t){body, {identities.data + i * identity_bytes, identity_bytes}, edge, body.data, edge + nonce_bytes};
  }
  static const int kept[] = {1, 3, 4};
  for (uint32_t i = 0; good && i < 3; i++) good = napi_set_element(env, keep, count + i, argv[kept[i]]) == napi_ok;
  if (!good) {
    free(job);
    return NULL;
  }
  job->cipher = cipher;
  job->secret = secret;
  job->count = count;
  job->job.run = run_seal;
  job->job.finish = finish_ranges;
  job->job.release = release_seal;
  return start_job(env, &job->job, keep, "kura:seal");
}

bool register_seal(napi_env env, napi_value exports) {
  if (!openssl_functions()) return true;
  return export_function(env, exports, "sealMany", seal_many) && export_function(env, exports, "sealRanges", seal_ranges) &&
         export_function(env, exports, "sealInPlace", seal_in_place);
}
