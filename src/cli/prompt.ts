import { createInterface } from 'node:readline'
import { CancelledError, UsageError } from '#base/errors.ts'

const maxSecretBytes = 1 << 16

/** Prompts on stdout and reads one line from the terminal without echo. Throws UsageError without a terminal on stdin,
 *  CancelledError on Ctrl-C. Source: spec 06, 4.2. */
export async function askWithoutEcho(prompt: string): Promise<string> {
  const input = process.stdin
  if (!input.isTTY) throw new UsageError('a password is needed, and stdin is no terminal to ask for it. Use --password or KOPIA_PASSWORD.')
  process.stdout.write(prompt)
  input.setRawMode(true)
  input.resume()
  try {
    return await readRawLine(input)
  } finally {
    input.setRawMode(false)
    input.pause()
    process.stdout.write('\n')
  }
}

function readRawLine(input: NodeJS.ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    const bytes: number[] = []
    const done = (act: () => void) => {
      input.off('data', onData)
      act()
    }
    const onData = (data: Buffer) => {
      for (const byte of data) {
        if (byte === 13 || byte === 10) return done(() => resolve(Buffer.from(bytes).toString('utf8')))
        if (byte === 3) return done(() => reject(new CancelledError('cancelled at the password prompt')))
        if (byte === 4) return done(() => reject(new UsageError('end of input at the password prompt')))
        if (byte === 127 || byte === 8) eraseCharacter(bytes)
        else if (bytes.length < maxSecretBytes) bytes.push(byte)
      }
    }
    input.on('data', onData)
  })
}

/** Removes the last UTF-8 character. */
function eraseCharacter(bytes: number[]): void {
  while (((bytes.at(-1) ?? 0) & 0xc0) === 0x80) bytes.pop()
  bytes.pop()
}

/** Prompts on stdout and reads one line; '' at the end of input. */
export function askLine(prompt: string): Promise<string> {
  process.stdout.write(prompt)
  const lines = createInterface({ input: process.stdin })
  return new Promise((resolve) => {
    lines.once('line', (line) => {
      resolve(line)
      lines.close()
    })
    lines.once('close', () => resolve(''))
  })
}
