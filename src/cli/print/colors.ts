/** Colours of the reference, or plain text (spec 06, 5.6). */
export class Painter {
  constructor(readonly enabled: boolean) {}

  warning(text: string): string {
    return this.#paint(33, text)
  }
  error(text: string): string {
    return this.#paint(91, text)
  }
  note(text: string): string {
    return this.#paint(96, text)
  }

  #paint(color: number, text: string): string {
    return this.enabled ? `\u001b[${color}m${text}\u001b[0m` : text
  }
}
