/* Zstandard streams, through the loop around the library that grows the output: two bytes of allowed length, then the stream. */
#include "../../../native/zstd.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  if (!zstd.expand && !load_library()) abort();
  zstd_job_t job = {.input = {(uint8_t *)data + 2, size - 2}, .max_bytes = data[0] | (size_t)data[1] << 8};
  prepare_expand(&job);
  run_expand(&job.job);
  if (!job.job.failure && job.output_bytes > job.max_bytes) abort();
  free(job.output);
  return 0;
}
