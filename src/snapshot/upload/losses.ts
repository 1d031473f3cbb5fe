/** Things that the source has and a snapshot cannot hold. Nothing of it is dropped in silence: kinds are counted, paths named. */
export type LossKind = 'invalidNames' | 'specialFiles' | 'hardLinks' | 'extendedAttributes' | 'accessControlLists'

export interface Loss {
  readonly count: number
  /** The first few paths, relative to the snapshot root. */
  readonly examples: readonly string[]
}

export type LossReport = Readonly<Partial<Record<LossKind, Loss>>>

const maxExamples = 10

const aclNames = new Set(['system.posix_acl_access', 'system.posix_acl_default', 'system.nfs4_acl', 'system.richacl'])
/** Attributes that the system makes again by itself, or that say nothing a person put there. */
const ownedBySystem = new Set(['security.selinux', 'system.nfs4_acl_readonly'])

export class LossCollector {
  readonly #kinds = new Map<LossKind, { count: number; examples: string[] }>()

  add(kind: LossKind, path: string): void {
    let loss = this.#kinds.get(kind)
    if (!loss) {
      loss = { count: 0, examples: [] }
      this.#kinds.set(kind, loss)
    }
    loss.count++
    if (loss.examples.length < maxExamples) loss.examples.push(path)
  }

  /** `names`: what listxattr gave for the path. */
  addAttributes(names: readonly string[], path: string): void {
    if (names.some((n) => aclNames.has(n))) this.add('accessControlLists', path)
    if (names.some((n) => !aclNames.has(n) && !ownedBySystem.has(n))) this.add('extendedAttributes', path)
  }

  report(): LossReport {
    return Object.fromEntries(this.#kinds)
  }
}

const texts: Record<LossKind, readonly [string, string]> = {
  invalidNames: [
    'name that is not UTF-8 is stored with replacement characters',
    'names that are not UTF-8 are stored with replacement characters',
  ],
  specialFiles: ['device, pipe or socket is left out', 'devices, pipes and sockets are left out'],
  hardLinks: ['hard link is stored as a file of its own', 'hard links are stored as files of their own'],
  extendedAttributes: [
    'entry has extended attributes, which the format cannot hold',
    'entries have extended attributes, which the format cannot hold',
  ],
  accessControlLists: [
    'entry has an access control list, which the format cannot hold',
    'entries have access control lists, which the format cannot hold',
  ],
}

/** One line per kind, for people. */
export function describeLosses(report: LossReport): string[] {
  return (Object.keys(texts) as LossKind[]).flatMap((kind) => {
    const loss = report[kind]
    if (!loss) return []
    const [one, many] = texts[kind]
    const more = loss.count > loss.examples.length ? ` and ${loss.count - loss.examples.length} more` : ''
    return [`${loss.count} ${loss.count === 1 ? one : many}: ${loss.examples.join(', ')}${more}`]
  })
}
