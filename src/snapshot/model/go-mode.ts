/** Go file-mode bits in JSON against Unix permission bits (spec 03, 5.1). */
const goSetuid = 0x800000
const goSetgid = 0x400000
const goSticky = 0x100000

/** `"0"` + octal of the Go bits of Unix bits 07777; '' for 0 (the member is then left out). */
export function formatGoMode(mode: number): string {
  const go = (mode & 0o777) | (mode & 0o4000 ? goSetuid : 0) | (mode & 0o2000 ? goSetgid : 0) | (mode & 0o1000 ? goSticky : 0)
  return go === 0 ? '' : `0${go.toString(8)}`
}

const form = /^[+-]?(?:0[xX]_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|0[bB]_?[01]+(?:_[01]+)*|0[oO]?_?[0-7]+(?:_[0-7]+)*|0|[1-9]\d*(?:_\d+)*)$/

/** Unix permission bits 07777 of the text form, read as Go's ParseInt(base 0); undefined if it is not a number. */
export function parseGoMode(text: string): number | undefined {
  if (!form.test(text)) return undefined
  const digits = text.replace(/[_+-]/g, '')
  const value = /^0[0-7]/.test(digits) ? Number(`0o${digits.slice(1)}`) : Number(digits)
  if (!Number.isFinite(value)) return undefined
  // Bits beyond 32 carry no meaning here, but must not disturb the low ones.
  const go = Number(BigInt.asUintN(32, BigInt(text.startsWith('-') ? -value : value)))
  return (go & 0o777) | (go & goSetuid ? 0o4000 : 0) | (go & goSetgid ? 0o2000 : 0) | (go & goSticky ? 0o1000 : 0)
}
