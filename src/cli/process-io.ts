import { SilentFailure } from './exit.ts'
import type { CommandIo } from './io.ts'

const flushAtBytes = 1 << 16

/** The process's own streams. Output is gathered into large writes; end() must be awaited before the process exits. */
export class ProcessIo implements CommandIo {
  #parts: Uint8Array[] = []
  #bytes = 0
  #pending = 0
  #broken = false
  #wake: (() => void)[] = []

  constructor() {
    process.stdout.on('error', () => {
      // The reader has gone (`kura list | head`): nothing more can be said to it.
      this.#broken = true
      this.#awaken()
    })
    process.stderr.on('error', () => {})
  }

  get outIsTerminal(): boolean {
    return process.stdout.isTTY === true
  }
  get inIsTerminal(): boolean {
    return process.stdin.isTTY === true
  }
  get columns(): number | undefined {
    return process.stdout.columns
  }

  out(line: string): void {
    this.write(`${line}\n`)
  }

  write(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    this.#parts.push(bytes)
    this.#bytes += bytes.length
    if (this.#bytes >= flushAtBytes) this.#flush()
  }

  err(text: string): void {
    this.#flush()
    process.stderr.write(text)
  }

  #flush(): void {
    if (this.#bytes === 0) return
    const data = this.#parts.length === 1 ? (this.#parts[0] as Uint8Array) : Buffer.concat(this.#parts)
    this.#parts = []
    this.#bytes = 0
    if (this.#broken) return
    this.#pending++
    process.stdout.write(data, () => {
      this.#pending--
      this.#awaken()
    })
  }

  #awaken(): void {
    if (this.#pending > 0 && !this.#broken) return
    for (const wake of this.#wake.splice(0)) wake()
  }

  async drained(): Promise<void> {
    await this.end()
    // Nobody reads any more: whatever is still to be printed is not worth the work.
    if (this.#broken) throw new SilentFailure()
  }

  /** Resolves when all output is written, or cannot be any more. */
  async end(): Promise<void> {
    this.#flush()
    if (this.#pending > 0 && !this.#broken) await new Promise<void>((resolve) => this.#wake.push(resolve))
  }

  inputStream(): AsyncIterable<Buffer> {
    return process.stdin
  }

  async readInput(): Promise<Buffer> {
    const parts: Buffer[] = []
    for await (const part of process.stdin) parts.push(part as Buffer)
    return Buffer.concat(parts)
  }

  async askSecret(prompt: string): Promise<string> {
    this.#flush()
    const { askWithoutEcho } = await import('./prompt.ts')
    return askWithoutEcho(prompt)
  }

  async ask(prompt: string): Promise<string> {
    this.#flush()
    const { askLine } = await import('./prompt.ts')
    return askLine(prompt)
  }
}
