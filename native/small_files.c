/* Reads hundreds of small files in one job. */
#define _GNU_SOURCE
#include "kura.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { needs_care = -1 };

typedef struct {
  job_t job;
  bytes_t paths;
  const uint32_t *rooms;
  bytes_t slab;
  int32_t *lengths;
  size_t count;
} read_job_t;

/* Fills `into` from the file; the number of bytes when the file ends exactly one byte before `room`, else needs_care. */
static int32_t read_small(const char *path, uint8_t *into, size_t room) {
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return needs_care;
  size_t have = 0;
  for (;;) {
    ssize_t got = read(fd, into + have, room - have);
    if (got < 0 && errno == EINTR) continue;
    if (got > 0) have += (size_t)got;
    /* A short read proves the end of the file only where it was expected: network and kernel file systems give less than they have. */
    if (got <= 0 || have == room || have == room - 1) {
      close(fd);
      return got >= 0 && have == room - 1 ? (int32_t)have : needs_care;
    }
  }
}

static void run_read(job_t *job) {
  read_job_t *r = (read_job_t *)job;
  const char *path = (const char *)r->paths.data, *paths_end = path + r->paths.length;
  size_t at = 0;
  for (size_t i = 0; i < r->count; i++) {
    size_t room = r->rooms[i];
    const char *end = path < paths_end ? memchr(path, 0, (size_t)(paths_end - path)) : NULL;
    if (!end || room == 0 || room > r->slab.length - at) {
      job->failure = "there are fewer paths, or less memory, than files";
      return;
    }
    r->lengths[i] = read_small(path, r->slab.data + at, room);
    at += room;
    path = end + 1;
  }
}

static napi_value finish_read(napi_env env, job_t *job) {
  (void)job;
  napi_value undefined;
  return napi_get_undefined(env, &undefined) == napi_ok ? undefined : NULL;
}

static void release_read(job_t *job) { free(job); }

static bool get_words(napi_env env, napi_value value, napi_typedarray_type wanted, void **data, size_t *length) {
  napi_typedarray_type type;
  bool is_typed = false;
  if (napi_is_typedarray(env, value, &is_typed) == napi_ok && is_typed &&
      napi_get_typedarray_info(env, value, &type, length, data, NULL, NULL) == napi_ok && type == wanted)
    return true;
  napi_throw_type_error(env, NULL, "rooms must be a Uint32Array, lengths an Int32Array");
  return false;
}

/* readFiles(paths, rooms, slab, lengths): Promise */
static napi_value read_files(napi_env env, napi_callback_info info) {
  size_t argc = 4, room_count = 0, length_count = 0;
  napi_value argv[4], keep;
  bytes_t paths, slab;
  void *rooms, *lengths;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 4) {
    napi_throw_type_error(env, NULL, "readFiles takes paths, rooms, memory and lengths");
    return NULL;
  }
  if (!get_bytes(env, argv[0], "paths", &paths) || !get_words(env, argv[1], napi_uint32_array, &rooms, &room_count) ||
      !get_bytes(env, argv[2], "slab", &slab) || !get_words(env, argv[3], napi_int32_array, &lengths, &length_count))
    return NULL;
  if (room_count != length_count) {
    napi_throw_range_error(env, NULL, "there must be as many lengths as rooms");
    return NULL;
  }
  read_job_t *job = calloc(1, sizeof *job);
  bool good = job && napi_create_array_with_length(env, 4, &keep) == napi_ok;
  for (uint32_t i = 0; good && i < 4; i++) good = napi_set_element(env, keep, i, argv[i]) == napi_ok;
  if (!good) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  job->paths = paths;
  job->rooms = rooms;
  job->slab = slab;
  job->lengths = lengths;
  job->count = room_count;
  job->job.run = run_read;
  job->job.finish = finish_read;
  job->job.release = release_read;
  return start_job(env, &job->job, keep, "kura:read");
}

bool register_small_files(napi_env env, napi_value exports) { return export_function(env, exports, "readFiles", read_files); }
