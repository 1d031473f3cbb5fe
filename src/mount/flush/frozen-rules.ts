import { isUtf8 } from 'node:buffer'
import type { ObjectId } from '#repo/object/object.ts'
import type { Repository } from '#repo/repository/repository.ts'
import { decodeName } from '#snapshot/model/raw-name.ts'
import type { PolicyTree } from '#snapshot/policy/policy.ts'
import { enterDirectory, type IgnoreContext } from '#snapshot/tree/ignore-rules.ts'
import { type Member, readFully } from './members.ts'

const cacheTag = 'CACHEDIR.TAG'
const cacheSignature = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55')
const maxIgnoreFileBytes = 64 << 20

/** Ignore rules of a frozen directory, and whether it says that it is a cache (spec 07, 7.2.1 and 7.2.2). `onCache` is told then. */
export async function enterFrozenDirectory(
  repository: Repository,
  place: { readonly relative: string; readonly policy: PolicyTree; readonly parentRules: IgnoreContext },
  members: readonly Member[],
  onCache: () => void,
): Promise<{ readonly context: IgnoreContext; readonly isCache: boolean }> {
  const { files } = place.policy.effective
  const isDefined = place.policy.isDefined || place.relative === ''
  const isCache = (files.ignoreCacheDirs ?? true) && (await hasCacheTag(repository, members))
  if (isCache) onCache()
  const names = isDefined ? (files.ignoreDotFiles ?? []) : place.parentRules.dotFiles
  const texts = new Map<string, string>()
  for (const name of isCache ? [] : names) {
    const bytes = await bytesOf(repository, members, name, maxIgnoreFileBytes)
    if (bytes) texts.set(name, isUtf8(bytes) ? Buffer.from(bytes).toString() : decodeName(Buffer.from(bytes)))
  }
  const path = place.relative === '' ? '' : `/${place.relative}`
  const context = enterDirectory(place.parentRules, path, isDefined ? files : undefined, (name) => texts.get(name))
  return { context, isCache }
}

/** Whether anything at all could be left out here. */
export function hasRules(context: IgnoreContext | undefined): boolean {
  for (let c = context; c; c = c.parent) if (c.patterns.length > 0 || c.maxFileSizeBytes > 0) return true
  return false
}

async function hasCacheTag(repository: Repository, members: readonly Member[]): Promise<boolean> {
  const bytes = await bytesOf(repository, members, cacheTag, cacheSignature.length)
  return bytes !== undefined && cacheSignature.equals(bytes)
}

/** The first `maxBytes` of the regular file of that name. */
async function bytesOf(
  repository: Repository,
  members: readonly Member[],
  name: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const member = members.find((m) => m.name === name)
  if (member?.node) {
    if (member.node.kind !== 'file') return undefined
    return readFully(member.node, 0, Math.min(maxBytes, member.node.sizeBytes))
  }
  if (member?.stored?.type !== 'f') return undefined
  const object = await repository.objects.open(member.stored.objectId as ObjectId)
  try {
    const into = Buffer.alloc(Math.min(maxBytes, object.sizeBytes))
    let at = 0
    while (at < into.length) {
      const got = await object.read(into.subarray(at), at)
      if (got === 0) break
      at += got
    }
    return into.subarray(0, at)
  } finally {
    object.close()
  }
}
