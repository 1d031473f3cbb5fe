import { messageOf } from '#base/errors.ts'
import { asObject, jsonText, memberOf, parseFirstJson, stringOf } from '#base/json-read.ts'
import { StorageError } from '../errors.ts'
import type { BlobId } from '../storage.ts'

/** Object beside the blobs in which users name storage classes. Source: spec 04, 4.3.2.1. */
export const storageConfigId = '.storageconfig'

/** Class of a blob, or undefined when the bucket's own holds. */
export type StorageClasses = (id: BlobId) => string | undefined

/** Reads the classes from the object's bytes; undefined = there is none. Throws StorageError when it is not what it should be. */
export function storageClasses(bytes: Buffer | undefined): StorageClasses {
  if (!bytes) return () => undefined
  try {
    const json = asObject(parseFirstJson(jsonText(bytes, storageConfigId)), storageConfigId)
    const given = memberOf(json, 'blobOptions') ?? []
    if (!Array.isArray(given)) throw new Error('"blobOptions" must be an array')
    const rules = given.map((each) => {
      const rule = asObject(each, storageConfigId)
      return { prefix: stringOf(rule, 'prefix', storageConfigId), storageClass: stringOf(rule, 'storageClass', storageConfigId) }
    })
    return (id) => rules.find(({ prefix }) => id.startsWith(prefix))?.storageClass || undefined
  } catch (error) {
    throw new StorageError(`the object ${storageConfigId} of the bucket is wrong: ${messageOf(error)}. Mend or remove it.`, {
      cause: error,
    })
  }
}
