/* Many messages in lanes; included once per function, CPU and number of lanes by blake2_x86.c, which defines: NAME, TARGET, LANES, word_t,
 * task_t, BLOCK_BYTES, IV, vec_t, LOAD(p), STORE(p, v), SET1(x), ADD, XOR, ROR_1 to ROR_4, TRANSPOSE(m, p) and ROUNDS(R). */

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

/* One block of each lane. `low`, `high` = bytes so far, this block included; `last` = all ones where it is the last one. */
TARGET static void SUB(NAME, step)(word_t h[8][LANES], const uint8_t *const p[LANES], const word_t *low, const word_t *high, const word_t *last) {
  vec_t v[16], m[16];
  TRANSPOSE(m, p);
  for (int i = 0; i < 8; i++) {
    v[i] = LOAD(h[i]);
    v[i + 8] = SET1(IV[i]);
  }
  v[12] = XOR(v[12], LOAD(low));
  v[13] = XOR(v[13], LOAD(high));
  v[14] = XOR(v[14], LOAD(last));
  ROUNDS(BLAKE2_ROUND)
  for (int i = 0; i < 8; i++) STORE(h[i], XOR(LOAD(h[i]), XOR(v[i], v[i + 8])));
}

TARGET size_t NAME(task_t *tasks, size_t count, size_t fewest, size_t kept_bytes) {
  word_t h[8][LANES] __attribute__((aligned(64))) = {{0}};
  word_t low[LANES] __attribute__((aligned(64))), high[LANES] __attribute__((aligned(64))), last[LANES] __attribute__((aligned(64)));
  uint8_t tails[LANES][BLOCK_BYTES];
  const uint8_t *p[LANES];
  task_t *lane[LANES] = {NULL};
  size_t next = 0, active = 0;
  for (;;) {
    for (int i = 0; i < LANES && next < count; i++) {
      if (lane[i]) continue;
      lane[i] = &tasks[next++];
      for (int j = 0; j < 8; j++) h[j][i] = lane[i]->h[j];
      active++;
    }
    if (active < fewest) break;
    /* So many blocks have no last one among them. */
    size_t blocks = SIZE_MAX;
    task_t *any = NULL;
    for (int i = 0; i < LANES; i++) {
      if (!lane[i]) continue;
      any = lane[i];
      size_t whole = lane[i]->left ? (lane[i]->left - 1) / BLOCK_BYTES : 0;
      if (whole < blocks) blocks = whole;
    }
    memset(last, 0, sizeof last);
    for (size_t b = 0; b < blocks; b++) {
      for (int i = 0; i < LANES; i++) {
        /* An idle lane does over again what another one does. */
        if (!lane[i]) {
          p[i] = any->data;
          low[i] = high[i] = 0;
          continue;
        }
        lane[i]->count += BLOCK_BYTES;
        p[i] = lane[i]->data;
        low[i] = (word_t)lane[i]->count;
        high[i] = sizeof(word_t) == 4 ? (word_t)(lane[i]->count >> 32) : 0;
      }
      SUB(NAME, step)(h, p, low, high, last);
      for (int i = 0; i < LANES; i++) {
        if (!lane[i]) continue;
        lane[i]->data += BLOCK_BYTES;
        lane[i]->left -= BLOCK_BYTES;
      }
    }
    for (int i = 0; i < LANES; i++) {
      size_t size = 0;
      p[i] = tails[i];
      low[i] = high[i] = 0;
      if (!lane[i]) {
        memset(tails[i], 0, BLOCK_BYTES);
        continue;
      }
      size = lane[i]->left < BLOCK_BYTES ? lane[i]->left : BLOCK_BYTES;
      last[i] = lane[i]->left <= BLOCK_BYTES ? (word_t)-1 : 0;
      if (size == BLOCK_BYTES) {
        p[i] = lane[i]->data;
      } else {
        memset(tails[i], 0, BLOCK_BYTES);
        if (size > 0) memcpy(tails[i], lane[i]->data, size);
      }
      lane[i]->count += size;
      lane[i]->data += size;
      lane[i]->left -= size;
      low[i] = (word_t)lane[i]->count;
      high[i] = sizeof(word_t) == 4 ? (word_t)(lane[i]->count >> 32) : 0;
    }
    SUB(NAME, step)(h, p, low, high, last);
    for (int i = 0; i < LANES; i++) {
      if (!lane[i] || !last[i]) continue;
      word_t digest[8];
      for (int j = 0; j < 8; j++) digest[j] = h[j][i];
      memcpy(lane[i]->out, digest, kept_bytes);
      lane[i] = NULL;
      active--;
    }
  }
  /* What is not done goes to the front, with its state. Tasks lie behind the place they move to, or in it, if they move in order. */
  size_t left = 0;
  for (size_t t = 0; t < next; t++)
    for (int i = 0; i < LANES; i++) {
      if (lane[i] != &tasks[t]) continue;
      task_t task = tasks[t];
      for (int j = 0; j < 8; j++) task.h[j] = h[j][i];
      tasks[left++] = task;
    }
  return left;
}
#undef MIX
