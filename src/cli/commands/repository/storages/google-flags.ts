import { readFileSync } from 'node:fs'
import { messageOf, UsageError } from '#base/errors.ts'
import { asObject, type JsonObject, JsonShapeError } from '#base/json-read.ts'
import type { Flag, ValuesOf } from '#cli/flag.ts'

/** Flags of both Google services (spec 04, 4.3.4). */
export const googleFlags = [
  { name: 'read-only', type: 'bool', describe: 'Ask for rights to read only' },
  { name: 'credentials-file', type: 'existingFile', describe: 'Key file of a service account' },
  { name: 'embed-credentials', type: 'bool', describe: 'Keep the key itself in the configuration, not the path of its file' },
] as const satisfies readonly Flag[]

/** Members `credentialsFile` or `credentials`, and `readOnly`. Throws UsageError when the file cannot be embedded. */
export function googleCredentials(values: ValuesOf<(typeof googleFlags)[number]>): JsonObject {
  const file = values['credentials-file']
  const readOnly = values['read-only'] ? { readOnly: true } : {}
  if (!values['embed-credentials'] || !file) return { ...(file ? { credentialsFile: file } : {}), ...readOnly }
  try {
    return { credentials: asObject(JSON.parse(readFileSync(file, 'utf8')), file), ...readOnly }
  } catch (error) {
    // What JSON.parse says would quote the file, which is a secret.
    const reason = error instanceof SyntaxError || error instanceof JsonShapeError ? 'it is not a JSON object' : messageOf(error)
    throw new UsageError(`cannot embed the credentials in ${file}: ${reason}`, { cause: error })
  }
}
