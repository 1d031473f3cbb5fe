#include "stored_entries.h"

#include <string.h>

static const char head[] = "{\"stream\":\"kopia:directory\",\"entries\":[";
static const char name_member[] = "{\"name\":\"";
static const char folder_member[] = ",\"type\":\"d\"";
static const char summary_member[] = "],\"summary\":";
enum { head_length = sizeof head - 1, name_length = sizeof name_member - 1, folder_length = sizeof folder_member - 1, summary_length = sizeof summary_member - 1 };

static bool is_at(const stored_entries_t *s, size_t at, const char *text, size_t length) {
  return s->length - at >= length && memcmp(s->data + at, text, length) == 0;
}

/* Behind the JSON object that begins at `at`, or 0 when it does not end. */
static size_t object_end(const stored_entries_t *s, size_t at) {
  size_t depth = 0;
  for (; at < s->length; at++) {
    const uint8_t c = s->data[at];
    if (c == '"') {
      for (at++; at < s->length && s->data[at] != '"'; at++)
        if (s->data[at] == '\\') at++;
    } else if (c == '{') {
      depth++;
    } else if (c == '}') {
      if (depth <= 1) return depth == 1 ? at + 1 : 0;
      depth--;
    }
  }
  return 0;
}

bool begin_stored(stored_entries_t *s, const uint8_t *data, size_t length) {
  *s = (stored_entries_t){.data = data, .length = length};
  if (!is_at(s, 0, head, head_length)) return false;
  s->at = s->folders_end = head_length;
  return true;
}

static void end_stored(stored_entries_t *s) {
  if (!is_at(s, s->at, summary_member, summary_length)) return;
  s->summary_at = s->at + summary_length;
  if (s->summary_at >= s->length || s->data[s->summary_at] != '{') return;
  size_t end = object_end(s, s->summary_at);
  s->is_usual = end > 0 && s->length - end == 2 && s->data[end] == '}' && s->data[end + 1] == '\n';
}

/* Names must ascend, so that none stands there twice. */
static bool ascends(stored_entries_t *s, const stored_entry_t *e) {
  if (s->last_name) {
    size_t shorter = s->last_name_length < e->name_length ? s->last_name_length : e->name_length;
    int order = memcmp(s->last_name, e->name, shorter);
    if (order > 0 || (order == 0 && s->last_name_length >= e->name_length)) return false;
  }
  s->last_name = e->name;
  s->last_name_length = e->name_length;
  return true;
}

bool next_stored(stored_entries_t *s, stored_entry_t *e) {
  for (;;) {
    if (s->at > head_length) {
      if (s->at >= s->length) return false;
      if (s->data[s->at] != ',') {
        end_stored(s);
        return false;
      }
      s->at++;
    }
    if (!is_at(s, s->at, name_member, name_length)) return false;
    *e = (stored_entry_t){.data = s->data, .start = s->at, .name = s->data + s->at + name_length};
    const uint8_t *quote = memchr(e->name, '"', s->length - s->at - name_length);
    if (!quote) return false;
    e->name_length = (size_t)(quote - e->name);
    size_t behind = s->at + name_length + e->name_length + 1;
    bool is_folder = is_at(s, behind, folder_member, folder_length);
    /* An escape in a name hides its order. */
    if (memchr(e->name, '\\', e->name_length) || !(e->end = object_end(s, s->at))) return false;
    s->at = e->end;
    if (is_folder) {
      if (s->saw_leaf) return false;
      s->folders_end = e->end;
      continue;
    }
    s->saw_leaf = true;
    return ascends(s, e);
  }
}

int strcmp_stored(const char *name, const stored_entry_t *e) {
  size_t length = strlen(name), shorter = length < e->name_length ? length : e->name_length;
  int order = memcmp(name, e->name, shorter);
  return order != 0 ? order : length < e->name_length ? -1 : length > e->name_length;
}

/* Year, month and day of days since 1970 (proleptic Gregorian). */
static void civil_date(int64_t days, unsigned *year, unsigned *month, unsigned *day) {
  unsigned z = (unsigned)(days + 719468), era = z / 146097, of_era = z - era * 146097;
  unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100), m = (5 * of_year + 2) / 153;
  *day = of_year - (153 * m + 2) / 5 + 1;
  *month = m < 10 ? m + 3 : m - 9;
  *year = year_of_era + era * 400 + (*month <= 2);
}

/* Text is put together by hand: printf would take longer than all else that is done for an entry. Each returns where it ended. */
static char *put_text(char *out, const char *text) {
  while (*text) *out++ = *text++;
  return out;
}

/* As many digits as asked for. */
static char *put_digits(char *out, uint32_t value, int count) {
  for (int i = count; i-- > 0; value /= 10) out[i] = (char)('0' + value % 10);
  return out + count;
}

static char *put_number(char *out, uint64_t value, unsigned base) {
  char digits[24];
  int count = 0;
  do digits[count++] = (char)('0' + value % base);
  while ((value /= base) != 0);
  while (count > 0) *out++ = digits[--count];
  return out;
}

/* `,"mtime":"…"` as Go writes it; NULL for times that are left to the careful way. */
static char *put_time(char *out, int64_t seconds, long nanoseconds) {
  if (seconds < 0 || seconds > 253402300799) return NULL;
  unsigned year, month, day, of_day = (unsigned)(seconds % 86400);
  civil_date(seconds / 86400, &year, &month, &day);
  out = put_digits(put_text(out, ",\"mtime\":\""), year, 4);
  out = put_digits(put_text(out, "-"), month, 2);
  out = put_digits(put_text(out, "-"), day, 2);
  out = put_digits(put_text(out, "T"), of_day / 3600, 2);
  out = put_digits(put_text(out, ":"), of_day / 60 % 60, 2);
  out = put_digits(put_text(out, ":"), of_day % 60, 2);
  if (nanoseconds > 0) {
    *out++ = '.';
    out = put_digits(out, (uint32_t)nanoseconds, 9);
    while (out[-1] == '0') out--;
  }
  return put_text(out, "Z\"");
}

enum { attributes_room = 256 };

/* What stands before the object ID of an entry with these attributes; 0 when it is not usual (spec 03, 5.1). */
static size_t put_attributes(char out[attributes_room], const struct stat *stats) {
  unsigned mode = stats->st_mode & 07777;
  unsigned go_mode = (mode & 0777) | (mode & 04000 ? 0x800000u : 0) | (mode & 02000 ? 0x400000u : 0) | (mode & 01000 ? 0x100000u : 0);
  if (stats->st_size < 0 || stats->st_size > INT64_C(9007199254740991)) return 0;
  char *end = put_text(out, S_ISLNK(stats->st_mode) ? ",\"type\":\"s\"" : ",\"type\":\"f\"");
  if (go_mode) {
    end = put_number(put_text(end, ",\"mode\":\"0"), go_mode, 8);
    *end++ = '"';
  }
  if (stats->st_size > 0) end = put_number(put_text(end, ",\"size\":"), (uint64_t)stats->st_size, 10);
  if ((stats->st_mtim.tv_sec != 0 || stats->st_mtim.tv_nsec != 0) && !(end = put_time(end, stats->st_mtim.tv_sec, stats->st_mtim.tv_nsec))) return 0;
  if (stats->st_uid) end = put_number(put_text(end, ",\"uid\":"), stats->st_uid, 10);
  if (stats->st_gid) end = put_number(put_text(end, ",\"gid\":"), stats->st_gid, 10);
  return (size_t)(put_text(end, ",\"obj\":\"") - out);
}

/* Whether the name stands in JSON as it is, and is not the name of a placeholder. */
static bool is_plain_name(const char *name, size_t length) {
  static const char suffix[] = ".kopia-entry";
  if (length >= sizeof suffix - 1 && memcmp(name + length - (sizeof suffix - 1), suffix, sizeof suffix - 1) == 0) return false;
  for (size_t i = 0; i < length; i++) {
    uint8_t c = (uint8_t)name[i];
    if (c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&') return false;
    if (c == 0xe2 && i + 2 < length && (uint8_t)name[i + 1] == 0x80 && ((uint8_t)name[i + 2] | 1) == 0xa9) return false;
  }
  return true;
}

static bool is_id_character(uint8_t c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

void match_stored(const stored_entry_t *e, const char *name, size_t name_bytes, const struct stat *stats, stored_match_t *match) {
  char text[attributes_room];
  if (!(S_ISREG(stats->st_mode) || S_ISLNK(stats->st_mode)) || !is_plain_name(name, name_bytes)) return;
  size_t length = put_attributes(text, stats);
  size_t at = e->start + name_length + e->name_length + 1;
  if (length == 0 || e->end - at < length + 3 || memcmp(e->data + at, text, length) != 0) return;
  size_t object = at + length;
  for (at = object; at < e->end && is_id_character(e->data[at]); at++) {
  }
  if (at == object || e->end - at != 2 || e->data[at] != '"' || e->data[at + 1] != '}') return;
  *match = (stored_match_t){(uint32_t)e->start, (uint32_t)object, (uint32_t)e->end};
}
