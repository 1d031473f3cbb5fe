import type { ChildProcess } from 'node:child_process'

/** Resolves when the process has ended and its pipes are read. */
export const ended = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once('close', () => resolve()))
