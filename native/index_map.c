/* Index files mapped into memory, and the search in them, for JavaScript. */
#define _GNU_SOURCE
#include "kura.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/vfs.h>
#endif

#include "index_search.h"

/* Where another machine or program answers for the pages, a read may fail at any time, which would end the process. */
static bool is_local(int fd) {
#if defined(__linux__)
  static const uint32_t trusted[] = {0xef53 /* ext */,   0x58465342 /* xfs */,     0x9123683e /* btrfs */, 0x01021994 /* tmpfs */,
                                     0x2fc12fc1 /* zfs */, 0x794c7630 /* overlay */, 0xf2f52010 /* f2fs */,  0xca451a4e /* bcachefs */};
  struct statfs system;
  if (fstatfs(fd, &system) != 0) return false;
  for (size_t i = 0; i < sizeof trusted / sizeof trusted[0]; i++)
    if ((uint32_t)system.f_type == trusted[i]) return true;
  return false;
#else
  (void)fd;
  return false;
#endif
}

/* Mappings that exist, so that nothing else is ever told to be forgotten. The main thread of each environment alone asks, but there may be
 * several of them. */
typedef struct mapping {
  struct mapping *next;
  void *address;
  size_t length;
} mapping_t;
static mapping_t *mappings;
static int mappings_lock;

static void lock(void) {
  while (__atomic_exchange_n(&mappings_lock, 1, __ATOMIC_ACQUIRE)) {
  }
}
static void unlock(void) { __atomic_store_n(&mappings_lock, 0, __ATOMIC_RELEASE); }

static void unmap(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  mapping_t *found = NULL;
  lock();
  for (mapping_t **at = &mappings; *at; at = &(*at)->next)
    if ((*at)->address == data) {
      found = *at;
      *at = found->next;
      break;
    }
  unlock();
  if (!found) return;
  munmap(found->address, found->length);
  free(found);
}

/* mapFile(path, minBytes): ArrayBuffer | undefined */
static napi_value map_file(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value argv[2], result = NULL;
  bytes_t path;
  char name[4097];
  uint32_t min_bytes;
  struct stat stats;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 2 || napi_get_value_uint32(env, argv[1], &min_bytes) != napi_ok) {
    napi_throw_type_error(env, NULL, "mapFile takes a path and a number of bytes");
    return NULL;
  }
  if (!get_bytes(env, argv[0], "path", &path)) return NULL;
  if (path.length == 0 || path.length >= sizeof name || memchr(path.data, 0, path.length)) {
    napi_throw_range_error(env, NULL, "the path is empty, too long, or has a zero byte in it");
    return NULL;
  }
  memcpy(name, path.data, path.length);
  name[path.length] = 0;
  int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return NULL;
  void *address = MAP_FAILED;
  mapping_t *mapping = NULL;
  if (fstat(fd, &stats) == 0 && S_ISREG(stats.st_mode) && stats.st_size > 0 && stats.st_size >= (off_t)min_bytes && stats.st_size <= INT32_MAX && is_local(fd) &&
      (mapping = malloc(sizeof *mapping))) {
    /* Private and writable: a stray write of JavaScript changes a page of this process alone, and ends nothing. */
    address = mmap(NULL, (size_t)stats.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  }
  close(fd);
  if (address == MAP_FAILED) {
    free(mapping);
    return NULL;
  }
  lock();
  *mapping = (mapping_t){mappings, address, (size_t)stats.st_size};
  mappings = mapping;
  unlock();
  if (napi_create_external_arraybuffer(env, address, (size_t)stats.st_size, unmap, NULL, &result) != napi_ok) {
    unmap(env, address, NULL);
    return NULL;
  }
  return result;
}

/* forgetPages(bytes): boolean. What is touched again is read again from the file. */
static napi_value forget_pages(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1], result;
  bytes_t bytes;
  bool is_mapped = false;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || !get_bytes(env, argv[0], "bytes", &bytes)) return NULL;
  lock();
  for (mapping_t *at = mappings; at; at = at->next)
    if (at->address == (void *)bytes.data && at->length == bytes.length) is_mapped = madvise(at->address, at->length, MADV_DONTNEED) == 0;
  unlock();
  return napi_get_boolean(env, is_mapped, &result) == napi_ok ? result : NULL;
}

static bool get_array(napi_env env, napi_value value, napi_typedarray_type wanted, void **data, size_t *length) {
  napi_typedarray_type type;
  bool is_typed = false;
  if (napi_is_typedarray(env, value, &is_typed) == napi_ok && is_typed &&
      napi_get_typedarray_info(env, value, &type, length, data, NULL, NULL) == napi_ok && type == wanted)
    return true;
  napi_throw_type_error(env, NULL, "an array is of another type than it should be");
  return false;
}

/* Rows of an index file: argv[0] the file, then start, stride, count, bytes of a key. */
static bool get_rows(napi_env env, const napi_value *argv, index_rows_t *rows) {
  bytes_t file;
  uint32_t numbers[4];
  if (!get_bytes(env, argv[0], "index file", &file)) return false;
  for (int i = 0; i < 4; i++)
    if (napi_get_value_uint32(env, argv[1 + i], &numbers[i]) != napi_ok) {
      napi_throw_type_error(env, NULL, "an index file is described by its bytes and four numbers");
      return false;
    }
  if (index_rows_init(rows, file.data, file.length, numbers[0], numbers[1], numbers[2], numbers[3])) return true;
  napi_throw_range_error(env, NULL, "the rows lie outside of the index file");
  return false;
}

/* findRows(file, start, stride, count, keyBytes, keys, rows) */
static napi_value find_rows(napi_env env, napi_callback_info info) {
  size_t argc = 7, found_length = 0;
  napi_value argv[7];
  index_rows_t rows;
  bytes_t keys;
  void *found;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 7) {
    napi_throw_type_error(env, NULL, "findRows takes an index file with its shape, keys and an output");
    return NULL;
  }
  if (!get_rows(env, argv, &rows) || !get_bytes(env, argv[5], "keys", &keys) || !get_array(env, argv[6], napi_int32_array, &found, &found_length)) return NULL;
  if (keys.length / rows.key_bytes > found_length)
    napi_throw_range_error(env, NULL, "the output is too short");
  else
    index_find_many(&rows, keys.data, keys.length / rows.key_bytes, found);
  return NULL;
}

/* fillTable(file, start, stride, count, keyBytes, files, marks, number): rows that were added */
static napi_value fill_table(napi_env env, napi_callback_info info) {
  size_t argc = 8, slots = 0;
  napi_value argv[8], result;
  index_rows_t rows;
  bytes_t marks;
  void *files;
  uint32_t number;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || argc < 8 || napi_get_value_uint32(env, argv[7], &number) != napi_ok) {
    napi_throw_type_error(env, NULL, "fillTable takes an index file with its shape, a table and a number");
    return NULL;
  }
  if (!get_rows(env, argv, &rows) || !get_array(env, argv[5], napi_uint16_array, &files, &slots) || !get_bytes(env, argv[6], "marks", &marks)) return NULL;
  if (rows.key_bytes < 9 || number == 0 || number > UINT16_MAX || slots == 0 || slots > (1u << 30) || (slots & (slots - 1)) || marks.length < slots ||
      rows.count > slots - slots / 4) {
    napi_throw_range_error(env, NULL, "the table, the number or the keys are not of a fitting size");
    return NULL;
  }
  uint32_t added = index_fill_table(&rows, files, marks.data, (uint32_t)slots - 1, (uint16_t)number);
  return napi_create_uint32(env, added, &result) == napi_ok ? result : NULL;
}

bool register_index_map(napi_env env, napi_value exports) {
  return export_function(env, exports, "mapFile", map_file) && export_function(env, exports, "forgetPages", forget_pages) &&
         export_function(env, exports, "findRows", find_rows) && export_function(env, exports, "fillTable", fill_table);
}
