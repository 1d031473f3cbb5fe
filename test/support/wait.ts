import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves when the process has ended and its pipes are read. */
export const ended = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once('close', () => resolve()))

/** How long a machine with much else to do may take for what is done in a second elsewhere. */
export const patienceMs = 90_000

/** Resolves when `holds` does, which is asked every `everyMs`; `what` is waited for, and named in the error if it never comes. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, everyMs = 20): Promise<void> {
  const end = performance.now() + patienceMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${patienceMs / 1000} s for ${what}`)
    await sleep(everyMs)
  }
}

/** Kills a process unless it ends within the time that any machine needs; resolves when it has ended. `end`: its end, asked for in time. */
export async function endOf(child: ChildProcess, end: Promise<unknown>): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  await end
  clearTimeout(timer)
}
