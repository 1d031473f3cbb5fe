/** A name and what it means. The name brings its own indentation. */
export interface Row {
  readonly name: string
  readonly text: string
}

const narrowest = 40
/** Longer names have their text on the next line. */
const widestName = 32
const gap = 2

/** Width of the text in characters: what the user's COLUMNS says, else the terminal's, else 80. */
export function columnsOf(asked: string | undefined, terminal: number | undefined): number {
  const given = Number(asked)
  return Math.max(narrowest, Number.isInteger(given) && given > 0 ? given : (terminal ?? 80))
}

/** Breaks text between words into lines of at most `width` characters; a longer word has a line of its own. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return line === '' && lines.length > 0 ? lines : [...lines, line]
}

/** Rows in two columns, the texts broken between words. */
export function rowLines(rows: readonly Row[], width: number): string[] {
  const fitting = rows.map(({ name }) => name.length).filter((length) => length <= widestName)
  const indent = Math.max(0, ...fitting) + gap
  return rows.flatMap(({ name, text }) => {
    const [first = '', ...more] = wrapped(text, width - indent)
    const start = name.length + gap <= indent ? [`${name.padEnd(indent)}${first}`] : [name, `${' '.repeat(indent)}${first}`]
    return [...start, ...more.map((line) => `${' '.repeat(indent)}${line}`)].map((line) => line.trimEnd()).filter((line) => line !== '')
  })
}
