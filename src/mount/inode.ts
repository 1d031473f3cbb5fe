/** Inode numbers that are the same on every mount: 52-bit hashes of the way from the root of the mount, so that they need no table
 *  and never meet those of an overlay (`node-ranges.ts`).
 *  Two 32-bit lanes of multiply-and-xor (as in MurmurHash3's finalizer); not for anything that an attacker may aim at. */
export type InodeSeed = number

/** Inode number of the name below a directory with inode number `parent`; never 0 or 1. Characters are bytes. */
export function inodeOf(parent: InodeSeed, name: string): number {
  let low = (parent >>> 0) ^ 0xdeadbeef
  let high = Math.floor(parent / 0x1_0000_0000) ^ 0x41c6ce57
  for (let i = 0; i < name.length; i++) {
    const byte = name.charCodeAt(i)
    low = Math.imul(low ^ byte, 0x9e3779b1)
    high = Math.imul(high ^ byte, 0x5f356495)
  }
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35)
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35)
  const inode = (high & 0x0f_ffff) * 0x1_0000_0000 + (low >>> 0)
  return inode > 1 ? inode : inode + 2
}
