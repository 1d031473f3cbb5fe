import { goJson, goJsonIndented, type JsonValue } from '#base/go-json.ts'
import type { CommandIo } from '../io.ts'

/** One object on one line, or indented by 2 (spec 06, 5.5). */
export function printJson(io: CommandIo, value: JsonValue, indent: boolean): void {
  io.out(indent ? goJsonIndented(value) : goJson(value))
}

/** A list as the reference prints it: `[`, one item a line, `]` without a newline at the end (spec 06, 5.5). */
export class JsonList {
  #count = 0

  constructor(
    readonly io: CommandIo,
    readonly indent: boolean,
  ) {
    io.write('[')
  }

  add(item: JsonValue): void {
    const first = this.#count++ === 0
    if (this.indent) this.io.write(`${first ? '' : ','}${goJsonIndented(item)}`)
    else this.io.write(`${first ? '\n ' : ',\n '}${goJson(item)}`)
  }

  end(): void {
    this.io.write(this.indent ? ']' : '\n]')
  }
}
