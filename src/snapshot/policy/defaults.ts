import type { Policy } from './policy.ts'

/** A policy in which nothing is set. */
export const emptyPolicy: Policy = {
  retention: {},
  files: {},
  errorHandling: {},
  scheduling: {},
  compression: {},
  metadataCompression: {},
  splitter: {},
  actions: {},
  osSnapshots: { volumeShadowCopy: {} },
  logging: { directories: {}, entries: {} },
  upload: {},
}

/** Built-in values; also written as the global policy of a new repository. Source: spec 03, 7.5. */
export const defaultPolicy: Policy = {
  retention: {
    keepLatest: 10,
    keepHourly: 48,
    keepDaily: 7,
    keepWeekly: 4,
    keepMonthly: 24,
    keepAnnual: 3,
    ignoreIdenticalSnapshots: false,
  },
  files: { ignoreDotFiles: ['.kopiaignore'] },
  errorHandling: { ignoreFileErrors: false, ignoreDirectoryErrors: false, ignoreUnknownTypes: true },
  scheduling: { runMissed: true },
  compression: { compressorName: 'none' },
  metadataCompression: { compressorName: 'zstd-fastest' },
  splitter: {},
  actions: {},
  osSnapshots: { volumeShadowCopy: { enable: 0 } },
  logging: { directories: { snapshotted: 5, ignored: 5 }, entries: { snapshotted: 0, ignored: 5, cacheHit: 0, cacheMiss: 0 } },
  upload: { maxParallelSnapshots: 1, parallelUploadAboveSize: 2147483648 },
}
