import { UsageError } from '#base/errors.ts'
import type { Snapshot } from '#snapshot/model/snapshot.ts'
import { safeName, snapshotName, uniqueNames } from './names.ts'

/** A folder of a view: folders and snapshots under their names. */
export interface ViewFolder {
  readonly folders: ReadonlyMap<string, ViewFolder>
  readonly snapshots: ReadonlyMap<string, Snapshot>
}

interface Growing {
  readonly folders: Map<string, Growing>
  readonly leaves: Map<string, { readonly name: string; readonly snapshot: Snapshot }>
}

export const usualViews = ['by-id/%I', 'by-tag/%t/%T', 'by-time/%T'] as const
const letters = 'uhptiIT'
const tagPrefix = 'tag:'

/** Refuses what is no template: UsageError. */
export function checkView(template: string): string {
  const parts = template.split('/')
  const bad = [...template.matchAll(/%(.?)/gs)].find(([, letter]) => letter === '' || !`${letters}%`.includes(letter as string))
  if (bad) throw new UsageError(`the view ${template} has ${bad[0]}; only %${[...letters].join(', %')} and %% stand for something`)
  if (parts.some((p) => p === '' || p === '.' || p === '..')) throw new UsageError(`the view ${template} is no relative path`)
  if (!/%[iITt]/.test(template)) throw new UsageError(`the view ${template} has nothing that tells snapshots apart; add %T or %I`)
  return template
}

/** The folders that templates make of snapshots. %u %h %p: user, host, path of the source; %t: tags, a place for each `key=value`; %i %I: ID,
 *  short and long; %T: time of the start. Snapshots that would be one get ` (2)`, … Source: spec 08, 1.3. */
export function viewTree(templates: readonly string[], snapshots: readonly Snapshot[]): ViewFolder {
  const root: Growing = { folders: new Map(), leaves: new Map() }
  for (const template of templates) {
    const parts = template.split('/')
    const fixed = parts.slice(0, -1)
    folderAt(root, fixed.slice(0, fixed.findIndex((p) => p.includes('%')) >>> 0)) // is there though empty
    for (const snapshot of snapshots)
      for (const tag of template.includes('%t') ? tagsOf(snapshot) : ['']) {
        const names = parts.map((part) => expanded(part, snapshot, tag))
        const folder = folderAt(root, names.slice(0, -1))
        const name = names.at(-1) as string
        folder.leaves.set(`${name} ${snapshot.id}`, { name, snapshot })
      }
  }
  return grown(root)
}

function folderAt(root: Growing, names: readonly string[]): Growing {
  let at = root
  for (const name of names) {
    let next = at.folders.get(name)
    if (next === undefined) {
      next = { folders: new Map(), leaves: new Map() }
      at.folders.set(name, next)
    }
    at = next
  }
  return at
}

const tagsOf = ({ tags }: Snapshot): string[] =>
  Object.entries(tags).map(([key, value]) => `${key.startsWith(tagPrefix) ? key.slice(tagPrefix.length) : key}=${value}`)

function expanded(part: string, snapshot: Snapshot, tag: string): string {
  const { id, source, startNs, incomplete } = snapshot
  const name = part.replace(/%(.)/gs, (_, letter: string) => {
    if (letter === 'u') return source.user
    if (letter === 'h') return source.host
    if (letter === 'p') return safeName(source.path)
    if (letter === 't') return tag
    if (letter === 'i') return id.slice(0, 8)
    if (letter === 'I') return id
    return letter === 'T' ? snapshotName(startNs, incomplete) : letter
  })
  const safe = name.replace(/[/\0]/g, '_')
  return safe === '' || safe === '.' || safe === '..' ? `_${safe}` : safe
}

function grown({ folders, leaves }: Growing): ViewFolder {
  // 'd' before 'l': where a folder and a snapshot have one name, the folder keeps it.
  const keys = [...[...folders.keys()].map((name) => `d ${name}`), ...[...leaves.keys()].map((key) => `l ${key}`)]
  const names = uniqueNames(keys, (key) => (key.startsWith('d ') ? key.slice(2) : (leaves.get(key.slice(2))?.name ?? '')))
  const snapshots = new Map<string, Snapshot>()
  keys.forEach((key, i) => {
    const leaf = key.startsWith('l ') ? leaves.get(key.slice(2)) : undefined
    if (leaf !== undefined) snapshots.set(names[i] as string, leaf.snapshot)
  })
  return { folders: new Map([...folders].map(([name, below]) => [name, grown(below)])), snapshots }
}
