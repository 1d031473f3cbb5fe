import type { DiffAttribute, DiffEvent } from '#snapshot/diff.ts'
import type { DirectoryEntry } from '#snapshot/model/directory-entry.ts'
import { modeText } from './mode.ts'
import type { TimePrinter } from './times.ts'

const attributeText: Readonly<Record<DiffAttribute, (e: DirectoryEntry, times: TimePrinter) => string>> = {
  modes: (e) => modeText(e.type, e.mode),
  sizes: (e) => String(e.sizeBytes),
  'modification times': (e, times) => times.go(e.modifiedNs),
  'owner users': (e) => String(e.uid),
  'owner groups': (e) => String(e.gid),
}

/** One line of "diff" (spec 06, 9.3). */
export function diffLine(event: DiffEvent, times: TimePrinter): string {
  const { path } = event
  switch (event.kind) {
    case 'added':
    case 'removed':
      return event.entry.type === 'd' ? `${event.kind} directory ${path}` : `${event.kind} file ${path} (${event.entry.sizeBytes} bytes)`
    case 'attribute': {
      const text = attributeText[event.what]
      return `${path} ${event.what} differ: ${text(event.before, times)} ${text(event.after, times)}`
    }
    case 'changed':
      return `changed ${path} at ${times.go(event.after.modifiedNs)} (size ${event.before.sizeBytes} -> ${event.after.sizeBytes})`
    case 'type':
      return event.before.type === 'd'
        ? `changed ${path} from directory to non-directory`
        : `changed ${path} from non-directory to a directory`
  }
}
