/* A small fuzzer that learns from coverage, for compilers without one of their own: the target is compiled with
 * -fsanitize-coverage=trace-pc,trace-cmp, this file without. With the same seed and number of runs it does the same every time.
 *
 *   fuzzer FOLDER RUNS SEED [CRASH]   inputs of the folder first, then RUNS mutations of them; what failed is written to CRASH */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_set_death_callback(void (*callback)(void));

enum { map_bits = 13, map_bytes = 1 << map_bits, max_input_bytes = 1 << 16, max_inputs = 4096, constant_count = 256 };

typedef struct {
  uint8_t *data;
  size_t size;
} input_t;

static uint8_t now[map_bytes], ever[map_bytes];
static size_t edges, runs;
static uintptr_t last_place;
static input_t inputs[max_inputs];
static size_t input_count;
static uint64_t constants[constant_count];
static size_t constants_seen;
static uint64_t state;
static const uint8_t *current;
static size_t current_size;
static const char *crash_path;

/* What gcc calls at every edge and comparison of the target. */
void __sanitizer_cov_trace_pc(void) {
  uintptr_t place = (uintptr_t)__builtin_return_address(0);
  size_t slot = (place ^ last_place << 1) * 0x9e3779b97f4a7c15u >> (64 - map_bits);
  if (now[slot] < 255) now[slot]++;
  last_place = place;
}
static void remember(uint64_t value) {
  if (value > 1 && constants[constants_seen % constant_count] != value) constants[++constants_seen % constant_count] = value;
}
void __sanitizer_cov_trace_cmp1(uint8_t a, uint8_t b) { (void)a, (void)b; }
void __sanitizer_cov_trace_cmp2(uint16_t a, uint16_t b) { (void)a, (void)b; }
void __sanitizer_cov_trace_cmp4(uint32_t a, uint32_t b) { remember(b), remember(a); }
void __sanitizer_cov_trace_cmp8(uint64_t a, uint64_t b) { remember(b), remember(a); }
void __sanitizer_cov_trace_cmpf(float a, float b) { (void)a, (void)b; }
void __sanitizer_cov_trace_cmpd(double a, double b) { (void)a, (void)b; }
void __sanitizer_cov_trace_const_cmp1(uint8_t a, uint8_t b) { (void)b, remember(a); }
void __sanitizer_cov_trace_const_cmp2(uint16_t a, uint16_t b) { (void)b, remember(a); }
void __sanitizer_cov_trace_const_cmp4(uint32_t a, uint32_t b) { (void)b, remember(a); }
void __sanitizer_cov_trace_const_cmp8(uint64_t a, uint64_t b) { (void)b, remember(a); }
void __sanitizer_cov_trace_switch(uint64_t value, void *table) {
  const uint64_t *cases = table;
  (void)value;
  for (uint64_t i = 0; i < cases[0] && i < 16; i++) remember(cases[2 + i]);
}

static uint64_t random_word(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state * 0x2545f4914f6cdd1du >> 16;
}
static size_t below(size_t limit) { return limit ? random_word() % limit : 0; }

static void save_crash(void) {
  int fd = crash_path ? open(crash_path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
  if (fd < 0) return;
  if (write(fd, current, current_size) < 0) perror("the input that failed");
  close(fd);
}

/* Edges that no run had before, or not so often (in powers of two). */
static size_t news(void) {
  size_t found = 0;
  for (size_t i = 0; i < map_bytes; i++) {
    if (!now[i]) continue;
    uint8_t class = (uint8_t)(1 << (31 - __builtin_clz(now[i])));
    if (!ever[i]) edges++;
    if (class & ~ever[i]) found++;
    ever[i] |= class;
  }
  return found;
}

static size_t run_one(const uint8_t *data, size_t size) {
  uint8_t *exact = malloc(size ? size : 1); /* of its exact size, so that a byte too far is seen */
  if (size) memcpy(exact, data, size);
  memset(now, 0, sizeof now);
  last_place = 0;
  current = exact, current_size = size;
  LLVMFuzzerTestOneInput(exact, size);
  runs++;
  current_size = 0;
  free(exact);
  return news();
}

static void add_input(const uint8_t *data, size_t size) {
  input_t *slot = input_count < max_inputs ? &inputs[input_count++] : &inputs[below(max_inputs)];
  free(slot->data);
  *slot = (input_t){malloc(size ? size : 1), size};
  if (size) memcpy(slot->data, data, size);
}

static void put_number(uint8_t *at, size_t width, uint64_t value) {
  if (below(2)) value = __builtin_bswap64(value) >> (64 - 8 * width);
  for (size_t i = 0; i < width; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static size_t mutate(uint8_t *data, size_t size) {
  static const uint64_t edgy[] = {0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
                                  0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff};
  for (size_t times = 1 + below(4); times > 0; times--) {
    size_t at = below(size), length = 1 + below(below(4) ? 8 : 200);
    switch (below(9)) {
      case 0: if (size) data[at] ^= (uint8_t)(1 << below(8)); break;
      case 1: if (size) data[at] = (uint8_t)random_word(); break;
      case 2: if (size) data[at] = (uint8_t)(data[at] + (below(2) ? 1 : 255)); break;
      case 3: { /* a number that something was compared with, or one at some edge */
        size_t width = 1u << below(4);
        if (at + width <= size) put_number(data + at, width, below(2) ? constants[below(constant_count)] : edgy[below(sizeof edgy / sizeof edgy[0])]);
        break;
      }
      case 4: /* take out */
        if (length > size - at) length = size - at;
        memmove(data + at, data + at + length, size - at - length);
        size -= length;
        break;
      case 5: /* do twice */
        if (length > size - at) length = size - at;
        if (size + length > max_input_bytes) break;
        memmove(data + at + length, data + at, size - at);
        size += length;
        break;
      case 6: /* put random bytes, or one byte many times, in between */
        if (size + length > max_input_bytes) break;
        memmove(data + at + length, data + at, size - at);
        for (size_t i = 0, same = below(2), byte = random_word(); i < length; i++) data[at + i] = (uint8_t)(same ? byte : random_word());
        size += length;
        break;
      case 7: { /* a piece of another input */
        const input_t *other = &inputs[below(input_count)];
        size_t from = below(other->size);
        if (length > other->size - from) length = other->size - from;
        if (at + length > max_input_bytes) break;
        if (length) memcpy(data + at, other->data + from, length);
        if (at + length > size) size = at + length;
        break;
      }
      default: size = below(8) ? size : at; /* cut off */
    }
  }
  return size;
}

static void read_folder(const char *folder) {
  struct dirent **entries;
  int count = scandir(folder, &entries, NULL, alphasort);
  static uint8_t data[max_input_bytes];
  for (int i = 0; i < count; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
    int fd = entries[i]->d_name[0] == '.' ? -1 : open(path, O_RDONLY);
    ssize_t size = fd < 0 ? -1 : read(fd, data, sizeof data);
    if (fd >= 0) close(fd);
    free(entries[i]);
    if (size < 0) continue;
    run_one(data, (size_t)size);
    add_input(data, (size_t)size);
  }
  if (count >= 0) free(entries);
}

int main(int argc, char **argv) {
  if (argc < 4) return fprintf(stderr, "fuzzer FOLDER RUNS SEED [CRASH]\n"), 2;
  const size_t wanted = strtoull(argv[2], NULL, 10);
  state = strtoull(argv[3], NULL, 10) * 0x9e3779b97f4a7c15u | 1;
  crash_path = argc > 4 ? argv[4] : NULL;
  __sanitizer_set_death_callback(save_crash);
  read_folder(argv[1]);
  if (input_count == 0) return fprintf(stderr, "no inputs in %s\n", argv[1]), 2;
  const size_t first = input_count;
  static uint8_t work[max_input_bytes];
  for (size_t i = 0; i < wanted; i++) {
    const input_t *base = &inputs[below(input_count)];
    if (base->size) memcpy(work, base->data, base->size);
    size_t size = mutate(work, base->size);
    if (run_one(work, size)) add_input(work, size);
  }
  printf("%zu runs, %zu inputs given, %zu kept, %zu edges\n", runs, first, input_count, edges);
  return 0;
}
