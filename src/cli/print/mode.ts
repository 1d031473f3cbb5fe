const letters = ['---', '--x', '-w-', '-wx', 'r--', 'r-x', 'rw-', 'rwx']

/** Mode as the reference prints it: type letters, then `rwxrwxrwx` (spec 06, 5.4). `type` is that of a directory entry. */
export function modeText(type: string, mode: number): string {
  let kind = type === 'd' ? 'd' : type === 's' ? 'L' : ''
  if (mode & 0o4000) kind += 'u'
  if (mode & 0o2000) kind += 'g'
  if (mode & 0o1000) kind += 't'
  if (kind === '') kind = '-'
  return kind + letters[(mode >> 6) & 7] + letters[(mode >> 3) & 7] + letters[mode & 7]
}
