import { buzhashSplitter } from './buzhash.ts'
import { fixedSplitter } from './fixed.ts'
import { rabinKarpSplitter } from './rabin-karp.ts'
import type { SplitterType } from './splitter.ts'

export type { SplitterType } from './splitter.ts'

const sizes: readonly (readonly [name: string, bytes: number])[] = ['128K', '256K', '512K', '1M', '2M', '4M', '8M'].map((name, i) => [
  name,
  131072 << i,
])

/** Spec 03, 2.1. */
const all: readonly SplitterType[] = [
  ...sizes.map(([size, bytes]) => fixedSplitter(`FIXED-${size}`, bytes)),
  ...sizes.map(([size, bytes]) => buzhashSplitter(`DYNAMIC-${size}-BUZHASH`, bytes)),
  ...sizes.map(([size, bytes]) => rabinKarpSplitter(`DYNAMIC-${size}-RABINKARP`, bytes)),
  fixedSplitter('FIXED', 4 << 20),
  buzhashSplitter('DYNAMIC', 4 << 20),
]

const byName = new Map(all.map((s) => [s.name, s]))

/** Registered names, sorted by bytes. */
export const splitterNames: readonly string[] = all.map((s) => s.name).sort()

/** The splitter of a name (case-sensitive); undefined when it is not registered. */
export function splitterByName(name: string): SplitterType | undefined {
  return byName.get(name)
}
