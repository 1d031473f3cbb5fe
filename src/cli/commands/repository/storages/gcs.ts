import { googleCredentials, googleFlags } from './google-flags.ts'
import { defineStorage, pointInTimeFlag, pointInTimeOf, prefixFlag, withoutEmpty } from './provider.ts'

/** A bucket of Google Cloud Storage (spec 04, 4.3.4). */
export const gcsStorage = defineStorage({
  type: 'gcs',
  flags: [{ name: 'bucket', type: 'string', required: true, describe: 'Bucket' }, prefixFlag, ...googleFlags, pointInTimeFlag],
  config: async (values, { use }) => ({
    bucket: values.bucket,
    ...withoutEmpty({
      prefix: values.prefix,
      ...googleCredentials(values),
      pointInTime: pointInTimeOf(values['point-in-time'], use),
    }),
  }),
})
