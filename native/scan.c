/* One job for a whole directory: names, attributes, and which entries stand unchanged in the directory object of an earlier snapshot. */
#define _GNU_SOURCE
#include "kura.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "stored_entries.h"

enum { max_path_bytes = 4096, max_name_bytes = 255, header_words = 8, arrays_of_8 = 4, arrays_of_4 = 10, has_attributes = 1 };

typedef struct {
  size_t name_at;
  uint32_t name_length;
  uint32_t flags;
  int error;
  struct stat stats;
  stored_match_t match;
} row_t;

typedef struct {
  job_t job;
  bytes_t previous;
  int error;
  char *names;
  size_t names_length, names_room;
  row_t *rows;
  size_t count, rows_room;
  stored_entries_t stored;
  uint8_t *block;
  size_t block_length;
  size_t path_length;
  char path[max_path_bytes + max_name_bytes + 3];
} scan_job_t;

static bool add_name(scan_job_t *s, const struct dirent *entry) {
  size_t length = strlen(entry->d_name);
  if (s->count == s->rows_room) {
    size_t room = s->rows_room ? 2 * s->rows_room : 128;
    row_t *rows = realloc(s->rows, room * sizeof *rows);
    if (!rows) return false;
    s->rows = rows;
    s->rows_room = room;
  }
  if (s->names_room - s->names_length < length + 1) {
    size_t room = 2 * s->names_room + length + 4096;
    char *names = realloc(s->names, room);
    if (!names) return false;
    s->names = names;
    s->names_room = room;
  }
  row_t *row = &s->rows[s->count++];
  memset(row, 0, sizeof *row);
  row->name_at = s->names_length;
  row->name_length = (uint32_t)length;
  row->stats.st_mode = DTTOIF(entry->d_type);
  memcpy(s->names + s->names_length, entry->d_name, length + 1);
  s->names_length += length + 1;
  return true;
}

static int compare_rows(const void *a, const void *b, void *names) {
  return strcmp((char *)names + ((const row_t *)a)->name_at, (char *)names + ((const row_t *)b)->name_at);
}

static bool list_names(scan_job_t *s, DIR *directory) {
  for (;;) {
    errno = 0;
    struct dirent *entry = readdir(directory);
    if (!entry) break;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || strlen(entry->d_name) > max_name_bytes) continue;
    if (!add_name(s, entry)) {
      s->job.failure = "out of memory";
      return false;
    }
  }
  s->error = errno;
  return s->error == 0;
}

/* Drops what has vanished, and marks what cannot be looked at. */
static void stat_rows(scan_job_t *s, int fd) {
  bool ask_for_attributes = true;
  size_t kept = 0;
  for (size_t i = 0; i < s->count; i++) {
    row_t row = s->rows[i];
    const char *name = s->names + row.name_at;
    struct stat stats;
    if (fstatat(fd, name, &stats, AT_SYMLINK_NOFOLLOW) == 0)
      row.stats = stats;
    else if (errno == ENOENT)
      continue;
    else
      row.error = errno;
    if (ask_for_attributes && !row.error && !S_ISLNK(row.stats.st_mode)) {
      memcpy(s->path + s->path_length, name, row.name_length + 1);
      ssize_t length = llistxattr(s->path, NULL, 0);
      if (length > 0) row.flags |= has_attributes;
      if (length < 0 && errno == ENOTSUP) ask_for_attributes = false;
    }
    s->rows[kept++] = row;
  }
  s->count = kept;
}

static void match_rows(scan_job_t *s) {
  if (!begin_stored(&s->stored, s->previous.data, s->previous.length)) return;
  size_t at = 0;
  stored_entry_t entry;
  while (next_stored(&s->stored, &entry)) {
    int order = -1;
    while (at < s->count && (order = strcmp_stored(s->names + s->rows[at].name_at, &entry)) < 0) at++;
    if (at == s->count || order != 0) continue;
    row_t *row = &s->rows[at++];
    if (!row->error) match_stored(&entry, s->names + row->name_at, row->name_length, &row->stats, &row->match);
  }
  /* What was found counts only when the whole object has the one form that all writers agree on. */
  if (!s->stored.is_usual)
    for (size_t i = 0; i < s->count; i++) memset(&s->rows[i].match, 0, sizeof s->rows[i].match);
}

/* Lays the result out as JavaScript reads it: a header, arrays of 8-byte and 4-byte numbers, the names, each with '/' behind it. */
static bool lay_out(scan_job_t *s) {
  size_t n = s->count, names_length = 0;
  for (size_t i = 0; i < n; i++) names_length += s->rows[i].name_length + 1;
  s->block_length = 4 * header_words + n * (8 * arrays_of_8 + 4 * arrays_of_4) + names_length;
  if (names_length > UINT32_MAX || !(s->block = malloc(s->block_length))) return false;
  uint32_t *header = (uint32_t *)s->block;
  double *sizes = (double *)(s->block + 4 * header_words), *devices = sizes + n;
  int64_t *times = (int64_t *)(devices + n);
  uint64_t *inodes = (uint64_t *)(times + n);
  uint32_t *words = (uint32_t *)(inodes + n);
  uint8_t *name = (uint8_t *)(words + arrays_of_4 * n);
  uint32_t name_end = 0, hits = 0;
  for (size_t i = 0; i < n; i++) {
    const row_t *row = &s->rows[i];
    sizes[i] = (double)row->stats.st_size;
    devices[i] = (double)row->stats.st_dev;
    times[i] = (int64_t)((uint64_t)row->stats.st_mtim.tv_sec * 1000000000u + (uint64_t)row->stats.st_mtim.tv_nsec);
    inodes[i] = row->stats.st_ino;
    memcpy(name + name_end, s->names + row->name_at, row->name_length);
    name_end += row->name_length + 1;
    name[name_end - 1] = '/';
    const uint32_t values[arrays_of_4] = {name_end, row->stats.st_mode, row->stats.st_uid, row->stats.st_gid, (uint32_t)row->stats.st_nlink,
                                          (uint32_t)row->error, row->flags, row->match.start, row->match.object, row->match.end};
    for (size_t k = 0; k < arrays_of_4; k++) words[k * n + i] = values[k];
    if (row->match.end > 0) hits++;
  }
  const uint32_t head[header_words] = {(uint32_t)n, name_end, s->stored.is_usual, (uint32_t)s->stored.folders_end, (uint32_t)s->stored.summary_at, hits, 0, 0};
  memcpy(header, head, sizeof head);
  return true;
}

static void run_scan(job_t *job) {
  scan_job_t *s = (scan_job_t *)job;
  s->path[s->path_length] = 0;
  int fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = fd < 0 ? NULL : fdopendir(fd);
  if (!directory) {
    s->error = errno;
    if (fd >= 0) close(fd);
    return;
  }
  if (s->path[s->path_length - 1] != '/') s->path[s->path_length++] = '/';
  if (list_names(s, directory)) {
    if (s->count > 1) qsort_r(s->rows, s->count, sizeof *s->rows, compare_rows, s->names);
    stat_rows(s, fd);
    match_rows(s);
    if (!lay_out(s)) job->failure = "out of memory";
  }
  closedir(directory);
}

static napi_value finish_scan(napi_env env, job_t *job) {
  scan_job_t *s = (scan_job_t *)job;
  napi_value result = NULL;
  void *data;
  if (s->error) return napi_create_int32(env, s->error, &result) == napi_ok ? result : NULL;
  if (napi_create_arraybuffer(env, s->block_length, &data, &result) != napi_ok) return NULL;
  memcpy(data, s->block, s->block_length);
  return result;
}

static void release_scan(job_t *job) {
  scan_job_t *s = (scan_job_t *)job;
  free(s->names);
  free(s->rows);
  free(s->block);
  free(s);
}

/* scanDirectory(path, previous): Promise<ArrayBuffer | number> */
static napi_value scan_directory(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value argv[2], keep;
  bytes_t path, previous;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 2) {
    napi_throw_type_error(env, NULL, "scanDirectory takes a path and the bytes of a directory object");
    return NULL;
  }
  if (!get_bytes(env, argv[0], "path", &path) || !get_bytes(env, argv[1], "previous", &previous)) return NULL;
  if (path.length == 0 || path.length > max_path_bytes || memchr(path.data, 0, path.length) || previous.length > INT32_MAX) {
    napi_throw_range_error(env, NULL, "the path is empty, too long, or has a zero byte in it, or the directory object is too large");
    return NULL;
  }
  scan_job_t *job = calloc(1, sizeof *job);
  if (!job || napi_create_array_with_length(env, 1, &keep) != napi_ok || napi_set_element(env, keep, 0, argv[1]) != napi_ok) {
    free(job);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  memcpy(job->path, path.data, path.length);
  job->path_length = path.length;
  job->previous = previous;
  job->job.run = run_scan;
  job->job.finish = finish_scan;
  job->job.release = release_scan;
  return start_job(env, &job->job, keep, "kura:scan");
}

bool register_scan(napi_env env, napi_value exports) { return export_function(env, exports, "scanDirectory", scan_directory); }
