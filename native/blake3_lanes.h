/* Jobs in lanes; included once per CPU and number of lanes, with these defined: NAME, TARGET, LANES, vec_t, LOAD(p), STORE(p, v), SET1(x), ADD,
 * XOR, AND, ROR_1 to ROR_4 and TRANSPOSE(m, p). */

#define MIX(a, b, c, d, x, y)     \
  do {                            \
    a = ADD(ADD(a, b), x);        \
    d = ROR_1(XOR(d, a));         \
    c = ADD(c, d);                \
    b = ROR_2(XOR(b, c));         \
    a = ADD(ADD(a, b), y);        \
    d = ROR_3(XOR(d, a));         \
    c = ADD(c, d);                \
    b = ROR_4(XOR(b, c));         \
  } while (0)

TARGET void NAME(const blake3_job_t *jobs, size_t count, const uint32_t key[8]) {
  uint32_t low[LANES] ALIGNED, high[LANES] ALIGNED, sizes[LANES] ALIGNED, flags[LANES] ALIGNED, active[LANES] ALIGNED, words[8][LANES] ALIGNED;
  uint8_t tails[LANES][64];
  const uint8_t *p[LANES];
  uint32_t longest = 0;
  bool is_even = count == LANES && jobs[0].length > 0 && jobs[0].length % 64 == 0;
  for (size_t i = 0; i < LANES; i++) {
    const blake3_job_t *job = &jobs[i < count ? i : 0];
    if (job->length > longest) longest = job->length;
    is_even = is_even && job->length == jobs[0].length && job->flags == jobs[0].flags && job->first == jobs[0].first && job->last == jobs[0].last;
    low[i] = (uint32_t)job->counter;
    high[i] = (uint32_t)(job->counter >> 32);
    p[i] = job->data;
  }
  const uint32_t blocks = longest > 64 ? (longest + 63) / 64 : 1;
  vec_t h[8], v[16], m[16];
  for (int i = 0; i < 8; i++) h[i] = SET1(key[i]);
  for (uint32_t b = 0; b < blocks; b++) {
    if (is_even) {
      v[14] = SET1(64);
      v[15] = SET1(jobs[0].flags | (b == 0 ? jobs[0].first : 0) | (b == blocks - 1 ? jobs[0].last : 0));
    } else {
      for (size_t i = 0; i < LANES; i++) {
        const blake3_job_t *job = &jobs[i < count ? i : 0];
        const uint32_t at = 64 * b, left = job->length > at ? job->length - at : 0;
        active[i] = left > 0 || b == 0 ? UINT32_MAX : 0;
        sizes[i] = left < 64 ? left : 64;
        flags[i] = job->flags | (b == 0 ? job->first : 0) | (left <= 64 ? job->last : 0);
        p[i] = job->data + at;
        if (left >= 64) continue;
        memset(tails[i], 0, 64);
        if (left > 0) memcpy(tails[i], job->data + at, left);
        p[i] = tails[i];
      }
      v[14] = LOAD(sizes);
      v[15] = LOAD(flags);
    }
    TRANSPOSE(m, p);
    for (int i = 0; i < 8; i++) v[i] = h[i];
    for (int i = 0; i < 4; i++) v[8 + i] = SET1(blake3_iv[i]);
    v[12] = LOAD(low);
    v[13] = LOAD(high);
    BLAKE3_ROUNDS(BLAKE2_ROUND)
    if (is_even) {
      for (int i = 0; i < 8; i++) h[i] = XOR(v[i], v[i + 8]);
      for (size_t i = 0; i < LANES; i++) p[i] += 64;
    } else {
      const vec_t mask = LOAD(active);
      for (int i = 0; i < 8; i++) h[i] = XOR(h[i], AND(mask, XOR(h[i], XOR(v[i], v[i + 8]))));
    }
  }
  for (int i = 0; i < 8; i++) STORE(words[i], h[i]);
  for (size_t i = 0; i < count; i++) {
    uint32_t out[8];
    for (int w = 0; w < 8; w++) out[w] = words[w][i];
    memcpy(jobs[i].out, out, sizeof out);
  }
}
#undef MIX
