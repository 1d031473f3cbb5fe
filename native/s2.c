/* Streams of S2, and framed Snappy on the way back (spec 03, 3.3). */
#include "kura.h"

#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "s2_block.h"

enum { block_bytes = 1 << 20, identifier_bytes = 10, chunk_head_bytes = 4, crc_bytes = 4, s2_limit = 4 << 20, snappy_limit = 65536, sync_below_bytes = 65536 };

static const uint8_t identifier[identifier_bytes] = {0xff, 6, 0, 0, 'S', '2', 's', 'T', 'w', 'O'};

typedef struct {
  job_t job;
  bytes_t input;
  size_t max_bytes;
  uint8_t *output;
  size_t output_bytes;
} s2_job_t;

static uint32_t masked(uint32_t c) { return (c >> 15 | c << 17) + 0xa282ead8u; }

static uint32_t read_word(const uint8_t *at) {
  uint32_t word;
  memcpy(&word, at, 4);
  return word;
}

static void run_compress(job_t *job) {
  s2_job_t *s = (s2_job_t *)job;
  const size_t length = s->input.length, blocks = (length + block_bytes - 1) / block_bytes;
  int32_t *table = malloc(sizeof *table << s2_table_bits);
  s->output = malloc(identifier_bytes + blocks * (chunk_head_bytes + crc_bytes) + length + s2_block_bound(length < block_bytes ? length : block_bytes));
  if (!table || !s->output) {
    free(table);
    job->failure = "out of memory";
    return;
  }
  uint8_t *o = s->output;
  if (length > 0) o = (uint8_t *)memcpy(o, identifier, identifier_bytes) + identifier_bytes;
  for (size_t at = 0; at < length; at += block_bytes) {
    const uint8_t *block = s->input.data + at;
    const size_t plain = length - at < block_bytes ? length - at : block_bytes;
    size_t packed = s2_encode_block(block, plain, o + chunk_head_bytes + crc_bytes, table);
    const bool is_stored = packed >= plain;
    if (is_stored) memcpy(o + chunk_head_bytes + crc_bytes, block, packed = plain);
    const uint32_t head = (uint32_t)(packed + crc_bytes) << 8 | is_stored, crc = masked(crc32c_of(block, plain));
    memcpy(o, &head, 4);
    memcpy(o + chunk_head_bytes, &crc, 4);
    o += chunk_head_bytes + crc_bytes + packed;
  }
  free(table);
  s->output_bytes = (size_t)(o - s->output);
}

/* One chunk of data: checksum, then bytes as they are or a block. */
typedef struct {
  bool is_block;
  const uint8_t *start, *end;
  uint32_t crc;
  size_t plain;
} chunk_t;

/* Takes the chunk at *at and moves behind it; false at the end and when something is wrong. Chunks without data have a plain length of 0 and
 * no start. */
static bool next_chunk(s2_job_t *s, const uint8_t **at, size_t *limit, chunk_t *chunk) {
  const uint8_t *end = s->input.data + s->input.length;
  const char **failure = &s->job.failure;
  *chunk = (chunk_t){0};
  if (*at == end) return false;
  if (end - *at < chunk_head_bytes) return *failure = "it ends inside a chunk header", false;
  const uint8_t type = **at, *body = *at + chunk_head_bytes;
  const size_t size = read_word(*at) >> 8;
  if ((size_t)(end - body) < size) return *failure = "it ends inside a chunk", false;
  *at = body + size;
  if (type == 0xff) {
    *limit = size == 6 && memcmp(body, identifier + chunk_head_bytes, 6) == 0 ? s2_limit : size == 6 && memcmp(body, "sNaPpY", 6) == 0 ? snappy_limit : 0;
    if (*limit == 0) *failure = "the stream identifier is unknown";
  } else if (*limit == 0) {
    *failure = "it does not start with a stream identifier";
  } else if (type <= 1) {
    if (size < crc_bytes) return *failure = "a chunk is too short", false;
    uint64_t plain = size - crc_bytes;
    size_t skipped = 0;
    if (type == 0 && !(skipped = s2_block_length(body + crc_bytes, size - crc_bytes, &plain))) return *failure = "the length of a block is out of range", false;
    if (plain > *limit) return *failure = "a chunk is too large", false;
    *chunk = (chunk_t){type == 0, body + crc_bytes + skipped, body + size, read_word(body), (size_t)plain};
  } else if (type < 0x80) {
    *failure = "a reserved chunk type";
  }
  return !*failure;
}

/* Lengths are summed up before anything is set aside. */
static void run_expand(job_t *job) {
  s2_job_t *s = (s2_job_t *)job;
  const uint8_t *at = s->input.data;
  size_t limit = 0, total = 0;
  chunk_t chunk;
  while (next_chunk(s, &at, &limit, &chunk)) total += chunk.plain;
  if (job->failure) return;
  if (total > s->max_bytes) {
    job->failure = "it expands to more than is allowed";
    job->failure_code = "TOO_LONG";
    return;
  }
  if (!(s->output = malloc(total ? total : 1))) {
    job->failure = "out of memory";
    return;
  }
  uint8_t *o = s->output;
  at = s->input.data;
  limit = 0;
  while (!job->failure && next_chunk(s, &at, &limit, &chunk)) {
    if (!chunk.start) continue;
    if (chunk.is_block) job->failure = s2_expand_block(chunk.start, (size_t)(chunk.end - chunk.start), o, chunk.plain);
    else memcpy(o, chunk.start, chunk.plain);
    if (!job->failure && masked(crc32c_of(o, chunk.plain)) != chunk.crc) job->failure = "a checksum does not match";
    o += chunk.plain;
  }
  s->output_bytes = total;
}

static napi_value finish_s2(napi_env env, job_t *job) {
  s2_job_t *s = (s2_job_t *)job;
  return give_buffer(env, &s->output, s->output_bytes);
}

static void release_s2(job_t *job) {
  free(((s2_job_t *)job)->output);
  free(job);
}

/* Short inputs are handled at once: a trip through the thread pool costs more. */
static napi_value start_s2(napi_env env, napi_value data, const bytes_t *input, size_t max_bytes, void (*run)(job_t *), const char *name) {
  s2_job_t *s = calloc(1, sizeof *s);
  if (!s) {
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  s->input = *input;
  s->max_bytes = max_bytes;
  s->job.run = run;
  s->job.finish = finish_s2;
  s->job.release = release_s2;
  if (input->length >= sync_below_bytes) return start_job(env, &s->job, data, name);
  run(&s->job);
  napi_value result = s->job.failure ? NULL : finish_s2(env, &s->job);
  if (s->job.failure) napi_throw_error(env, s->job.failure_code, s->job.failure);
  release_s2(&s->job);
  return result;
}

/* s2Compress(data): Buffer | Promise<Buffer> */
static napi_value compress(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  bytes_t input;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || !get_bytes(env, argv[0], "data", &input)) return NULL;
  return start_s2(env, argv[0], &input, 0, run_compress, "kura:s2");
}

/* s2Expand(data, maxBytes): Buffer | Promise<Buffer> */
static napi_value expand(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value argv[2];
  bytes_t input;
  int64_t max_bytes;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 2 || napi_get_value_int64(env, argv[1], &max_bytes) != napi_ok || max_bytes < 0) {
    napi_throw_type_error(env, NULL, "s2Expand takes bytes and a number");
    return NULL;
  }
  if (!get_bytes(env, argv[0], "data", &input)) return NULL;
  return start_s2(env, argv[0], &input, (size_t)max_bytes, run_expand, "kura:uns2");
}

bool register_s2(napi_env env, napi_value exports) {
  return export_function(env, exports, "s2Compress", compress) && export_function(env, exports, "s2Expand", expand);
}
