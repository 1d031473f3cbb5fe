/* Reads the entries of a directory object without decoding it (spec 03, 5.1), as long as it has the form that all writers agree on. */
#ifndef KURA_STORED_ENTRIES_H
#define KURA_STORED_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

typedef struct {
  const uint8_t *data;
  size_t length;
  size_t at;
  size_t folders_end; /* behind the last entry that is a directory */
  size_t summary_at;  /* where the value of "summary" begins */
  const uint8_t *last_name;
  size_t last_name_length;
  bool saw_leaf;
  bool is_usual; /* known when all entries have been read */
} stored_entries_t;

typedef struct {
  const uint8_t *data;
  size_t start, end; /* bounds of the JSON object */
  const uint8_t *name;
  size_t name_length;
} stored_entry_t;

/* Bounds of an entry that is the same file, and where its object ID begins; all 0 when it is not. */
typedef struct {
  uint32_t start, object, end;
} stored_match_t;

/* False when the object does not begin as it should, or has no entries. */
bool begin_stored(stored_entries_t *s, const uint8_t *data, size_t length);

/* The next entry that is no directory; false at the end, and when something is unusual. */
bool next_stored(stored_entries_t *s, stored_entry_t *entry);

/* Order of a name against that of an entry, by bytes. */
int strcmp_stored(const char *name, const stored_entry_t *entry);

/* Compares the entry with what would be written for a file or link with these attributes. */
void match_stored(const stored_entry_t *entry, const char *name, size_t name_length, const struct stat *stats, stored_match_t *match);

#endif
