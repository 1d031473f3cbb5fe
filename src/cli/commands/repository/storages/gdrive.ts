import { googleCredentials, googleFlags } from './google-flags.ts'
import { defineStorage } from './provider.ts'

/** A folder of Google Drive (spec 04, 4.3.6). */
export const gdriveStorage = defineStorage({
  type: 'gdrive',
  flags: [{ name: 'folder-id', type: 'string', required: true, describe: 'ID of the folder' }, ...googleFlags],
  config: async (values) => ({ folderID: values['folder-id'], ...googleCredentials(values) }),
})
