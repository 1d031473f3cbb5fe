/* One of the two functions, one message at a time; included once for each by blake2.c, which defines B2(name), word_t, WORD_BITS,
 * BLOCK_BYTES, ROT_1 to ROT_4 and ROUNDS(R), and before that B2(run_lanes). */

static inline word_t B2(rotr)(word_t v, unsigned n) { return v >> n | v << (WORD_BITS - n); }

#define MIX(a, b, c, d, x, y)   \
  do {                          \
    a += b + (x);               \
    d = B2(rotr)(d ^ a, ROT_1); \
    c += d;                     \
    b = B2(rotr)(b ^ c, ROT_2); \
    a += b + (y);               \
    d = B2(rotr)(d ^ a, ROT_3); \
    c += d;                     \
    b = B2(rotr)(b ^ c, ROT_4); \
  } while (0)

/* Little-endian machines only, as all that Node runs on. */
static void B2(compress)(word_t h[8], const uint8_t *block, uint64_t count, bool last) {
  word_t m[16], v[16];
  memcpy(m, block, BLOCK_BYTES);
  for (int i = 0; i < 8; i++) {
    v[i] = h[i];
    v[i + 8] = B2(iv)[i];
  }
  v[12] ^= (word_t)count;
  if (sizeof(word_t) == 4) v[13] ^= (word_t)(count >> 32);
  if (last) v[14] = ~v[14];
  ROUNDS(BLAKE2_ROUND)
  for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}
#undef MIX

/* The rest of one message. */
static void B2(finish)(B2(task_t) *task, size_t kept_bytes) {
  uint8_t block[BLOCK_BYTES] = {0};
  while (task->left > BLOCK_BYTES) {
    task->count += BLOCK_BYTES;
    B2(compress)(task->h, task->data, task->count, false);
    task->data += BLOCK_BYTES;
    task->left -= BLOCK_BYTES;
  }
  if (task->left > 0) memcpy(block, task->data, task->left);
  B2(compress)(task->h, block, task->count + task->left, true);
  memcpy(task->out, task->h, kept_bytes);
}

/* The state that every message starts with, `count` included; with an empty message a key's block is the last one. */
static void B2(start)(B2(task_t) *task, size_t digest_bytes, const uint8_t *key, size_t key_bytes, bool is_empty) {
  memcpy(task->h, B2(iv), sizeof task->h);
  task->h[0] ^= 0x01010000u ^ (word_t)(key_bytes << 8) ^ (word_t)digest_bytes;
  task->count = 0;
  if (key_bytes == 0) return;
  uint8_t block[BLOCK_BYTES] = {0};
  memcpy(block, key, key_bytes);
  task->count = BLOCK_BYTES;
  B2(compress)(task->h, block, BLOCK_BYTES, is_empty);
}

void B2(one)(uint8_t *out, size_t digest_bytes, const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t length) {
  B2(task_t) task;
  B2(start)(&task, digest_bytes, key, key_bytes, length == 0);
  task.data = data;
  task.left = length;
  task.out = out;
  if (length == 0 && key_bytes > 0) memcpy(out, task.h, digest_bytes);
  else B2(finish)(&task, digest_bytes);
}

static int B2(longest_first)(const void *a, const void *b) {
  size_t x = ((const B2(task_t) *)a)->left, y = ((const B2(task_t) *)b)->left;
  return x < y ? 1 : x > y ? -1 : 0;
}

bool B2(many)(const blake2_message_t *messages, size_t count, size_t digest_bytes, size_t kept_bytes, const uint8_t *key, size_t key_bytes) {
  B2(task_t) first, empty;
  B2(start)(&first, digest_bytes, key, key_bytes, false);
  B2(start)(&empty, digest_bytes, key, key_bytes, true);
  B2(task_t) *tasks = malloc((count ? count : 1) * sizeof *tasks);
  if (!tasks) return false;
  size_t used = 0;
  for (size_t i = 0; i < count; i++) {
    if (messages[i].left == 0 && key_bytes > 0) {
      memcpy(messages[i].out, empty.h, kept_bytes);
      continue;
    }
    tasks[used] = first;
    tasks[used].data = messages[i].data;
    tasks[used].left = messages[i].left;
    tasks[used++].out = messages[i].out;
  }
  /* Lanes then run out of work at about the same time. */
  if (used > 2) qsort(tasks, used, sizeof *tasks, B2(longest_first));
  used = B2(run_lanes)(tasks, used, kept_bytes);
  for (size_t i = 0; i < used; i++) B2(finish)(&tasks[i], kept_bytes);
  free(tasks);
  return true;
}
