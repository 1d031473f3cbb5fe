import { googleCredentials, googleFlags } from './google-flags.ts'
import { defineStorage } from './provider.ts'

const advice = 'Nobody looks after the Google Drive storage of Kopia any more. Take another storage for a new repository.'

/** A folder of Google Drive (spec 04, 4.3.6). */
export const gdriveStorage = defineStorage({
  type: 'gdrive',
  flags: [{ name: 'folder-id', type: 'string', required: true, describe: 'ID of the folder' }, ...googleFlags],
  config: async (values, { context, use }) => {
    if (use === 'create') context.log.warning(advice)
    return { folderID: values['folder-id'], ...googleCredentials(values) }
  },
})
