import { defineStorage, prefixFlag, withoutEmpty } from './provider.ts'

const advice =
  'Kopia calls its B2 storage deprecated. For a new repository take B2 by its S3 interface: "s3 --endpoint=s3.REGION.backblazeb2.com".'

/** A bucket of Backblaze B2 by its native interface (spec 04, 4.3.5). */
export const b2Storage = defineStorage({
  type: 'b2',
  flags: [
    { name: 'bucket', type: 'string', required: true, describe: 'Bucket' },
    { name: 'key-id', type: 'string', env: 'B2_KEY_ID', required: true, describe: 'ID of the application key' },
    { name: 'key', type: 'string', env: 'B2_KEY', required: true, describe: 'Application key' },
    prefixFlag,
  ],
  config: async (values, { context, use }) => {
    if (use === 'create') context.log.warning(advice)
    return {
      bucket: values.bucket,
      ...withoutEmpty({ prefix: values.prefix }),
      keyID: values['key-id'],
      key: values.key,
    }
  },
})
