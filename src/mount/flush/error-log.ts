import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FlushError } from './flusher.ts'

/** An error as it stands in the file. */
export interface NotedError {
  /** ISO 8601. */
  readonly time: string
  readonly code: string
  readonly message: string
}

const maxBytes = 256 << 10
const pathOf = (directory: string): string => join(directory, 'errors')

/** Keeps an error of a flush beside the staging area, so that it can be seen when the mount is gone. That it cannot be written is no further
 *  error: the disk may be what failed. */
export function noteError(directory: string, { timeMs, code, message }: FlushError): void {
  const path = pathOf(directory)
  try {
    const noted: NotedError = { time: new Date(timeMs).toISOString(), code, message }
    if (sizeOf(path) > maxBytes) {
      const lines = readFileSync(path, 'utf8').split('\n')
      writeFileSync(path, lines.slice(lines.length / 2).join('\n'), { mode: 0o600 })
    }
    appendFileSync(path, `${JSON.stringify(noted)}\n`, { mode: 0o600 })
  } catch {
    // see above
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size
  } catch {
    return 0
  }
}

/** Errors of flushes, oldest first. Lines that are torn are passed over. */
export function readErrors(directory: string): NotedError[] {
  let text: string
  try {
    text = readFileSync(pathOf(directory), 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as NotedError]
    } catch {
      return []
    }
  })
}
