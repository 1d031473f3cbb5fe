import { UsageError } from '#base/errors.ts'
import type { CommandIo } from '#cli/io.ts'

/** Streams in memory: what a command prints, and the answers that it is given. */
export class CapturedIo implements CommandIo {
  readonly #out: Buffer[] = []
  errors = ''
  outIsTerminal = false
  inIsTerminal = false
  columns: number | undefined = undefined
  input = Buffer.alloc(0)
  readonly answers: string[] = []

  out(line: string): void {
    this.write(`${line}\n`)
  }
  write(data: string | Uint8Array): void {
    this.#out.push(typeof data === 'string' ? Buffer.from(data) : Buffer.from(data))
  }
  err(text: string): void {
    this.errors += text
  }
  async drained(): Promise<void> {}
  async *inputStream(): AsyncGenerator<Buffer> {
    yield this.input
  }
  async readInput(): Promise<Buffer> {
    return this.input
  }
  async askSecret(prompt: string): Promise<string> {
    this.write(prompt)
    const answer = this.answers.shift()
    if (answer === undefined) throw new UsageError('no terminal')
    return answer
  }
  ask(prompt: string): Promise<string> {
    return this.askSecret(prompt)
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#out)
  }
  get output(): string {
    return this.bytes.toString('utf8')
  }
}
