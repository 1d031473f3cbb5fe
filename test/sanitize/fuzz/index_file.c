/* Index files of both versions (spec 02, 3.1 and 3.2): every row is looked for, and keys that are not there; then the rows go into a table. */
#include "../../../native/index_search.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 17) return 0;
  const uint32_t key_bytes = data[1], count = (uint32_t)data[4] << 24 | (uint32_t)data[5] << 16 | (uint32_t)data[6] << 8 | data[7];
  const uint32_t value_bytes = data[0] == 1 ? 20 : (uint32_t)data[2] << 8 | data[3];
  index_rows_t rows;
  if (!index_rows_init(&rows, data, size, data[0] == 1 ? 8 : 17, key_bytes + value_bytes, count, key_bytes)) return 0;
  const size_t keys = rows.count < 200 ? rows.count : 200;
  uint8_t *key = malloc(2 * keys * key_bytes + 1);
  int32_t *found = malloc(2 * keys * sizeof *found + 1);
  for (size_t i = 0; i < keys; i++) {
    memcpy(key + i * key_bytes, row_at(&rows, (uint32_t)i), key_bytes);
    memcpy(key + (keys + i) * key_bytes, row_at(&rows, (uint32_t)i), key_bytes);
    key[(keys + i) * key_bytes + i % key_bytes] ^= 1 << i % 8;
  }
  index_find_many(&rows, key, 2 * keys, found);
  for (size_t i = 0; i < 2 * keys; i++) {
    if (found[i] < -1 || found[i] >= (int64_t)rows.count) abort();
    if (found[i] >= 0 && memcmp(row_at(&rows, (uint32_t)found[i]), key + i * key_bytes, key_bytes) != 0) abort();
  }
  if (key_bytes >= 9 && rows.count < 700) {
    uint16_t *files = calloc(1024, sizeof *files);
    uint8_t *marks = malloc(1024);
    if (index_fill_table(&rows, files, marks, 1023, 5) > rows.count) abort();
    free(files);
    free(marks);
  }
  free(key);
  free(found);
  return 0;
}
