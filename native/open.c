/* Authenticated decryption of contents (spec 01, 1.17), from memory or from a file, into memory that is made here or given. */
#define _GNU_SOURCE
#include "gcm.h"
#include "sealed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { file_piece_bytes = 128 << 10, max_sealed_bytes = 1 << 30, max_identity_bytes = 64 };

static const char cannot_decrypt[] = "the decryption could not be carried out";

typedef struct {
  job_t job;
  uint32_t cipher;
  bytes_t secret, identity;
  size_t sealed_bytes;
  const uint8_t *sealed; /* NULL: the bytes lie in the file */
  int fd;
  uint64_t offset;
  uint8_t *out;
} open_job_t;

/* A message under way, by our own instructions or by OpenSSL. */
typedef struct {
  gcm_t gcm;
  bool is_own;
  const openssl_t *ssl;
  EVP_CIPHER_CTX *ctx;
} opener_t;

/* Always to be followed by free_opener. */
static bool begin_open(opener_t *opener, const open_job_t *o, const uint8_t *nonce) {
  const openssl_t *ssl = opener->ssl;
  uint8_t key[key_bytes];
  int produced = 0;
  if (!derive_key(ssl, &o->secret, &o->identity, key)) return false;
  opener->is_own = o->cipher == 0 && gcm_usable();
  if (opener->is_own) {
    gcm_begin(&opener->gcm, key, nonce, o->identity.data, o->identity.length);
    return true;
  }
  EVP_CIPHER_CTX *ctx = opener->ctx = ssl->ctx_new();
  return ctx && ssl->decrypt_init(ctx, get_cipher(ssl, o->cipher), NULL, NULL, NULL) &&
         ssl->ctx_ctrl(ctx, ctrl_set_iv_length, nonce_bytes, NULL) && ssl->decrypt_init(ctx, NULL, NULL, key, nonce) &&
         ssl->decrypt_update(ctx, NULL, &produced, o->identity.data, (int)o->identity.length);
}

static bool go_on(opener_t *opener, uint8_t *out, const uint8_t *in, size_t length) {
  int produced = 0;
  if (!opener->is_own) return opener->ssl->decrypt_update(opener->ctx, out, &produced, in, (int)length) && (size_t)produced == length;
  gcm_decrypt(&opener->gcm, out, in, length);
  return true;
}

static bool tag_fits(opener_t *opener, uint8_t tag[tag_bytes], uint8_t *end) {
  uint8_t computed[tag_bytes], difference = 0;
  int tail = 0;
  if (!opener->is_own) return opener->ssl->decrypt_final(opener->ctx, end, &tail);
  gcm_end(&opener->gcm, computed);
  for (int i = 0; i < tag_bytes; i++) difference |= computed[i] ^ tag[i];
  return difference == 0;
}

/* Compares the tag; what was decrypted before must not be looked at when it does not match. */
static void end_open(opener_t *opener, job_t *job, uint8_t *end, uint8_t tag[tag_bytes]) {
  if (!opener->is_own && !opener->ssl->ctx_ctrl(opener->ctx, ctrl_set_tag, tag_bytes, tag)) {
    job->failure = cannot_decrypt;
  } else if (!tag_fits(opener, tag, end)) {
    job->failure = "the content does not decrypt";
    job->failure_code = "TAG_MISMATCH";
  }
}

static void free_opener(opener_t *opener) {
  if (opener->ctx) opener->ssl->ctx_free(opener->ctx);
}

static void run_open(job_t *job) {
  open_job_t *o = (open_job_t *)job;
  opener_t opener = {.ssl = openssl_functions()};
  const size_t body = o->sealed_bytes - overhead_bytes;
  uint8_t tag[tag_bytes];
  memcpy(tag, o->sealed + nonce_bytes + body, tag_bytes);
  if (begin_open(&opener, o, o->sealed) && go_on(&opener, o->out, o->sealed + nonce_bytes, body))
    end_open(&opener, job, o->out + body, tag);
  else
    job->failure = cannot_decrypt;
  free_opener(&opener);
}

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
  open_job_t *o = (open_job_t *)job;
  opener_t opener = {.ssl = openssl_functions()};
  uint8_t *piece = malloc(file_piece_bytes), *out = o->out;
  uint8_t nonce[nonce_bytes], tag[tag_bytes];
  uint64_t at = o->offset + nonce_bytes;
  size_t left = o->sealed_bytes - overhead_bytes;
  bool good = piece && read_exactly(job, o->fd, nonce, nonce_bytes, o->offset) && begin_open(&opener, o, nonce);
  while (good && left > 0) {
    const size_t now = left < file_piece_bytes ? left : file_piece_bytes;
    good = read_exactly(job, o->fd, piece, now, at) && go_on(&opener, out, piece, now);
    at += now;
    left -= now;
    out += now;
  }
  good = good && read_exactly(job, o->fd, tag, tag_bytes, at);
  if (good)
    end_open(&opener, job, out, tag);
  else if (!job->failure)
    job->failure = cannot_decrypt;
  free(piece);
  free_opener(&opener);
}

static napi_value finish_open(napi_env env, job_t *job) {
  napi_value keep, result;
  if (napi_get_reference_value(env, job->keep, &keep) != napi_ok || napi_get_element(env, keep, 0, &result) != napi_ok) return NULL;
  return result;
}

static void release_open(job_t *job) { free(job); }

/* Queues `model` once it has memory for the plain bytes: `into`, or a new Buffer when that is absent. `inputs` are kept alive. */
static napi_value start_open(napi_env env, const open_job_t *model, napi_value into, const napi_value *inputs, uint32_t input_count) {
  const size_t plain_bytes = model->sealed_bytes - overhead_bytes;
  napi_valuetype type = napi_undefined;
  napi_value keep, result = into;
  bytes_t room;
  void *out;
  if (into) napi_typeof(env, into, &type);
  if (type != napi_undefined) {
    if (!get_bytes(env, into, "memory", &room)) return NULL;
    if (room.length != plain_bytes) {
      napi_throw_range_error(env, NULL, "the memory is not as long as the plain bytes");
      return NULL;
    }
    out = room.data;
  } else if (napi_create_buffer(env, plain_bytes, &out, &result) != napi_ok) {
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  open_job_t *job = malloc(sizeof *job);
  bool good = job && napi_create_array_with_length(env, input_count + 1, &keep) == napi_ok && napi_set_element(env, keep, 0, result) == napi_ok;
  for (uint32_t i = 0; good && i < input_count; i++) good = napi_set_element(env, keep, i + 1, inputs[i]) == napi_ok;
  if (!good) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  *job = *model;
  job->out = out;
  job->job.finish = finish_open;
  job->job.release = release_open;
  return start_job(env, &job->job, keep, "kura:open");
}

/* open(cipher, secret, sealed, identity, into?): Promise<Buffer> */
static napi_value open_one(napi_env env, napi_callback_info info) {
  size_t argc = 5;
  napi_value argv[5];
  bytes_t sealed;
  open_job_t job = {.job.run = run_open};
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 4 || napi_get_value_uint32(env, argv[0], &job.cipher) != napi_ok ||
      job.cipher > 1) {
    napi_throw_type_error(env, NULL, "open takes a cipher, a secret, sealed bytes and an identity");
    return NULL;
  }
  if (!get_bytes(env, argv[1], "secret", &job.secret) || !get_bytes(env, argv[2], "sealed", &sealed) || !get_bytes(env, argv[3], "identity", &job.identity))
    return NULL;
  if (sealed.length < overhead_bytes || sealed.length > max_sealed_bytes || job.identity.length > max_identity_bytes) {
    napi_throw_range_error(env, NULL, "the sealed bytes are too short or too long, or the identity is too long");
    return NULL;
  }
  job.sealed = sealed.data;
  job.sealed_bytes = sealed.length;
  return start_open(env, &job, argc > 4 ? argv[4] : NULL, argv + 1, 3);
}

/* openFile(cipher, secret, fd, offset, length, identity, into?): Promise<Buffer>. The descriptor stays open until then: the caller's duty. */
static napi_value open_file(napi_env env, napi_callback_info info) {
  size_t argc = 7;
  napi_value argv[7];
  int64_t offset, length;
  open_job_t job = {.job.run = run_open_file};
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 6 || napi_get_value_uint32(env, argv[0], &job.cipher) != napi_ok ||
      job.cipher > 1 || napi_get_value_int32(env, argv[2], &job.fd) != napi_ok || napi_get_value_int64(env, argv[3], &offset) != napi_ok ||
      napi_get_value_int64(env, argv[4], &length) != napi_ok || offset < 0 || length < overhead_bytes || length > max_sealed_bytes) {
    napi_throw_type_error(env, NULL, "openFile takes a cipher, a secret, a descriptor, an offset, a length and an identity");
    return NULL;
  }
  if (!get_bytes(env, argv[1], "secret", &job.secret) || !get_bytes(env, argv[5], "identity", &job.identity)) return NULL;
  if (job.identity.length > max_identity_bytes) {
    napi_throw_range_error(env, NULL, "the identity is too long");
    return NULL;
  }
  job.offset = (uint64_t)offset;
  job.sealed_bytes = (size_t)length;
  const napi_value inputs[] = {argv[1], argv[5]};
  return start_open(env, &job, argc > 6 ? argv[6] : NULL, inputs, 2);
}

typedef struct {
  job_t job;
  uint32_t cipher;
  bytes_t secret, whole, identities, out, states;
  ranges_t ranges;
} open_many_job_t;

/* What does not decrypt gets the state 0, the rest 1; plain bytes lie one after another either way. */
static void run_open_many(job_t *job) {
  open_many_job_t *m = (open_many_job_t *)job;
  uint8_t *out = m->out.data, tag[tag_bytes];
  for (size_t i = 0; i < m->ranges.count; i++) {
    const uint8_t *sealed = m->whole.data + m->ranges.data[2 * i];
    const size_t body = m->ranges.data[2 * i + 1] - overhead_bytes;
    open_job_t one = {.cipher = m->cipher, .secret = m->secret, .identity = {m->identities.data + i * identity_bytes, identity_bytes}};
    opener_t opener = {.ssl = openssl_functions()};
    memcpy(tag, sealed + nonce_bytes + body, tag_bytes);
    bool good = begin_open(&opener, &one, sealed) && go_on(&opener, out, sealed + nonce_bytes, body);
    if (good) end_open(&opener, &one.job, out + body, tag);
    m->states.data[i] = good && !one.job.failure;
    free_opener(&opener);
    out += body;
  }
}

static napi_value finish_open_many(napi_env env, job_t *job) {
  (void)job;
  napi_value undefined;
  return napi_get_undefined(env, &undefined) == napi_ok ? undefined : NULL;
}

/* openRanges(cipher, secret, whole, ranges, identities, out, states): Promise. Identities of 16 bytes and results lie one after another. */
static napi_value open_ranges(napi_env env, napi_callback_info info) {
  size_t argc = 7, needed = 0;
  napi_value argv[7], keep;
  open_many_job_t model = {.job = {.run = run_open_many, .finish = finish_open_many, .release = release_open}};
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 7 || napi_get_value_uint32(env, argv[0], &model.cipher) != napi_ok ||
      model.cipher > 1) {
    napi_throw_type_error(env, NULL, "openRanges takes a cipher, a secret, bytes, ranges, identities, an output and states");
    return NULL;
  }
  if (!get_bytes(env, argv[1], "secret", &model.secret) || !get_bytes(env, argv[2], "sealed", &model.whole) ||
      !get_ranges(env, argv[3], &model.whole, &model.ranges) || !get_bytes(env, argv[4], "identities", &model.identities) ||
      !get_bytes(env, argv[5], "output", &model.out) || !get_bytes(env, argv[6], "states", &model.states))
    return NULL;
  bool fits = model.identities.length / identity_bytes >= model.ranges.count && model.states.length >= model.ranges.count;
  for (size_t i = 0; fits && i < model.ranges.count; i++) {
    const uint32_t length = model.ranges.data[2 * i + 1];
    fits = length >= overhead_bytes && length <= max_sealed_bytes;
    needed += length - (size_t)overhead_bytes;
  }
  if (!fits || needed > model.out.length) {
    napi_throw_range_error(env, NULL, "the output, the states or the identities are too short, or sealed bytes have no valid length");
    return NULL;
  }
  open_many_job_t *job = malloc(sizeof *job);
  bool good = job && napi_create_array_with_length(env, 6, &keep) == napi_ok;
  for (uint32_t i = 0; good && i < 6; i++) good = napi_set_element(env, keep, i, argv[i + 1]) == napi_ok;
  if (!good) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  *job = model;
  return start_job(env, &job->job, keep, "kura:open");
}

bool register_open(napi_env env, napi_value exports) {
  if (!openssl_functions()) return true;
  return export_function(env, exports, "open", open_one) && export_function(env, exports, "openFile", open_file) &&
         export_function(env, exports, "openRanges", open_ranges);
}
