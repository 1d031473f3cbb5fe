/* Directory objects, as a scan of a folder reads them: a byte that says which file there is, then the object. */
#include "../../../native/stored_entries.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  const uint8_t choice = data[0];
  uint8_t *object = malloc(size); /* its own memory: what is read before it is seen as well */
  memcpy(object, data + 1, size - 1);
  struct stat stats = {.st_mode = (choice & 1 ? S_IFLNK : S_IFREG) | (choice & 2 ? 07777 : 0644), .st_size = choice & 4 ? 5 : INT64_MAX};
  stats.st_mtim.tv_sec = choice & 8 ? 1700000000 : choice & 16 ? 253402300799 : -1;
  stats.st_mtim.tv_nsec = choice & 32 ? 120000000 : 0;
  stats.st_uid = choice & 64 ? 1000 : 0;
  stored_entries_t stored;
  stored_entry_t entry;
  if (begin_stored(&stored, object, size - 1))
    while (next_stored(&stored, &entry)) {
      stored_match_t match = {0};
      char name[256];
      size_t length = entry.name_length < 255 ? entry.name_length : 255;
      memcpy(name, entry.name, length);
      name[length] = 0;
      strcmp_stored(name, &entry);
      match_stored(&entry, name, strlen(name), &stats, &match);
      if (match.end && !(match.start < match.object && match.object < match.end && match.end <= size - 1)) abort();
    }
  if (stored.is_usual && (stored.folders_end > size - 1 || stored.summary_at >= size - 1)) abort();
  free(object);
  return 0;
}
