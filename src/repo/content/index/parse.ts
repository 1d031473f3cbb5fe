import { CorruptIndexError } from './errors.ts'
import { IndexFileV1 } from './file-v1.ts'
import { IndexFileV2 } from './file-v2.ts'
import type { IndexFile } from './index-file.ts'

/** Opens a decrypted index file of either version. The file keeps using `bytes`: do not change them.
 *  `encryptorOverheadBytes` = Cipher.overheadBytes, for original lengths of version 1; `blobName` is for errors only.
 *  Throws CorruptIndexError, here or on access to a row. Source: spec 02, 3.1 to 3.3. */
export function parseIndex(bytes: Buffer, encryptorOverheadBytes: number, blobName = ''): IndexFile {
  const version = bytes[0]
  if (version === 1) return new IndexFileV1(bytes, encryptorOverheadBytes, blobName)
  if (version === 2) return new IndexFileV2(bytes, blobName)
  throw new CorruptIndexError(blobName, 0, version === undefined ? 'the file is empty' : `version ${version} is not known`)
}
