/* Zstandard by the system's libzstd.so.1, found at load time. */
#include "kura.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const void *src;
  size_t size, pos;
} in_buffer_t;
typedef struct {
  void *dst;
  size_t size, pos;
} out_buffer_t;
typedef struct context context_t;

enum { parameter_level = 100, parameter_checksum = 201, parameter_window_log_max = 100, window_log_max = 29 };

static struct {
  size_t (*bound)(size_t);
  unsigned (*is_error)(size_t);
  context_t *(*new_compressor)(void);
  size_t (*free_compressor)(context_t *);
  size_t (*set_compressor)(context_t *, int, int);
  size_t (*compress)(context_t *, void *, size_t, const void *, size_t);
  context_t *(*new_expander)(void);
  size_t (*free_expander)(context_t *);
  size_t (*set_expander)(context_t *, int, int);
  size_t (*expand)(context_t *, out_buffer_t *, in_buffer_t *);
  size_t (*expand_whole)(context_t *, void *, size_t, const void *, size_t);
  unsigned long long (*content_size)(const void *, size_t);
  size_t (*frame_size)(const void *, size_t);
} zstd;

typedef struct {
  job_t job;
  bytes_t input;
  int level;
  size_t max_bytes;
  uint8_t *output; /* when it is there before the job runs, it has output_bytes */
  size_t output_bytes;
} zstd_job_t;

static void run_compress(job_t *job) {
  zstd_job_t *z = (zstd_job_t *)job;
  const size_t bound = z->output_bytes;
  context_t *context = zstd.new_compressor();
  size_t written = 0;
  if (!context || !z->output)
    job->failure = "out of memory";
  else if (zstd.is_error(zstd.set_compressor(context, parameter_level, z->level)) || zstd.is_error(zstd.set_compressor(context, parameter_checksum, 1)) ||
           zstd.is_error(written = zstd.compress(context, z->output, bound, z->input.data, z->input.length)))
    job->failure = "zstd could not compress";
  z->output_bytes = written;
  if (context) zstd.free_compressor(context);
}

static bool grow(zstd_job_t *z, size_t *capacity) {
  size_t wanted = *capacity * 2 < z->max_bytes + 1 ? *capacity * 2 : z->max_bytes + 1;
  uint8_t *larger = wanted > *capacity ? realloc(z->output, wanted) : NULL;
  if (!larger) return false;
  z->output = larger;
  *capacity = wanted;
  return true;
}

/* The length that one frame promises, when it is all there is and the length is allowed; else 0. */
static size_t promised_length(const zstd_job_t *z) {
  const unsigned long long promised = zstd.content_size(z->input.data, z->input.length);
  if (promised == 0 || promised > z->max_bytes) return 0; /* unknown and damaged are beyond any number */
  return zstd.frame_size(z->input.data, z->input.length) == z->input.length ? (size_t)promised : 0;
}

/* Straight into memory of the right size, without the window that a stream is copied through. False when it has to be done the other way. */
static bool expand_whole(zstd_job_t *z, context_t *context) {
  if (!z->output) return false;
  if (zstd.expand_whole(context, z->output, z->output_bytes, z->input.data, z->input.length) == z->output_bytes) return true;
  free(z->output);
  z->output = NULL;
  return false;
}

/* Memory from the thread that gives it back as well is used again; from the pool's threads it would be new each time, a fault for each page. */
static void prepare_expand(zstd_job_t *z) {
  z->output_bytes = promised_length(z);
  if (z->output_bytes > 0) z->output = malloc(z->output_bytes);
}

static void prepare_compress(zstd_job_t *z) {
  z->output_bytes = zstd.bound(z->input.length);
  z->output = malloc(z->output_bytes);
}

static void run_expand(job_t *job) {
  zstd_job_t *z = (zstd_job_t *)job;
  size_t capacity = z->input.length * 4 + 1024 < z->max_bytes + 1 ? z->input.length * 4 + 1024 : z->max_bytes + 1;
  context_t *context = zstd.new_expander();
  if (context && expand_whole(z, context)) {
    zstd.free_expander(context);
    return;
  }
  if (context) z->output = malloc(capacity);
  if (!context || !z->output) {
    job->failure = "out of memory";
  } else {
    zstd.set_expander(context, parameter_window_log_max, window_log_max);
    in_buffer_t in = {z->input.data, z->input.length, 0};
    out_buffer_t out = {z->output, capacity, 0};
    size_t pending = 0;
    while (!job->failure && (in.pos < in.size || (pending > 0 && out.pos == out.size))) {
      if (out.pos == out.size && !grow(z, &capacity)) {
        job->failure = "it expands to more than is allowed";
        break;
      }
      out.dst = z->output;
      out.size = capacity;
      size_t before = in.pos + out.pos;
      pending = zstd.expand(context, &out, &in);
      if (zstd.is_error(pending)) job->failure = "the zstd stream is damaged";
      else if (in.pos + out.pos == before && out.pos < out.size) job->failure = "the zstd stream is cut short";
    }
    if (!job->failure && pending != 0) job->failure = "the zstd stream is cut short";
    if (!job->failure && out.pos > z->max_bytes) job->failure = "it expands to more than is allowed";
    z->output_bytes = out.pos;
  }
  if (context) zstd.free_expander(context);
}

static napi_value finish_zstd(napi_env env, job_t *job) {
  zstd_job_t *z = (zstd_job_t *)job;
  return give_buffer(env, &z->output, z->output_bytes);
}

static void release_zstd(job_t *job) {
  free(((zstd_job_t *)job)->output);
  free(job);
}

static napi_value start_zstd(napi_env env, napi_callback_info info, void (*prepare)(zstd_job_t *), void (*run)(job_t *), const char *name) {
  size_t argc = 2;
  napi_value argv[2];
  int64_t number;
  bytes_t input;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 2 || napi_get_value_int64(env, argv[1], &number) != napi_ok || number < 0 ||
      number > (int64_t)1 << 32) {
    napi_throw_type_error(env, NULL, "zstd takes bytes and a number");
    return NULL;
  }
  if (!get_bytes(env, argv[0], "data", &input)) return NULL;
  zstd_job_t *job = calloc(1, sizeof *job);
  if (!job) {
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  job->input = input;
  job->level = (int)number;
  job->max_bytes = (size_t)number;
  prepare(job);
  job->job.run = run;
  job->job.finish = finish_zstd;
  job->job.release = release_zstd;
  return start_job(env, &job->job, argv[0], name);
}

static napi_value compress(napi_env env, napi_callback_info info) { return start_zstd(env, info, prepare_compress, run_compress, "kura:zstd"); }
static napi_value expand(napi_env env, napi_callback_info info) { return start_zstd(env, info, prepare_expand, run_expand, "kura:unzstd"); }

static bool look_up(void *library, void *slot, const char *name) {
  void *symbol = dlsym(library, name);
  memcpy(slot, &symbol, sizeof symbol);
  return symbol != NULL;
}

static bool load_library(void) {
  void *library = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
  return library && look_up(library, &zstd.bound, "ZSTD_compressBound") && look_up(library, &zstd.is_error, "ZSTD_isError") &&
         look_up(library, &zstd.new_compressor, "ZSTD_createCCtx") && look_up(library, &zstd.free_compressor, "ZSTD_freeCCtx") &&
         look_up(library, &zstd.set_compressor, "ZSTD_CCtx_setParameter") && look_up(library, &zstd.compress, "ZSTD_compress2") &&
         look_up(library, &zstd.new_expander, "ZSTD_createDCtx") && look_up(library, &zstd.free_expander, "ZSTD_freeDCtx") &&
         look_up(library, &zstd.set_expander, "ZSTD_DCtx_setParameter") && look_up(library, &zstd.expand, "ZSTD_decompressStream") &&
         look_up(library, &zstd.expand_whole, "ZSTD_decompressDCtx") && look_up(library, &zstd.content_size, "ZSTD_getFrameContentSize") &&
         look_up(library, &zstd.frame_size, "ZSTD_findFrameCompressedSize");
}

bool register_zstd(napi_env env, napi_value exports) {
  if (!load_library()) return true;
  napi_value object;
  return napi_create_object(env, &object) == napi_ok && export_function(env, object, "compress", compress) && export_function(env, object, "expand", expand) &&
         napi_set_named_property(env, exports, "zstd", object) == napi_ok;
}
