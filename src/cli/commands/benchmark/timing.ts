import { randomBytes } from 'node:crypto'
import type { CommandContext } from '#cli/context.ts'

/** Fixed, so that a run can be compared with the next. */
export const benchmarkKey = Buffer.alloc(32, 7)

/** Bytes that do not compress. */
export const noise = (bytes: number): Buffer => randomBytes(bytes)

/** Runs `work` `repeat` times in each of `parallel` rows at once. Returns how many times per second it was done. */
export async function timesPerSecond(repeat: number, parallel: number, work: () => unknown): Promise<number> {
  const row = async (): Promise<void> => {
    for (let i = 0; i < repeat; i++) await work()
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: Math.max(1, parallel) }, row))
  const seconds = (performance.now() - start) / 1000
  return (repeat * Math.max(1, parallel)) / Math.max(seconds, 1e-9)
}

export interface Row {
  readonly name: string
  readonly bytesPerSecond: number
  /** What to give to `repository create` for it. */
  readonly option: string
}

const line = '-'.repeat(65)

/** Prints results, the fastest first, as a table with a first column `width` wide (spec 06, 11). */
export function printRows(c: CommandContext, title: string, width: number, rows: readonly Row[], printOptions: boolean): void {
  const sorted = [...rows].sort((a, b) => b.bytesPerSecond - a.bytesPerSecond)
  c.io.out(`     ${title.padEnd(width)} Throughput`)
  c.io.out(line)
  for (const [i, { name, bytesPerSecond, option }] of sorted.entries()) {
    const speed = `${c.sizes.bytes(Math.floor(bytesPerSecond))} / second`
    c.io.out(`${String(i).padStart(3)}. ${name.padEnd(width)} ${speed}${printOptions ? `,   ${option}` : ''}`)
  }
  c.io.out(line)
  if (sorted[0]) c.io.out(`Fastest option for this machine is: ${sorted[0].option}`)
}
