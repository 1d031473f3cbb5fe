import { readFile } from 'node:fs/promises'

/** One line of the kernel's mount table. */
export interface MountEntry {
  readonly mountPoint: string
  /** 'fuse.kura', 'ext4' … */
  readonly type: string
  readonly source: string
  /** '<major>:<minor>' of the file system. */
  readonly device: string
}

export const ourMountType = 'fuse.kura'

/** The mounts this process sees, in the order they were made. Empty where there is no /proc. Source: proc(5), mountinfo. */
export async function mountTable(): Promise<MountEntry[]> {
  const text = await readFile('/proc/self/mountinfo', 'latin1').catch(() => '')
  return text.split('\n').flatMap((line) => parseMountLine(line) ?? [])
}

/** One line of mountinfo; undefined for anything else. */
export function parseMountLine(line: string): MountEntry | undefined {
  const [before, after] = line.split(' - ')
  const [, , device, , mountPoint] = before?.split(' ') ?? []
  const [type, source] = after?.split(' ') ?? []
  if (device === undefined || mountPoint === undefined || type === undefined || source === undefined) return undefined
  return { device, mountPoint: unescaped(mountPoint), type, source: unescaped(source) }
}

/** The topmost mount at exactly this absolute path. */
export async function mountAt(path: string): Promise<MountEntry | undefined> {
  return (await mountTable()).findLast((entry) => entry.mountPoint === path)
}

/** Octal escapes of the kernel, then UTF-8. */
function unescaped(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
