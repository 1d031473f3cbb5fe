import { chmodSync, lutimesSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Bytes that repeat nowhere near. */
export function noise(sizeBytes: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4))
  let state = seed | 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return Buffer.from(words.buffer, 0, sizeBytes)
}

/** A tree with what is hard to show right: odd names, modes, times and sizes, links, files of several parts. */
export function makeSourceTree(root: string): void {
  for (const folder of ['empty', 'deep/er/and/deeper', 'names', 'modes', 'big']) mkdirSync(join(root, folder), { recursive: true })
  const put = (name: string, bytes: string | Buffer): void => writeFileSync(join(root, name), bytes)
  put('empty.txt', '')
  put('hello.txt', 'hello\n')
  put('deep/er/and/deeper/file', 'at the bottom\n')
  for (const name of ['with space', 'trailing ', 'ünïcödé', '日本語', '-rf', 'new\nline', "quo'te", 'ba\\ck', `${'x'.repeat(255)}`])
    put(join('names', name), name)
  for (const mode of [0o000, 0o400, 0o755, 0o4755, 0o2755, 0o1777]) {
    put(`modes/${mode.toString(8)}`, `${mode}`)
    chmodSync(join(root, `modes/${mode.toString(8)}`), mode)
  }
  put('big/five-parts', noise((18 << 20) + 123, 1))
  put('big/exact', noise(8 << 20, 2))
  put('big/odd', noise(4097, 3))
  symlinkSync('hello.txt', join(root, 'link'))
  symlinkSync('/nowhere/at/all', join(root, 'dangling'))
  symlinkSync('deep/er', join(root, 'link-to-directory'))
  utimesSync(join(root, 'hello.txt'), 1_600_000_000.123456, 1_600_000_000.123456)
  utimesSync(join(root, 'empty.txt'), -86_400, -86_400)
  lutimesSync(join(root, 'link'), 1_500_000_000, 1_500_000_000)
  utimesSync(join(root, 'empty'), 1_400_000_000, 1_400_000_000)
}
