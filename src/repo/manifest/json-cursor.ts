import { stringEnd } from '#base/json-read.ts'

/** Walks JSON text without building values, so that payloads can be kept as slices of it. Syntax is checked only as far as needed to
 *  find where values end; whoever parses a slice finds the rest. Throws SyntaxError. */
export class JsonCursor {
  at = 0

  constructor(readonly text: string) {}

  /** Steps over `character` if it comes next. */
  take(character: string): boolean {
    this.#skipBlanks()
    if (this.text[this.at] !== character) return false
    this.at++
    return true
  }

  expect(character: string): void {
    if (!this.take(character)) throw new SyntaxError(`expected ${character} at position ${this.at}`)
  }

  /** Text of the value that comes next, quotes and brackets included. */
  value(): string {
    this.#skipBlanks()
    const start = this.at
    const first = this.text[start]
    if (first === '"') this.#skipString()
    else if (first === '{' || first === '[') this.#skipNested()
    else {
      while (this.at < this.text.length && !',]} \t\r\n'.includes(this.text[this.at] as string)) this.at++
      if (this.at === start) throw new SyntaxError(`expected a value at position ${start}`)
    }
    return this.text.slice(start, this.at)
  }

  /** Calls `each` for every member of the object that comes next; it must step over the value. */
  members(each: (key: string) => void): void {
    this.expect('{')
    if (this.take('}')) return
    do {
      this.#skipBlanks()
      if (this.text[this.at] !== '"') throw new SyntaxError(`expected a key at position ${this.at}`)
      const key = JSON.parse(this.value()) as string
      this.expect(':')
      each(key)
    } while (this.take(','))
    this.expect('}')
  }

  /** Calls `each` for every element of the list that comes next; it must step over the element. */
  elements(each: () => void): void {
    this.expect('[')
    if (this.take(']')) return
    do each()
    while (this.take(','))
    this.expect(']')
  }

  #skipBlanks(): void {
    for (;;) {
      const c = this.text.charCodeAt(this.at)
      if (c !== 32 && c !== 10 && c !== 13 && c !== 9) return
      this.at++
    }
  }

  #skipString(): void {
    const end = stringEnd(this.text, this.at)
    if (end === this.text.length) throw new SyntaxError(`the string at position ${this.at} does not end`)
    this.at = end + 1
  }

  #skipNested(): void {
    const start = this.at
    let depth = 0
    while (this.at < this.text.length) {
      const c = this.text.charCodeAt(this.at)
      if (c === 34) {
        this.#skipString()
        continue
      }
      this.at++
      if (c === 123 || c === 91) depth++
      else if ((c === 125 || c === 93) && --depth === 0) return
    }
    throw new SyntaxError(`the value at position ${start} does not end`)
  }
}
