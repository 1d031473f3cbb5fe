/** How a member of a policy is checked, omitted and written. `opt…` members are set as soon as they are present; the others are omitted
 *  when zero, false or empty (spec 03, 7.2). */
export type FieldKind = 'optInt' | 'optBool' | 'int' | 'bool' | 'string' | 'strings' | 'times' | 'action' | Fields
export interface Fields {
  readonly [key: string]: FieldKind
}

const levels = { snapshotted: 'optInt', ignored: 'optInt' } as const

/** All members in the order in which they are written. */
export const policyFields: Fields = {
  retention: {
    keepLatest: 'optInt',
    keepHourly: 'optInt',
    keepDaily: 'optInt',
    keepWeekly: 'optInt',
    keepMonthly: 'optInt',
    keepAnnual: 'optInt',
    ignoreIdenticalSnapshots: 'optBool',
  },
  files: {
    ignore: 'strings',
    noParentIgnore: 'bool',
    ignoreDotFiles: 'strings',
    noParentDotFiles: 'bool',
    ignoreCacheDirs: 'optBool',
    maxFileSize: 'int',
    oneFileSystem: 'optBool',
  },
  errorHandling: { ignoreFileErrors: 'optBool', ignoreDirectoryErrors: 'optBool', ignoreUnknownTypes: 'optBool' },
  scheduling: {
    intervalSeconds: 'int',
    timeOfDay: 'times',
    noParentTimeOfDay: 'bool',
    manual: 'bool',
    cron: 'strings',
    runMissed: 'optBool',
  },
  compression: {
    compressorName: 'string',
    onlyCompress: 'strings',
    noParentOnlyCompress: 'bool',
    neverCompress: 'strings',
    noParentNeverCompress: 'bool',
    minSize: 'int',
    maxSize: 'int',
  },
  metadataCompression: { compressorName: 'string' },
  splitter: { algorithm: 'string' },
  actions: { beforeFolder: 'action', afterFolder: 'action', beforeSnapshotRoot: 'action', afterSnapshotRoot: 'action' },
  osSnapshots: { volumeShadowCopy: { enable: 'optInt' } },
  logging: { directories: levels, entries: { ...levels, cacheHit: 'optInt', cacheMiss: 'optInt' } },
  upload: { maxParallelSnapshots: 'optInt', maxParallelFileReads: 'optInt', parallelUploadAboveSize: 'optInt' },
  noParent: 'bool',
}

export const actionFields: Fields = { path: 'string', args: 'strings', script: 'string', timeout: 'int', mode: 'string' }
