/* Keyed digests of one or many messages (spec 01, 1.16). */
#include "kura.h"

#include <stdlib.h>
#include <string.h>

#include "blake2.h"
#include "blake3.h"
#include "openssl.h"

typedef enum { family_blake2b, family_blake2s, family_blake3, family_hmac_sha224, family_hmac_sha256, family_hmac_sha3_224, family_hmac_sha3_256 } family_t;

typedef struct {
  const char *name;
  family_t family;
  size_t computed_bytes; /* digest length parameter of the function */
  size_t kept_bytes;     /* leading bytes that the repository keeps */
  size_t max_key_bytes;
} digest_t;

static const digest_t digests[] = {
    {"BLAKE2B-256", family_blake2b, 32, 32, 64},          {"BLAKE2B-256-128", family_blake2b, 32, 16, 64},
    {"BLAKE2S-128", family_blake2s, 16, 16, 32},          {"BLAKE2S-256", family_blake2s, 32, 32, 32},
    {"BLAKE3-256", family_blake3, 32, 32, 32},            {"BLAKE3-256-128", family_blake3, 32, 16, 32},
    {"HMAC-SHA224", family_hmac_sha224, 28, 28, 1 << 20}, {"HMAC-SHA256", family_hmac_sha256, 32, 32, 1 << 20},
    {"HMAC-SHA256-128", family_hmac_sha256, 32, 16, 1 << 20}, {"HMAC-SHA3-224", family_hmac_sha3_224, 28, 28, 1 << 20},
    {"HMAC-SHA3-256", family_hmac_sha3_256, 32, 32, 1 << 20},
};
enum { digest_count = sizeof digests / sizeof digests[0], max_digest_bytes = 64 };

static bool is_available(const digest_t *d) { return d->family <= family_blake3 || openssl_functions() != NULL; }

static bool compute(const digest_t *d, const bytes_t *key, const bytes_t *message, uint8_t *out) {
  uint8_t full[max_digest_bytes];
  const openssl_t *ssl = openssl_functions();
  unsigned produced = 0;
  switch (d->family) {
  case family_blake2b: blake2b_one(full, d->computed_bytes, key->data, key->length, message->data, message->length); break;
  case family_blake2s: blake2s_one(full, d->computed_bytes, key->data, key->length, message->data, message->length); break;
  case family_blake3: {
    const blake3_message_t one = {message->data, message->length, out};
    return blake3_many(&one, 1, d->kept_bytes, key->data);
  }
  default: {
    const EVP_MD *md = d->family == family_hmac_sha224     ? ssl->sha224()
                       : d->family == family_hmac_sha256   ? ssl->sha256()
                       : d->family == family_hmac_sha3_224 ? ssl->sha3_224()
                                                           : ssl->sha3_256();
    if (!ssl->hmac(md, key->data, (int)key->length, message->data, message->length, full, &produced)) return false;
  }
  }
  memcpy(out, full, d->kept_bytes);
  return true;
}

typedef struct {
  job_t job;
  const digest_t *digest;
  bytes_t key;
  uint8_t *out;
  size_t count;
  bytes_t messages[];
} digest_job_t;

static bool compute_in_lanes(digest_job_t *d) {
  blake2_message_t *messages = malloc((d->count ? d->count : 1) * sizeof *messages);
  if (!messages) return false;
  for (size_t i = 0; i < d->count; i++)
    messages[i] = (blake2_message_t){d->messages[i].data, d->messages[i].length, d->out + i * d->digest->kept_bytes};
  bool (*many)(const blake2_message_t *, size_t, size_t, size_t, const uint8_t *, size_t) =
      d->digest->family == family_blake2b ? blake2b_many : blake2s_many;
  bool good = many(messages, d->count, d->digest->computed_bytes, d->digest->kept_bytes, d->key.data, d->key.length);
  free(messages);
  return good;
}

static bool compute_blake3(digest_job_t *d) {
  blake3_message_t *messages = malloc((d->count ? d->count : 1) * sizeof *messages);
  if (!messages) return false;
  for (size_t i = 0; i < d->count; i++)
    messages[i] = (blake3_message_t){d->messages[i].data, d->messages[i].length, d->out + i * d->digest->kept_bytes};
  bool good = blake3_many(messages, d->count, d->digest->kept_bytes, d->key.data);
  free(messages);
  return good;
}

static void run_digests(job_t *job) {
  digest_job_t *d = (digest_job_t *)job;
  if (d->digest->family <= family_blake3) {
    if (!(d->digest->family == family_blake3 ? compute_blake3(d) : compute_in_lanes(d))) job->failure = "out of memory";
    return;
  }
  for (size_t i = 0; i < d->count; i++)
    if (!compute(d->digest, &d->key, &d->messages[i], d->out + i * d->digest->kept_bytes)) {
      job->failure = "the digest could not be computed";
      return;
    }
}

static napi_value finish_digests(napi_env env, job_t *job) {
  (void)job;
  napi_value undefined;
  napi_get_undefined(env, &undefined);
  return undefined;
}

static void release_digests(job_t *job) { free(job); }

static const digest_t *get_digest(napi_env env, napi_value value) {
  char name[32];
  size_t length;
  if (napi_get_value_string_utf8(env, value, name, sizeof name, &length) == napi_ok)
    for (size_t i = 0; i < digest_count; i++)
      if (strcmp(name, digests[i].name) == 0 && is_available(&digests[i])) return &digests[i];
  napi_throw_type_error(env, NULL, "the addon does not know this hash");
  return NULL;
}

static bool get_key(napi_env env, napi_value value, const digest_t *digest, bytes_t *key) {
  if (!get_bytes(env, value, "key", key)) return false;
  if (digest->family == family_blake3 ? key->length == digest->max_key_bytes : key->length <= digest->max_key_bytes) return true;
  napi_throw_range_error(env, NULL, "the key is of a length that this hash does not take");
  return false;
}

/* digest(algorithm, key, message, out) */
static napi_value digest_one(napi_env env, napi_callback_info info) {
  size_t argc = 4;
  napi_value argv[4];
  bytes_t key, message, out;
  const digest_t *digest;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 4) {
    napi_throw_type_error(env, NULL, "digest takes four arguments");
    return NULL;
  }
  if (!(digest = get_digest(env, argv[0])) || !get_key(env, argv[1], digest, &key) || !get_bytes(env, argv[2], "message", &message) ||
      !get_bytes(env, argv[3], "out", &out))
    return NULL;
  if (out.length < digest->kept_bytes)
    napi_throw_range_error(env, NULL, "the output is too short");
  else if (!compute(digest, &key, &message, out.data))
    napi_throw_error(env, NULL, "the digest could not be computed");
  return NULL;
}

/* digestMany(algorithm, key, messages, out): Promise */
static napi_value digest_many(napi_env env, napi_callback_info info) {
  size_t argc = 4;
  napi_value argv[4];
  uint32_t count;
  const digest_t *digest;
  bytes_t out;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 4 || napi_get_array_length(env, argv[2], &count) != napi_ok) {
    napi_throw_type_error(env, NULL, "digestMany takes a name, a key, an array of messages and an output");
    return NULL;
  }
  if (!(digest = get_digest(env, argv[0])) || !get_bytes(env, argv[3], "out", &out)) return NULL;
  if (out.length / digest->kept_bytes < count) {
    napi_throw_range_error(env, NULL, "the output is too short");
    return NULL;
  }
  digest_job_t *job = calloc(1, sizeof *job + count * sizeof job->messages[0]);
  napi_value keep;
  if (!job || napi_create_array_with_length(env, count + 2, &keep) != napi_ok) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  bool good = get_key(env, argv[1], digest, &job->key);
  for (uint32_t i = 0; good && i < count; i++) {
    napi_value message;
    good = napi_get_element(env, argv[2], i, &message) == napi_ok && get_bytes(env, message, "message", &job->messages[i]);
    if (good) good = napi_set_element(env, keep, i, message) == napi_ok;
  }
  if (!good) {
    free(job);
    return NULL;
  }
  napi_set_element(env, keep, count, argv[1]);
  napi_set_element(env, keep, count + 1, argv[3]);
  job->job.run = run_digests;
  job->job.finish = finish_digests;
  job->job.release = release_digests;
  job->digest = digest;
  job->out = out.data;
  job->count = count;
  return start_job(env, &job->job, keep, "kura:digest");
}

/* digestRanges(algorithm, key, whole, ranges, out): Promise */
static napi_value digest_ranges(napi_env env, napi_callback_info info) {
  size_t argc = 5;
  napi_value argv[5], keep;
  const digest_t *digest;
  bytes_t key, whole, out;
  ranges_t ranges;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 5) {
    napi_throw_type_error(env, NULL, "digestRanges takes a name, a key, bytes, ranges and an output");
    return NULL;
  }
  if (!(digest = get_digest(env, argv[0])) || !get_key(env, argv[1], digest, &key) || !get_bytes(env, argv[2], "message", &whole) ||
      !get_ranges(env, argv[3], &whole, &ranges) || !get_bytes(env, argv[4], "out", &out))
    return NULL;
  if (out.length / digest->kept_bytes < ranges.count) {
    napi_throw_range_error(env, NULL, "the output is too short");
    return NULL;
  }
  digest_job_t *job = calloc(1, sizeof *job + ranges.count * sizeof job->messages[0]);
  bool good = job && napi_create_array_with_length(env, 3, &keep) == napi_ok && napi_set_element(env, keep, 0, argv[1]) == napi_ok &&
              napi_set_element(env, keep, 1, argv[2]) == napi_ok && napi_set_element(env, keep, 2, argv[4]) == napi_ok;
  if (!good) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  for (size_t i = 0; i < ranges.count; i++) job->messages[i] = (bytes_t){whole.data + ranges.data[2 * i], ranges.data[2 * i + 1]};
  job->job.run = run_digests;
  job->job.finish = finish_digests;
  job->job.release = release_digests;
  job->digest = digest;
  job->key = key;
  job->out = out.data;
  job->count = ranges.count;
  return start_job(env, &job->job, keep, "kura:digest");
}

bool register_hash(napi_env env, napi_value exports) {
  napi_value names;
  uint32_t count = 0;
  if (napi_create_array(env, &names) != napi_ok) return false;
  for (size_t i = 0; i < digest_count; i++) {
    if (!is_available(&digests[i])) continue;
    napi_value name;
    napi_create_string_utf8(env, digests[i].name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, names, count++, name);
  }
  return napi_set_named_property(env, exports, "digests", names) == napi_ok && export_function(env, exports, "digest", digest_one) &&
         export_function(env, exports, "digestMany", digest_many) && export_function(env, exports, "digestRanges", digest_ranges);
}
