#include "s2_block.h"

#include <string.h>

/* The encoder does step by step what src/repo/compression/s2-encode.ts does, so that both give the same bytes. */

static uint32_t word_at(const uint8_t *at) {
  uint32_t word;
  memcpy(&word, at, 4);
  return word;
}

static uint32_t slot_of(uint32_t word, unsigned shift) { return word * 0x9e3779b1u >> shift; }

static uint8_t *put_literal(uint8_t *o, const uint8_t *from, size_t length) {
  if (length == 0) return o;
  const size_t m = length - 1;
  if (m < 60) {
    *o++ = (uint8_t)(m << 2);
  } else {
    const unsigned count = m < 0x100 ? 1 : m < 0x10000 ? 2 : 3;
    *o++ = (uint8_t)((59 + count) << 2);
    for (unsigned k = 0; k < count; k++) *o++ = (uint8_t)(m >> 8 * k);
  }
  memcpy(o, from, length);
  return o + length;
}

static uint8_t *put_repeat(uint8_t *o, size_t length) {
  const unsigned kind = length <= 8 ? 0 : length < 264 ? 5 : length < 65796 ? 6 : 7;
  const size_t rest = kind == 5 ? length - 8 : kind == 6 ? length - 260 : kind == 7 ? length - 65540 : 0;
  *o++ = (uint8_t)((kind ? kind : length - 4) << 2 | 1);
  *o++ = 0;
  for (unsigned k = 0; kind && k < kind - 4; k++) *o++ = (uint8_t)(rest >> 8 * k);
  return o;
}

static uint8_t *put_copy(uint8_t *o, size_t offset, size_t length) {
  if (offset < 2048 && (length < 12 || length > 64)) {
    const size_t first = length < 12 ? length : 8;
    *o++ = (uint8_t)((offset >> 8) << 5 | (first - 4) << 2 | 1);
    *o++ = (uint8_t)offset;
    return first == length ? o : put_repeat(o, length - first);
  }
  const size_t first = length <= 64 ? length : 60;
  const bool wide = offset >= 65536;
  *o++ = (uint8_t)((first - 1) << 2 | (wide ? 3 : 2));
  for (unsigned k = 0; k < (wide ? 4u : 2u); k++) *o++ = (uint8_t)(offset >> 8 * k);
  return first == length ? o : put_repeat(o, length - first);
}

/* How many bytes from `a` and `b` on are the same; `b` lies behind `a` and ends at `end`. */
static size_t same_bytes(const uint8_t *a, const uint8_t *b, const uint8_t *end) {
  const uint8_t *start = b;
  while (end - b >= 8) {
    uint64_t x, y;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    if (x != y) return (size_t)(b - start) + (size_t)__builtin_ctzll(x ^ y) / 8;
    a += 8;
    b += 8;
  }
  while (b < end && *a == *b) a++, b++;
  return (size_t)(b - start);
}

size_t s2_encode_block(const uint8_t *data, size_t length, uint8_t *out, int32_t *table) {
  uint8_t *o = out;
  size_t rest = length;
  for (; rest >= 0x80; rest >>= 7) *o++ = (uint8_t)(rest | 0x80);
  *o++ = (uint8_t)rest;
  unsigned bits = length ? 32 - (unsigned)__builtin_clz((unsigned)length) : 0;
  bits = bits > s2_table_bits ? s2_table_bits : bits < 8 ? 8 : bits;
  const unsigned shift = 32 - bits;
  memset(table, 0xff, sizeof *table << bits);
  size_t literal = 0, repeat = 0;
  for (size_t i = 1; i + 8 < length;) {
    const uint32_t word = word_at(data + i);
    int32_t *slot = &table[slot_of(word, shift)];
    const int32_t known = *slot;
    *slot = (int32_t)i;
    if (known < 0 || word_at(data + known) != word) {
      const size_t step = 1 + ((i - literal) >> 5);
      i += step < 32 ? step : 32;
      continue;
    }
    size_t candidate = (size_t)known;
    const size_t offset = i - candidate;
    while (i > literal && candidate > 0 && data[i - 1] == data[candidate - 1]) i--, candidate--;
    const size_t run = 4 + same_bytes(data + candidate + 4, data + i + 4, data + length);
    o = put_literal(o, data + literal, i - literal);
    o = offset == repeat ? put_repeat(o, run) : put_copy(o, offset, run);
    repeat = offset;
    i = literal = i + run;
    if (i + 8 < length) table[slot_of(word_at(data + i - 2), shift)] = (int32_t)i - 2;
  }
  return (size_t)(put_literal(o, data + literal, length - literal) - out);
}

size_t s2_block_length(const uint8_t *data, size_t size, uint64_t *length) {
  *length = 0;
  for (size_t i = 0; i < 5 && i < size; i++) {
    *length |= (uint64_t)(data[i] & 0x7f) << 7 * i;
    if (data[i] < 0x80) return *length > UINT32_MAX ? 0 : i + 1;
  }
  return 0;
}

/* Repeats the bytes `offset` before `o`; the two may overlap. `room` bytes may be written, which is no less than `length`. */
static void repeat_bytes(uint8_t *o, size_t offset, size_t length, size_t room) {
  const uint8_t *from = o - offset;
  if (offset >= 8 && room >= length + 8) {
    /* In words, up to 7 bytes too far; each lies whole before the place that it goes to. */
    for (size_t k = 0; k < length; k += 8) memcpy(o + k, from + k, 8);
  } else if (offset >= length) {
    memcpy(o, from, length);
  } else if (offset == 1) {
    memset(o, *from, length);
  } else {
    for (size_t k = 0; k < length; k++) o[k] = from[k];
  }
}

static uint32_t number(const uint8_t *at, unsigned bytes) {
  uint32_t value = 0;
  for (unsigned k = 0; k < bytes; k++) value |= (uint32_t)at[k] << 8 * k;
  return value;
}

const char *s2_expand_block(const uint8_t *data, size_t size, uint8_t *out, size_t length) {
  static const char cut[] = "it ends inside a block";
  const uint8_t *i = data, *end = data + size;
  size_t at = 0, offset = 0;
  while (i < end) {
    const uint8_t t = *i++;
    size_t run = t >> 2;
    if ((t & 3) == 0) {
      if (run >= 60) {
        const unsigned bytes = (unsigned)run - 59;
        if ((size_t)(end - i) < bytes) return cut;
        run = number(i, bytes);
        i += bytes;
      }
      run++;
      if (run > (size_t)(end - i) || run > length - at) return "a literal is too long";
      memcpy(out + at, i, run);
      i += run;
      at += run;
      continue;
    }
    /* Bytes that follow the tag: 1, 2 or 4 of the offset, or up to 3 more of a length. */
    unsigned more = (t & 3) == 3 ? 4 : t & 3;
    if ((size_t)(end - i) < more) return cut;
    if ((t & 3) == 1) {
      const size_t distance = (size_t)(t & 0xe0) << 3 | *i++;
      run &= 7;
      if (distance != 0) {
        offset = distance;
        run += 4;
      } else if (run < 5) {
        run += 4;
      } else {
        static const uint32_t least[] = {8, 260, 65540};
        more = (unsigned)run - 4;
        if ((size_t)(end - i) < more) return cut;
        run = least[more - 1] + number(i, more);
        i += more;
      }
    } else {
      run++;
      offset = number(i, more);
      i += more;
    }
    if (offset == 0 || offset > at) return "a copy reaches before the start of its block";
    if (run > length - at) return "a block is longer than it says";
    repeat_bytes(out + at, offset, run, length - at);
    at += run;
  }
  return at == length ? NULL : "a block is shorter than it says";
}
