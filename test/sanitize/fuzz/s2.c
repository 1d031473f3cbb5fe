/* Streams of S2: two bytes of allowed length, then the stream; and the same bytes packed and expanded again. */
#include "../../../native/s2.c"
#include "../../../native/s2_block.c"

/* Without the checksums, which would hide everything behind them. */
uint32_t crc32c_of(const uint8_t *data, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i < length; i++) sum += data[i];
  (void)sum;
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const size_t length = size - 2;
  uint8_t *stream = malloc(length + 1);
  memcpy(stream, data + 2, length);
  /* Every checksum is as crc32c_of says. */
  for (size_t at = 0; length - at >= 8;) {
    const uint32_t crc = masked(0);
    if (stream[at] <= 1) memcpy(stream + at + 4, &crc, 4);
    const size_t chunk = 4 + (read_word(stream + at) >> 8);
    if (chunk > length - at) break;
    at += chunk;
  }
  s2_job_t expand = {.input = {stream, length}, .max_bytes = data[0] | (size_t)data[1] << 8};
  run_expand(&expand.job);
  if (!expand.job.failure && expand.output_bytes > expand.max_bytes) abort();
  free(expand.output);
  s2_job_t pack = {.input = {stream, length}};
  run_compress(&pack.job);
  s2_job_t back = {.input = {pack.output, pack.output_bytes}, .max_bytes = length};
  run_expand(&back.job);
  if (pack.job.failure || back.job.failure || back.output_bytes != length || memcmp(back.output, stream, length) != 0) abort();
  free(pack.output);
  free(back.output);
  free(stream);
  return 0;
}
