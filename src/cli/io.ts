/** How a command talks to the person or script that runs it. */
export interface CommandIo {
  /** One line on stdout. */
  out(line: string): void
  /** Raw text or bytes on stdout. */
  write(data: string | Uint8Array): void
  /** Raw text on stderr. */
  err(text: string): void
  /** Resolves when stdout can take more; call it in loops that write much. Throws SilentFailure when its reader has gone. */
  drained(): Promise<void>
  readonly outIsTerminal: boolean
  readonly inIsTerminal: boolean
  /** Width of the terminal in columns, undefined when stdout is none. */
  readonly columns: number | undefined
  /** Stdin as it comes. */
  inputStream(): AsyncIterable<Buffer>
  /** All of stdin. */
  readInput(): Promise<Buffer>
  /** Prompts on stdout, reads a line without echo. Throws UsageError where there is no terminal. */
  askSecret(prompt: string): Promise<string>
  /** Prompts on stdout, reads a line. */
  ask(prompt: string): Promise<string>
}
