import { defineStorage, prefixFlag, withoutEmpty } from './provider.ts'

/** A bucket of Backblaze B2 by its native interface (spec 04, 4.3.5). */
export const b2Storage = defineStorage({
  type: 'b2',
  flags: [
    { name: 'bucket', type: 'string', required: true, describe: 'Bucket' },
    { name: 'key-id', type: 'string', env: 'B2_KEY_ID', required: true, describe: 'ID of the application key' },
    { name: 'key', type: 'string', env: 'B2_KEY', required: true, describe: 'Application key' },
    prefixFlag,
  ],
  config: async (values) => ({
    bucket: values.bucket,
    ...withoutEmpty({ prefix: values.prefix }),
    keyID: values['key-id'],
    key: values.key,
  }),
})
